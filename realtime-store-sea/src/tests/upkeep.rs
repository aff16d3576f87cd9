//! Retention and erasure step by step: each is small, what is not done yet is seen by
//! nobody, and whoever goes on knows where.

use realtime_core::{
    change::{Change, Legacy},
    event::RoomChange,
    id::RoomId,
    limits::{AGED_MESSAGES, EDITIONS_PAGE, TIDY_MESSAGES},
    message::{Message, Sender},
    seq::{Rev, Seq},
    store::{Aged, Catalog, Exported, Store, Tidied, Upkeep, Window},
    time::Timestamp,
};

use super::{
    fixture::{Fixture, NOW, commit, group, newcomer, open, send, user},
    life::{LATER, edit, erase, retain, tidy_all},
};
use crate::{SeaStore, query::Query, rows::single};

/// How often the one message is edited that is: more often than a step may delete.
const EDITS: u64 = 5;

/// A room in which ann said ten things, edited the first one, and ben answered.
async fn talked(store: &SeaStore) -> RoomId {
    let room = open(store, group(["ann", "ben"])).await;
    let mut said: Vec<Change> = (0..10)
        .map(|n| send(room, "ann", &format!("a-{n}")))
        .collect();
    said.push(send(room, "ben", "b-0"));
    said.extend((0..EDITS).map(|n| edit(room, "ann", 1, &format!("edited {n}"))));
    for outcome in commit(store, &said).await.unwrap() {
        outcome.unwrap();
    }
    room
}

pub(super) async fn rows(fixture: &Fixture, table: &str) -> i64 {
    let query = Query {
        db: fixture.writer(),
        dialect: fixture.dialect(),
    };
    let sql = format!("SELECT COUNT(*) FROM {table}");
    single(query.one(&sql, []).await.unwrap()).unwrap().unwrap()
}

async fn history(store: &SeaStore, room: RoomId) -> Vec<Message> {
    let page = store.history(room, Window::Latest, 200).await;
    page.unwrap().messages
}

fn resets(steps: &[Tidied]) -> Vec<(RoomId, Rev)> {
    let events = steps.iter().flat_map(|step| &step.events);
    events
        .map(|event| {
            assert_eq!(event.change, RoomChange::Reset);
            assert_eq!(event.after, event.rev.previous());
            (event.room, event.rev)
        })
        .collect()
}

#[tokio::test]
async fn a_person_is_erased_in_slices() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let room = talked(store).await;
        let head = store.room(room).await.unwrap().unwrap().rev;
        commit(store, &[erase("ann", Legacy::Tombstone)])
            .await
            .unwrap();
        // Four editions; the fifth and four messages; four; the last two and the end.
        for left in (0..4).rev() {
            let [of_ann, of_ben] = split(&history(store, room).await);
            assert!(
                of_ann
                    .iter()
                    .all(|one| one.sender == Sender::Erased && one.client_id.is_none())
            );
            assert_eq!((of_ann.len(), of_ben.len()), (10, 1));
            let now = store.room(room).await.unwrap().unwrap();
            assert_eq!((now.rev, now.participant_count), (head, 2));
            let step = store.tidy_by(LATER, 4).await.unwrap();
            assert_eq!(
                (step.more, step.events.is_empty()),
                (left > 0, left > 0),
                "{step:?}"
            );
            if left == 0 {
                assert_eq!(resets(&[step]), [(room, head.next())]);
            }
        }
        let now = store.room(room).await.unwrap().unwrap();
        assert_eq!((now.rev, now.meta_rev), (head.next(), head.next()));
        assert_eq!(now.participant_count, 1);
        let [of_ann, of_ben] = split(&history(store, room).await);
        for one in &of_ann {
            assert_eq!((&one.body, &one.metadata), (&None, &None));
            assert_eq!(one.deleted_at, Some(LATER));
        }
        assert!(of_ben[0].body.is_some());
        assert_eq!(rows(&fixture, "rt_message_edit").await, 0);
        assert_eq!(rows(&fixture, "rt_chore").await, 0);
        assert_eq!(rows(&fixture, "rt_participant").await, 1);
    }
}

/// Those of ann, who may be nobody by now, and those of ben.
fn split(messages: &[Message]) -> [Vec<Message>; 2] {
    let of_ben = |one: &Message| one.sender.user() == Some(&user("ben"));
    let (ben, ann) = messages.iter().cloned().partition(of_ben);
    [ann, ben]
}

#[tokio::test]
async fn what_is_kept_of_a_person_leads_to_nobody() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let room = talked(store).await;
        let before = history(store, room).await;
        commit(store, &[erase("ann", Legacy::Keep)]).await.unwrap();
        let steps = tidy_all(store, 4).await.unwrap();
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert_eq!(resets(&steps).len(), 1);
        for (one, before) in history(store, room).await.iter().zip(&before) {
            assert_eq!((&one.body, one.rev), (&before.body, before.rev));
        }
        let leads = "rt_message WHERE sender_id = 1 AND client_id IS NOT NULL";
        assert_eq!(rows(&fixture, leads).await, 0);
        let known =
            "rt_user WHERE id = 1 AND (external_id IS NOT NULL OR display_name IS NOT NULL)";
        assert_eq!(rows(&fixture, known).await, 0);
        let edits = i64::try_from(EDITS).unwrap();
        assert_eq!(rows(&fixture, "rt_message_edit").await, edits);
    }
}

#[tokio::test]
async fn messages_are_purged_in_slices() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let room = talked(store).await;
        commit(store, &[retain(room, 5), retain(room, 8)])
            .await
            .unwrap();
        // Three editions; two and three messages; three; the seventh.
        for (left, messages, editions) in [(3, 11, 2), (2, 8, 0), (1, 5, 0), (0, 4, 0)] {
            assert_eq!(history(store, room).await[0].seq, Seq::new(8));
            let repeated = commit(store, &[send(room, "ann", "a-6")]).await.unwrap();
            assert!(
                repeated[0].as_ref().unwrap().events.is_empty(),
                "its row is there"
            );
            let step = store.tidy_by(LATER, 3).await.unwrap();
            assert_eq!((step.more, step.events.is_empty()), (left > 0, true));
            assert_eq!(rows(&fixture, "rt_message").await, messages);
            assert_eq!(rows(&fixture, "rt_message_edit").await, editions);
        }
        assert_eq!(rows(&fixture, "rt_chore").await, 0);
        let anew = commit(store, &[send(room, "ann", "a-6")]).await.unwrap();
        assert_eq!(anew[0].as_ref().unwrap().events.len(), 1);
    }
}

#[tokio::test]
async fn what_was_begun_is_finished_by_another() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let rooms = [
            talked(store).await,
            talked(store).await,
            talked(store).await,
        ];
        let leaves = Change::Remove {
            room: rooms[1],
            user: user("ann"),
            keeps_history: true,
        };
        let gone = [leaves, retain(rooms[2], 4), erase("ann", Legacy::Tombstone)];
        commit(store, &gone).await.unwrap();
        let mut told = Vec::new();
        let mut more = true;
        for turn in 0.. {
            if !more {
                assert!(turn > 6, "{turn} steps");
                break;
            }
            // Who was at it may be dead.
            let step = fixture.another().await.tidy_by(LATER, 4).await.unwrap();
            more = step.more;
            told.extend(resets(&[step]));
        }
        told.sort_unstable();
        let mut of: Vec<RoomId> = told.iter().map(|(room, _)| *room).collect();
        of.dedup();
        let mut expected = rooms.to_vec();
        expected.sort_unstable();
        assert_eq!(of, expected);
        assert_eq!(told.len(), 3);
        for room in rooms {
            let now = store.room(room).await.unwrap().unwrap();
            assert_eq!(now.participant_count, 1);
            assert!(
                split(&history(store, room).await)[0]
                    .iter()
                    .all(|one| one.body.is_none())
            );
        }
        assert_eq!(rows(&fixture, "rt_chore").await, 0);
    }
}

#[tokio::test]
async fn a_writer_takes_nobody_for_who_was_erased() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let room = talked(store).await;
        let batch = [
            send(room, "ann", "before"),
            erase("ann", Legacy::Tombstone),
            send(room, "ann", "after"),
            send(room, "ben", "b-1"),
        ];
        let outcomes = commit(store, &batch).await.unwrap();
        let done: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(done, [true, true, false, true]);
        let again = commit(
            store,
            &[send(room, "ann", "later"), send(room, "ben", "b-2")],
        )
        .await;
        assert!(again.unwrap()[0].is_err());
        let comes = Change::Admit {
            room,
            participant: newcomer("ann"),
            history: realtime_core::change::History::FromNow,
        };
        let head = store.room(room).await.unwrap().unwrap().rev;
        commit(store, &[comes, send(room, "ann", "a-1")])
            .await
            .unwrap()[1]
            .as_ref()
            .unwrap();
        let steps = tidy_all(store, 100).await.unwrap();
        assert_eq!(resets(&steps), [(room, Rev::new(head.get() + 3))]);
        // The numbers go on where tidying left them.
        let sent = commit(store, &[send(room, "ann", "a-2")]).await.unwrap();
        let event = &sent[0].as_ref().unwrap().events[0];
        assert_eq!(event.rev, Rev::new(head.get() + 4));
        let [nobodys, of_ben] = split(&history(store, room).await);
        assert_eq!(of_ben.len(), 3);
        let (hers, nobodys): (Vec<_>, Vec<_>) = nobodys
            .into_iter()
            .partition(|one| one.sender.user().is_some());
        assert_eq!((hers.len(), nobodys.len()), (2, 11));
    }
}

#[tokio::test]
async fn a_message_that_was_edited_very_often_is_exported_whole() {
    const OFTEN: u64 = TIDY_MESSAGES as u64 + 30;
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let room = talked(store).await;
        let edits =
            |seq, times: u64| (0..times).map(move |n| edit(room, "ann", seq, &format!("{n}")));
        let edits: Vec<Change> = edits(3, 2)
            .chain(edits(5, OFTEN))
            .chain(edits(6, 1))
            .collect();
        commit(store, &edits).await.unwrap();
        let mut items = Vec::new();
        let (mut cursor, mut pages) = (None, 0);
        loop {
            let page = store.export(&user("ann"), cursor).await.unwrap().unwrap();
            items.extend(page.items);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert!(pages > 1);
        let mut told: Vec<(u64, usize)> = Vec::new();
        for item in &items {
            match item {
                Exported::Person { .. } | Exported::Room { .. } => assert!(told.is_empty()),
                Exported::Message(message) => told.push((message.seq.get(), 0)),
                Exported::Edition { seq, edition, .. } => {
                    let last = told.last_mut().unwrap();
                    assert_eq!(last.0, seq.get());
                    assert!(edition.replaced_at >= edition.written_at);
                    last.1 += 1;
                }
            }
        }
        let edits = |seq| match seq {
            1 => EDITS,
            3 => 2,
            5 => OFTEN,
            6 => 1,
            _ => 0,
        };
        let expected: Vec<(u64, usize)> = (1..=10)
            .map(|seq| (seq, usize::try_from(edits(seq)).unwrap()))
            .collect();
        assert_eq!(told, expected);
        let mut after = Rev::ZERO;
        let mut versions = 0;
        loop {
            let page = store
                .editions(room, Seq::new(5), after, u32::MAX)
                .await
                .unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= EDITIONS_PAGE.0 as usize);
            (after, versions) = (last.rev, versions + page.len());
        }
        assert_eq!(versions as u64, OFTEN);
    }
}

#[tokio::test]
async fn old_rooms_are_found_however_many_there_are() {
    const ROOMS: usize = 1_100;
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let opened: Vec<Change> = (0..ROOMS).map(|_| Change::Open(group(["ann"]))).collect();
        let mut rooms: Vec<RoomId> = commit(store, &opened)
            .await
            .unwrap()
            .into_iter()
            .map(|outcome| outcome.unwrap().events[0].room)
            .collect();
        rooms.sort_unstable();
        let sends: Vec<Change> = rooms.iter().map(|room| send(*room, "ann", "new")).collect();
        let old = [rooms[3], rooms[700], rooms[ROOMS - 1]];
        let first: Vec<Change> = old.iter().map(|room| send(*room, "ann", "old")).collect();
        store.commit(NOW, &first).await.unwrap();
        store.commit(LATER, &sends).await.unwrap();
        let expected = old.map(|room| Aged {
            room,
            keep_from: Seq::new(2),
        });
        assert_eq!(store.aged(LATER, None, 10).await.unwrap(), expected);
        assert_eq!(store.aged(LATER, None, 2).await.unwrap(), expected[..2]);
        assert_eq!(
            store.aged(LATER, Some(old[1]), 2).await.unwrap(),
            expected[2..]
        );
        assert_eq!(store.aged(NOW, None, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_long_room_is_looked_at_in_part() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let room = open(store, group(["ann"])).await;
        let most = u64::from(AGED_MESSAGES);
        let sends: Vec<Change> = (0..most + 7)
            .map(|n| send(room, "ann", &n.to_string()))
            .collect();
        commit(store, &sends).await.unwrap();
        let keep = |from| Aged {
            room,
            keep_from: Seq::new(from),
        };
        assert_eq!(store.aged(LATER, None, 1).await.unwrap(), [keep(most + 1)]);
        commit(store, &[retain(room, most + 1)]).await.unwrap();
        assert_eq!(store.aged(LATER, None, 1).await.unwrap(), [keep(most + 8)]);
        commit(store, &[retain(room, most + 8)]).await.unwrap();
        assert_eq!(store.aged(LATER, None, 1).await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_a_chore_does_not_say_is_damage() {
    for damage in [
        "UPDATE rt_chore SET kind = 9",
        "UPDATE rt_chore SET user_id = NULL",
        "UPDATE rt_chore SET legacy = 7",
        "UPDATE rt_chore SET kind = 0",
    ] {
        let fixture = Fixture::new().await;
        let store = &fixture.store;
        talked(store).await;
        commit(store, &[erase("ann", Legacy::Keep)]).await.unwrap();
        fixture.sql(damage).await;
        let error = store.tidy(LATER).await.unwrap_err();
        assert!(!error.is_transient(), "{damage}: {error:?}");
        assert_eq!(rows(&fixture, "rt_participant").await, 2);
    }
}

#[tokio::test]
async fn a_message_of_nobody_who_was_erased_is_damage() {
    let fixture = Fixture::new().await;
    let room = talked(&fixture.store).await;
    fixture
        .sql("UPDATE rt_user SET external_id = NULL WHERE id = 1")
        .await;
    let error = fixture
        .store
        .history(room, Window::Latest, 5)
        .await
        .unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
}

/// What is written by the version before, which does not know the newer columns.
mod older {
    use sea_orm::Value;

    use super::*;
    use crate::dialect::Rows;

    async fn insert<const N: usize>(
        fixture: &Fixture,
        table: &str,
        columns: [&'static str; N],
        row: [Value; N],
    ) {
        let mut rows = Rows::new(columns);
        rows.push(row);
        let query = Query {
            db: fixture.writer(),
            dialect: fixture.dialect(),
        };
        for statement in fixture.dialect().insert(table, rows) {
            query.execute(statement).await.unwrap();
        }
    }

    async fn speaks(fixture: &Fixture) -> RoomId {
        let room = uuid::Uuid::now_v7();
        puts_a_user(fixture).await;
        puts_a_room(fixture, room).await;
        puts_a_participant(fixture, room).await;
        puts_a_message(fixture, room).await;
        RoomId::from_uuid(room)
    }

    async fn puts_a_user(fixture: &Fixture) {
        let now = NOW.as_millis();
        let user = [
            "external_id",
            "display_name",
            "last_rev",
            "created_at",
            "updated_at",
        ];
        let row = [
            "olga".into(),
            "Olga".into(),
            1_i64.into(),
            now.into(),
            now.into(),
        ];
        insert(fixture, "rt_user", user, row).await;
    }

    async fn puts_a_room(fixture: &Fixture, room: uuid::Uuid) {
        let now = NOW.as_millis();
        let columns = [
            "id",
            "kind",
            "state",
            "first_seq",
            "last_seq",
            "last_rev",
            "meta_rev",
            "receipt_rev",
            "participant_count",
            "last_message_at",
            "created_at",
            "updated_at",
        ];
        let row = [
            room.into(),
            1_i16.into(),
            0_i16.into(),
            1_i64.into(),
            1_i64.into(),
            2_i64.into(),
            1_i64.into(),
            2_i64.into(),
            1_i64.into(),
            now.into(),
            now.into(),
            now.into(),
        ];
        insert(fixture, "rt_room", columns, row).await;
    }

    async fn puts_a_participant(fixture: &Fixture, room: uuid::Uuid) {
        let now = NOW.as_millis();
        let columns = [
            "room_id",
            "user_id",
            "role",
            "state",
            "delivered_seq",
            "read_seq",
            "rev",
            "member_rev",
            "joined_at",
        ];
        let row = [
            room.into(),
            1_i64.into(),
            0_i16.into(),
            0_i16.into(),
            1_i64.into(),
            1_i64.into(),
            2_i64.into(),
            1_i64.into(),
            now.into(),
        ];
        insert(fixture, "rt_participant", columns, row).await;
    }

    async fn puts_a_message(fixture: &Fixture, room: uuid::Uuid) {
        let now = NOW.as_millis();
        let columns = [
            "room_id",
            "seq",
            "rev",
            "sent_rev",
            "id",
            "sender_id",
            "kind",
            "counts",
            "client_id",
            "fingerprint",
            "sent_at",
            "body",
        ];
        let row = [
            room.into(),
            1_i64.into(),
            2_i64.into(),
            2_i64.into(),
            uuid::Uuid::now_v7().into(),
            1_i64.into(),
            0_i16.into(),
            true.into(),
            "o-1".into(),
            5_i64.into(),
            now.into(),
            "hello".into(),
        ];
        insert(fixture, "rt_message", columns, row).await;
    }

    #[tokio::test]
    async fn an_older_server_goes_on_writing() {
        for fixture in Fixture::each().await {
            let room = speaks(&fixture).await;
            let store = &fixture.store;
            let olga = store
                .participant(room, &user("olga"))
                .await
                .unwrap()
                .unwrap();
            assert_eq!((olga.visible_from, olga.visible_to), (Seq::FIRST, None));
            let set = store.changes(room, Rev::ZERO, 10).await.unwrap();
            assert_eq!(
                (set.messages.len(), set.participants.len(), set.reset),
                (1, 1, false)
            );
            let said = &set.messages[0];
            assert_eq!(said.sender.user(), Some(&user("olga")));
            let sent = commit(
                store,
                &[send(room, "olga", "o-2"), edit(room, "olga", 1, "hi")],
            )
            .await;
            assert!(sent.unwrap().iter().all(Result::is_ok));
            let erased = commit(store, &[erase("olga", Legacy::Tombstone)])
                .await
                .unwrap();
            assert!(erased[0].is_ok());
            assert_eq!(resets(&tidy_all(store, 10).await.unwrap()).len(), 1);
        }
    }
}

#[tokio::test]
async fn nobody_waits_for_the_lock_to_hear_that_nothing_is_left() {
    let fixture = Fixture::new().await;
    let locked = crate::transaction::begin(fixture.connections())
        .await
        .unwrap();
    let tidied = fixture.store.tidy(Timestamp::from_millis(0)).await.unwrap();
    assert_eq!(tidied, Tidied::default());
    drop(locked);
}
