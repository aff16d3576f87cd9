//! A room's life from its first hand-over to the erasure of who was in it.

use realtime_core::{
    change::{Actor, Change, DomainEvent, History, Legacy, Roster},
    id::{EventId, RoomId},
    message::Body,
    room::Subject,
    seq::{Rev, Seq},
    store::{Catalog, RoomQuery, StoreError, Tidied, Upkeep},
    time::Timestamp,
};

use super::fixture::{Fixture, NOW, commit, group, newcomer, send, user};
use crate::SeaStore;

/// After everything that the fixtures write.
pub(super) const LATER: Timestamp = Timestamp::from_millis(NOW.as_millis() + 60_000);

/// Steps of tidying after which each kind was taken: the first room of somebody who said
/// nothing, messages that go, editions and messages of somebody who spoke.
const STEPS: usize = 12;

pub(super) fn erase(who: &str, messages: Legacy) -> Change {
    Change::Erase {
        user: user(who),
        messages,
        once: None,
    }
}

pub(super) fn retain(room: RoomId, from: u64) -> Change {
    Change::Retain {
        room,
        from: Seq::new(from),
    }
}

pub(super) fn edit(room: RoomId, who: &str, seq: u64, says: &str) -> Change {
    Change::Edit {
        room,
        seq: Seq::new(seq),
        by: Actor::user(user(who)),
        body: Body::parse(says.to_owned(), 1_000).unwrap(),
        sent_after: None,
    }
}

/// Tidies until nothing is left; answers what each step did.
pub(super) async fn tidy_all(store: &SeaStore, most: u32) -> Result<Vec<Tidied>, StoreError> {
    let mut steps = Vec::new();
    loop {
        let tidied = store.tidy_by(LATER, most).await?;
        let more = tidied.more;
        steps.push(tidied);
        if !more {
            return Ok(steps);
        }
    }
}

/// Everything that keeping a room for years asks of a store.
pub(super) async fn lives(fixture: &Fixture, room: RoomId) {
    let store = &fixture.store;
    let hands_over = Change::Replace {
        room,
        leaves: user("ben"),
        comes: newcomer("fred"),
        history: History::FromNow,
    };
    let comes_back = Change::Admit {
        room,
        participant: newcomer("fred"),
        history: History::FromNow,
    };
    let leaves = Change::Remove {
        room,
        user: user("fred"),
        keeps_history: true,
    };
    let said: Vec<Change> = (0..5)
        .map(|n| send(room, "ann", &format!("life-{n}")))
        .collect();
    commit(store, &said).await.unwrap();
    let last = super::fixture::last_seq(store, room).await;
    for outcome in commit(
        store,
        &[
            edit(room, "ann", last, "anew"),
            hands_over,
            leaves,
            comes_back,
            roster(),
            retain(room, 2),
        ],
    )
    .await
    .unwrap()
    {
        outcome.unwrap();
    }
    asks(fixture, room, last).await;
    for legacy in [
        (erase("fred", Legacy::Keep)),
        erase("ann", Legacy::Tombstone),
    ] {
        commit(store, &[legacy]).await.unwrap()[0].as_ref().unwrap();
    }
    // Of each kind of step a few: there may be many rooms.
    for _ in 0..STEPS {
        store.tidy_by(LATER, 2).await.unwrap();
    }
}

async fn asks(fixture: &Fixture, room: RoomId, edited: u64) {
    let store = &fixture.store;
    let before = store.editions(room, Seq::new(edited), Rev::ZERO, 5).await;
    assert_eq!(before.unwrap().len(), 1);
    let aged = store.aged(LATER, None, 5).await.unwrap();
    assert!(!aged.is_empty());
    store.aged(LATER, Some(room), 5).await.unwrap();
    let left = RoomQuery {
        left: true,
        ..RoomQuery::default()
    };
    assert_eq!(store.rooms(&user("ben"), &left).await.unwrap().len(), 1);
    let mut cursor = None;
    loop {
        let page = store.export(&user("ann"), cursor).await.unwrap().unwrap();
        assert!(cursor.is_some() || !page.items.is_empty());
        cursor = page.next;
        if cursor.is_none() {
            return;
        }
    }
}

fn roster() -> Change {
    Change::Apply(Box::new(DomainEvent {
        id: EventId::parse("hand-over").unwrap(),
        fingerprint: 1,
        subject: Subject::parse("job", "life").unwrap(),
        open: Some(group(["ann", "ben"])),
        roster: vec![
            Roster::Admit {
                participant: newcomer("gina"),
                history: History::All,
            },
            Roster::Replace {
                leaves: user("gina"),
                comes: newcomer("fred"),
                history: History::FromNow,
            },
            Roster::Remove {
                user: user("ben"),
                keeps_history: false,
            },
        ],
        message: None,
        action: None,
    }))
}
