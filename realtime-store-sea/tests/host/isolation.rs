//! A host's transaction that reads as of its first statement.

use realtime_core::change::{Change, Rejection};
use realtime_store_sea::HostError;
use sea_orm::{ConnectionTrait, IsolationLevel, TransactionTrait};

use super::{
    Kind,
    ground::{Ground, client_id, insert_job, job_room, says, text, user},
};

/// As SeaORM begins it if nothing else is said; others write before it does anything.
pub(crate) async fn a_transaction_begun_in_the_usual_way_is_taken(ground: Ground) {
    let room = ground.opened(job_room("1", &["ann", "ben"])).await;
    let tx = ground.db.begin().await.unwrap();
    ground.commits(&[says(room, "ann", "theirs")]).await;
    let mut rooms = ground.store.within(&tx);
    rooms.open(job_room("2", &["ann", "cem"])).await.unwrap();
    rooms
        .announce(room, client_id("1"), text("1"), None)
        .await
        .unwrap();
    drop(rooms.finish());
    insert_job(&tx, 1).await;
    tx.commit().await.unwrap();
    assert_eq!(ground.jobs().await, 1);
    ground.is_dense(room).await;
}

/// It begins by reading; then others write, rooms and names among it; then it changes the
/// same rooms. MariaDB shows it the earlier state, unless what is read is locked;
/// PostgreSQL and SQLite refuse.
pub(crate) async fn a_transaction_that_saw_an_earlier_state_changes_the_present_one(
    ground: Ground,
) {
    let room = ground.opened(job_room("1", &["ann", "ben"])).await;
    let level = (ground.kind != Kind::Sqlite).then_some(IsolationLevel::RepeatableRead);
    let tx = ground.db.begin_with_config(level, None).await.unwrap();
    let seen = "SELECT (SELECT COUNT(*) FROM job) + (SELECT COUNT(*) FROM rt_message) \
                + (SELECT COUNT(*) FROM rt_participant)";
    tx.query_one_raw(sea_orm::Statement::from_string(
        tx.get_database_backend(),
        seen,
    ))
    .await
    .unwrap();

    let new_room = ground.opened(job_room("2", &["ann", "cem"])).await;
    let out = Change::Remove {
        room,
        user: user("ben"),
        keeps_history: false,
    };
    ground.commits(&[says(room, "ann", "theirs"), out]).await;

    let mut rooms = ground.store.within(&tx);
    let outcomes = rooms
        .apply(&[
            says(room, "ann", "theirs"),
            says(room, "ben", "out"),
            says(room, "ann", "mine"),
        ])
        .await;
    if ground.kind != Kind::MariaDb {
        let error = outcomes.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        if ground.kind == Kind::Sqlite {
            let HostError::Store(error) = &error else {
                panic!("{error:?}")
            };
            let cause = std::error::Error::source(error).unwrap().to_string();
            assert!(cause.contains("SQLITE_BUSY_SNAPSHOT"), "{cause}");
            assert!(cause.contains("IMMEDIATE"), "{cause}");
        }
        return tx.rollback().await.unwrap();
    }
    let outcomes = outcomes.unwrap();
    let first = outcomes[0].as_ref().unwrap();
    assert!(first.events.is_empty(), "said before: {first:?}");
    assert_eq!(outcomes[1], Err(Rejection::NotFound), "he is out");
    assert_eq!(outcomes[2].as_ref().unwrap().events[0].rev.get(), 4);
    let opened = rooms.open(job_room("2", &["ann", "cem"])).await.unwrap();
    assert_eq!((opened.room.id, opened.created), (new_room, false));
    rooms
        .announce(new_room, client_id("1"), text("1"), None)
        .await
        .unwrap();
    insert_job(&tx, 1).await;
    drop(rooms.finish());
    tx.commit().await.unwrap();
    assert_eq!(ground.messages(room).await.len(), 2);
    assert_eq!(ground.room(room).await.rev.get(), 4);
    ground.is_dense(new_room).await;
}
