//! One host, one transaction at a time.

use std::time::Duration;

use realtime_core::{
    change::{Change, History, Rejection},
    id::RoomId,
    participant::ParticipantState,
    room::RoomState,
    seq::Seq,
    store::{Catalog, Store},
    time::Timestamp,
};
use realtime_store_sea::HostError;
use sea_orm::TransactionTrait;

use super::{
    Kind,
    ground::{Ground, client_id, insert_job, job_room, member, says, text, user},
};

pub(crate) async fn what_the_host_commits_is_there_with_its_row(ground: Ground) {
    let tx = ground.begin().await;
    insert_job(&tx, 7421).await;
    let mut rooms = ground.store.within(&tx);
    let opened = rooms.open(job_room("7421", &["ann", "ben"])).await.unwrap();
    assert!(opened.created);
    let room = opened.room.id;
    let accepted = rooms.announce(room, client_id("accepted"), text("Accepted"), None);
    assert_eq!(accepted.await.unwrap().seq.get(), 1);
    // What this transaction did before, it sees.
    let again = rooms.open(job_room("7421", &["ann", "ben"])).await.unwrap();
    assert!(!again.created);
    assert_eq!((again.room.id, again.room.rev.get()), (room, 2));

    // Others see neither half before the commit, and both after it.
    assert_eq!(ground.jobs().await, 0);
    assert_eq!(ground.store.room(room).await.unwrap(), None);
    let handover = rooms.finish();
    assert_eq!(
        handover.heads().count(),
        3,
        "the room and two people: {handover:?}"
    );
    tx.commit().await.unwrap();
    assert_eq!(ground.jobs().await, 1);
    ground.is_dense(room).await;
    assert_eq!(
        ground.messages(room).await[0].body.as_deref(),
        Some("Accepted")
    );
    let (rooms, rev) = ground.store.memberships(&user("ann"), 10).await.unwrap();
    assert_eq!((rooms, rev.get()), (vec![room], 1));
}

pub(crate) async fn what_the_host_rolls_back_was_never_there(ground: Ground) {
    let room = ground.opened(job_room("1", &["ann", "ben"])).await;
    for _ in 0..2 {
        let tx = ground.begin().await;
        insert_job(&tx, 2).await;
        let mut rooms = ground.store.within(&tx);
        rooms
            .announce(room, client_id("a"), text("A"), None)
            .await
            .unwrap();
        let other = rooms.open(job_room("2", &["ann", "eve"])).await.unwrap();
        assert!(other.created);
        drop(rooms.finish());
        tx.rollback().await.unwrap();
        assert_eq!(ground.jobs().await, 0);
        assert_eq!(ground.store.room(other.room.id).await.unwrap(), None);
        assert_eq!(ground.room(room).await.rev.get(), 1);
    }
    // Dropped is as rolled back, and nobody else is given its numbers twice.
    let tx = ground.begin().await;
    let mut rooms = ground.store.within(&tx);
    rooms
        .announce(room, client_id("a"), text("A"), None)
        .await
        .unwrap();
    drop(rooms.finish());
    drop(tx);
    ground
        .commits(&[says(room, "ann", "1"), says(room, "ann", "2")])
        .await;
    ground.is_dense(room).await;
    assert_eq!(ground.messages(room).await.len(), 2);
}

pub(crate) async fn a_call_that_fails_leaves_nothing_and_the_transaction_goes_on(ground: Ground) {
    let room = ground.opened(job_room("1", &["ann", "ben"])).await;
    ground.plant_failure().await;
    let tx = ground.begin().await;
    insert_job(&tx, 1).await;
    let mut rooms = ground.store.within(&tx);
    let first = rooms
        .announce(room, client_id("first"), text("1"), None)
        .await
        .unwrap();
    assert_eq!(first.seq.get(), 1);
    // The room's head is written before the message that cannot be.
    let failed = rooms
        .announce(room, client_id("fails"), text("never"), None)
        .await;
    assert!(matches!(failed, Err(HostError::Store(_))), "{failed:?}");
    // Of a batch nothing is left either.
    let batch = [says(room, "ann", "good"), says(room, "ann", "fails")];
    let failed = rooms.apply(&batch).await;
    assert!(matches!(failed, Err(HostError::Store(_))), "{failed:?}");
    assert!(!rooms.is_over());
    insert_job(&tx, 2).await;
    let second = rooms
        .announce(room, client_id("second"), text("2"), None)
        .await
        .unwrap();
    assert_eq!(
        (second.seq.get(), second.rev.get()),
        (2, 3),
        "numbers were burnt"
    );
    let handover = rooms.finish();
    let heads: Vec<_> = handover.heads().map(|(_, rev)| rev.get()).collect();
    assert_eq!(heads, [3]);
    tx.commit().await.unwrap();
    assert_eq!(ground.jobs().await, 2);
    ground.is_dense(room).await;
}

/// A host that gives up waiting and goes on all the same: cut at ever later moments.
pub(crate) async fn a_call_that_was_dropped_is_taken_back_by_the_next(ground: Ground) {
    /// Connections that MariaDB's driver may spoil, of those that the host has.
    const SPOILT: u32 = 8;
    let (mut cut, mut expected) = (0, Vec::new());
    for step in 0_u32..40 {
        let room = ground
            .opened(job_room(&step.to_string(), &["ann", "ben"]))
            .await;
        let tx = ground.begin().await;
        let mut rooms = ground.store.within(&tx);
        let call = rooms.announce(room, client_id("cut"), text("cut"), None);
        let patience = Duration::from_micros(u64::from(step) * 60);
        let in_time = tokio::time::timeout(patience, call).await;
        if in_time.is_err() {
            cut += 1;
        }
        let whole = rooms
            .announce(room, client_id("whole"), text("whole"), None)
            .await;
        if rooms.is_over() {
            // On MariaDB always; elsewhere if the savepoint was just being released.
            assert!(
                in_time.is_err() && matches!(whole, Err(HostError::Over)),
                "{whole:?}"
            );
            drop(rooms);
            drop(tx);
            expected.push((room, Vec::new()));
            if ground.kind == Kind::MariaDb && cut == SPOILT {
                break;
            }
            continue;
        }
        whole.unwrap();
        drop(rooms.finish());
        tx.commit().await.unwrap();
        let bodies = if in_time.is_ok() {
            vec!["cut", "whole"]
        } else {
            vec!["whole"]
        };
        expected.push((room, bodies));
    }
    assert!(cut > 0, "no call was cut");
    for (room, expected) in expected {
        ground.is_dense(room).await;
        let messages = ground.messages(room).await;
        let bodies: Vec<_> = messages
            .iter()
            .filter_map(|one| one.body.as_deref())
            .collect();
        assert_eq!(bodies, expected);
    }
}

pub(crate) async fn a_refusal_leaves_the_decision_to_the_host(ground: Ground) {
    let room = ground.opened(job_room("1", &["ann", "ben"])).await;
    let tx = ground.begin().await;
    insert_job(&tx, 1).await;
    let mut rooms = ground.store.within(&tx);
    let nowhere = RoomId::from_uuid(uuid::Uuid::nil());
    let refused = rooms.lock(nowhere, None).await.unwrap_err();
    assert!(
        matches!(refused, HostError::Rejected(Rejection::NotFound)),
        "{refused:?}"
    );
    assert!(!refused.is_transient());
    let changes = [
        says(room, "eve", "1"),
        says(room, "ann", "1"),
        says(nowhere, "ann", "1"),
    ];
    let outcomes = rooms.apply(&changes).await.unwrap();
    let accepted: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [false, true, false]);
    assert_eq!(rooms.finish().heads().count(), 1);
    tx.commit().await.unwrap();
    assert_eq!(ground.jobs().await, 1);
    ground.is_dense(room).await;
}

pub(crate) async fn a_connection_that_is_not_in_a_transaction_is_refused(ground: Ground) {
    let mut rooms = ground.store.within(&ground.db);
    for _ in 0..30 {
        let refused = rooms
            .open(job_room("1", &["ann", "ben"]))
            .await
            .unwrap_err();
        assert!(matches!(refused, HostError::NoTransaction), "{refused:?}");
    }
    assert!(rooms.finish().is_empty());
    // Nothing is left on any connection, and a real transaction is taken.
    assert_eq!(ground.count("SELECT COUNT(*) FROM rt_room").await, 0);
    let tx = ground.begin().await;
    let mut rooms = ground.store.within(&tx);
    rooms.open(job_room("1", &["ann", "ben"])).await.unwrap();
    // One inside another is one, too.
    let inner = tx.begin().await.unwrap();
    let mut inner_rooms = ground.store.within(&inner);
    inner_rooms
        .open(job_room("2", &["ann", "ben"]))
        .await
        .unwrap();
    drop(inner_rooms.finish());
    inner.rollback().await.unwrap();
    rooms.open(job_room("3", &["ann", "ben"])).await.unwrap();
    drop(rooms.finish());
    tx.commit().await.unwrap();
    assert_eq!(ground.count("SELECT COUNT(*) FROM rt_room").await, 2);
}

pub(crate) async fn a_message_of_the_platform_is_posted_once(ground: Ground) {
    let room = ground.opened(job_room("1", &["ann", "ben"])).await;
    for repeat in 0..3 {
        let tx = ground.begin().await;
        let mut rooms = ground.store.within(&tx);
        for _ in 0..2 {
            let done = rooms.announce(room, client_id("done"), text("Done"), None);
            assert_eq!(done.await.unwrap().seq.get(), 1);
        }
        let other = rooms
            .announce(room, client_id("done"), text("Something else"), None)
            .await;
        assert!(
            matches!(other, Err(HostError::Rejected(Rejection::ClientIdReused))),
            "{other:?}"
        );
        assert_eq!(rooms.finish().is_empty(), repeat > 0);
        tx.commit().await.unwrap();
    }
    ground.is_dense(room).await;
}

pub(crate) async fn people_come_and_go(ground: Ground) {
    let room = ground.opened(job_room("1", &["ann", "ben"])).await;
    let tx = ground.begin().await;
    let mut rooms = ground.store.within(&tx);
    rooms
        .announce(room, client_id("1"), text("before"), None)
        .await
        .unwrap();
    let cem = rooms
        .replace(room, user("ben"), member("cem"), History::FromNow)
        .await
        .unwrap();
    assert_eq!((cem.user.as_str(), cem.visible_from.get()), ("cem", 2));
    let dora = rooms
        .admit(room, member("dora"), History::All)
        .await
        .unwrap();
    assert_eq!(dora.visible_from.get(), 1);
    let gone = rooms.remove(room, user("dora"), false).await.unwrap();
    assert_eq!(gone.state, ParticipantState::Removed);
    let handover = rooms.finish();
    assert_eq!(handover.heads().count(), 4, "{handover:?}");
    tx.commit().await.unwrap();
    let people = ground.store.participants(room, None, 10).await.unwrap();
    let people: Vec<_> = people.iter().map(|one| one.user.as_str()).collect();
    assert_eq!(people, ["ann", "cem"]);
    let ben = ground
        .store
        .participant(room, &user("ben"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ben.state, ParticipantState::Left);
    assert_eq!(ben.visible_to.map(Seq::get), Some(1));
    // 1 opened, 2 message, 3 and 4 replaced, 5 admitted, 6 removed.
    assert_eq!(ground.room(room).await.rev.get(), 6);
}

pub(crate) async fn a_room_is_locked_reopened_and_archived(ground: Ground) {
    let room = ground.opened(job_room("1", &["ann", "ben"])).await;
    let now = Timestamp::from_millis(1_000_000);
    let tx = ground.begin().await;
    let mut rooms = ground.store.within(&tx).at(now);
    assert_eq!(
        rooms.lock(room, None).await.unwrap().state,
        RoomState::Locked
    );
    assert_eq!(rooms.reopen(room).await.unwrap().state, RoomState::Open);
    let later = Timestamp::from_millis(2_000_000);
    assert_eq!(
        rooms.lock(room, Some(later)).await.unwrap().locks_at,
        Some(later)
    );
    assert_eq!(
        rooms.archive(room).await.unwrap().state,
        RoomState::Archived
    );
    let outcomes = rooms.apply(&[says(room, "ann", "late")]).await.unwrap();
    assert_eq!(outcomes, [Err(Rejection::RoomLocked)]);
    drop(rooms.finish());
    tx.commit().await.unwrap();
    assert_eq!(ground.room(room).await.state, RoomState::Archived);
}

pub(crate) async fn names_that_cannot_be_stored_are_refused_alone(ground: Ground) {
    let tx = ground.begin().await;
    let mut rooms = ground.store.within(&tx);
    let named = |title: String| {
        let mut new = job_room("1", &["ann", "ben"]);
        new.title = Some(title);
        new
    };
    let long = named("x".repeat(201));
    let refused = rooms.open(long.clone()).await.unwrap_err();
    assert!(
        matches!(
            refused,
            HostError::Rejected(Rejection::Invalid { field: "title", .. })
        ),
        "{refused:?}"
    );
    let changes = [
        Change::Open(long),
        Change::Open(named("Ünïcödé ".repeat(25))),
        Change::Open(named("a\u{7}b".to_owned())),
    ];
    let outcomes = rooms.apply(&changes).await.unwrap();
    let accepted: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [false, true, false]);
    drop(rooms.finish());
    tx.commit().await.unwrap();
    assert_eq!(ground.count("SELECT COUNT(*) FROM rt_room").await, 1);
}
