//! Locks, full disks, damage: what the caller is told, and what is left behind.

use realtime_core::{
    seq::Rev,
    store::{Catalog, RoomQuery, Store, StoreError, Window},
};
use sea_orm::{ConnectionTrait, Database};

use super::fixture::{Fixture, commit, group, last_seq, open, send, user};
use crate::{SeaOptions, SeaStore, error::is_busy, transaction};

#[tokio::test]
async fn a_transaction_that_will_write_has_the_lock_from_its_beginning() {
    let fixture = Fixture::new().await;
    let other = Database::connect(fixture.url()).await.unwrap();
    other
        .execute_unprepared("PRAGMA busy_timeout = 0")
        .await
        .unwrap();
    let first = transaction::begin(fixture.connections()).await.unwrap();
    let refused = other
        .execute_unprepared("BEGIN IMMEDIATE")
        .await
        .unwrap_err();
    assert!(is_busy(&refused));
    transaction::abandon(first, fixture.connections().dialect).await;
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_waits_for_the_lock_of_another_process() {
    let fixture = Fixture::new().await;
    let room = open(&fixture.store, group(["ann"])).await;
    let other = Database::connect(fixture.url()).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let sent = [send(room, "ann", "1")];
    let mut waiting = Box::pin(commit(&fixture.store, &sent));
    assert!(futures_poll(&mut waiting).await.is_none());
    // Reading does not wait for either.
    assert_eq!(last_seq(&fixture.store, room).await, 0);
    other.execute_unprepared("ROLLBACK").await.unwrap();
    waiting.await.unwrap();
    assert_eq!(last_seq(&fixture.store, room).await, 1);
}

/// Polls once, without waiting.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut *future).poll(context);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// Lets a store's database grow no further, as a full disk does.
async fn a_full_disk_is_survived(store: &SeaStore) {
    let room = open(store, group(["ann"])).await;
    commit(store, &[send(room, "ann", "1")]).await.unwrap();
    let writer = &store.connections().writer;
    writer
        .execute_unprepared("PRAGMA max_page_count = 1")
        .await
        .unwrap();
    let many: Vec<_> = (0..500)
        .map(|n| send(room, "ann", &format!("full-{n}")))
        .collect();
    for _ in 0..3 {
        let error = commit(store, &many).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert_eq!(last_seq(store, room).await, 1);
    }
    writer
        .execute_unprepared("PRAGMA max_page_count = 100000")
        .await
        .unwrap();
    commit(store, &many).await.unwrap();
    assert_eq!(last_seq(store, room).await, 501);
}

#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    a_full_disk_is_survived(&Fixture::new().await.store).await;
    let memory = SeaStore::connect("sqlite::memory:", SeaOptions::default())
        .await
        .unwrap();
    a_full_disk_is_survived(&memory).await;
}

#[tokio::test]
async fn a_connection_that_lost_its_transaction_is_replaced() {
    let fixture = Fixture::new().await;
    let room = open(&fixture.store, group(["ann"])).await;
    let open = transaction::begin(fixture.connections()).await.unwrap();
    // As SQLite does by itself after some failures; the driver does not hear of it.
    open.execute_unprepared("ROLLBACK").await.unwrap();
    drop(open);
    commit(&fixture.store, &[send(room, "ann", "1")])
        .await
        .unwrap();
    assert_eq!(last_seq(&fixture.store, room).await, 1);
}

#[tokio::test]
async fn what_another_connection_wrote_is_not_remembered_otherwise() {
    let fixture = Fixture::new().await;
    let room = open(&fixture.store, group(["ann"])).await;
    commit(&fixture.store, &[send(room, "ann", "1")])
        .await
        .unwrap();
    let other = SeaStore::connect(&fixture.url(), SeaOptions::default())
        .await
        .unwrap();
    for n in 0..10 {
        for store in [&other, &fixture.store] {
            let name = format!("{n}-{:p}", &raw const *store);
            let outcome = commit(store, &[send(room, "ann", &name)]).await.unwrap();
            assert!(outcome[0].is_ok());
        }
    }
    assert_eq!(last_seq(&other, room).await, 21);
}

#[tokio::test]
async fn a_code_that_nobody_wrote_is_damage() {
    for damage in [
        "UPDATE rt_room SET state = 9",
        "UPDATE rt_room SET last_seq = -1",
        "UPDATE rt_room SET participant_count = -1",
        "UPDATE rt_room SET metadata = '[1, 2'",
        "UPDATE rt_room SET subject_type = 'job'",
        "UPDATE rt_participant SET role = 9",
        "UPDATE rt_participant SET state = 9, role = 'none'",
        "UPDATE rt_user SET external_id = char(7) WHERE external_id = 'ben'",
        "UPDATE rt_user SET last_rev = -1",
        "UPDATE rt_message SET kind = 9",
        "UPDATE rt_message SET id = x'00'",
        "UPDATE rt_message SET client_id = 'not a client id'",
        "UPDATE rt_message SET sender_id = 77",
    ] {
        let fixture = Fixture::new().await;
        let room = open(&fixture.store, group(["ann", "ben"])).await;
        commit(&fixture.store, &[send(room, "ann", "1")])
            .await
            .unwrap();
        fixture.sql(damage).await;
        let damaged = questions(&fixture.url(), room).await;
        assert!(damaged, "{damage} was not noticed");
    }
}

/// Asks all there is, of a store that remembers nothing; answers whether any answer
/// was that the store is damaged. No other error is right.
async fn questions(url: &str, room: realtime_core::id::RoomId) -> bool {
    let store = SeaStore::connect(url, SeaOptions::default()).await.unwrap();
    let (ann, none) = (user("ann"), RoomQuery::default());
    let errors = [
        store.changes(room, Rev::ZERO, 0).await.err(),
        store.history(room, Window::Latest, 0).await.err(),
        store.participant(room, &ann).await.err(),
        store.memberships(&ann, 10).await.err(),
        store.rooms(&ann, &none).await.err(),
        store.views(&ann, &[room]).await.err(),
        store.participants(room, None, 0).await.err(),
        store.unread_totals(&ann).await.err(),
        commit(&store, &[send(room, "ann", "1"), send(room, "ann", "2")])
            .await
            .err(),
    ];
    let errors: Vec<StoreError> = errors.into_iter().flatten().collect();
    for error in &errors {
        assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    }
    !errors.is_empty()
}

#[tokio::test]
async fn what_is_no_database_is_told_from_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "not a database, but long enough to look at. ".repeat(100),
    )
    .unwrap();
    let connect = |path: std::path::PathBuf| async move {
        let url = format!("sqlite://{}", path.display());
        SeaStore::connect(&url, SeaOptions::default())
            .await
            .unwrap_err()
    };
    let error = connect(text).await;
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    let error = connect(folder.path().join("no/such/folder.db")).await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let error = SeaStore::connect("oracle://root@localhost/x", SeaOptions::default()).await;
    assert!(matches!(error, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let fixture = Fixture::new().await;
    let room = open(&fixture.store, group(["ann"])).await;
    fixture.store.close().await.unwrap();
    let error = commit(&fixture.store, &[send(room, "ann", "1")])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let error = fixture.store.room(room).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}
