//! Several hosts, and the store itself, at once.

use std::sync::Arc;

use realtime_core::{
    id::RoomId,
    store::{Catalog, Store},
    time::{Clock, SystemClock},
};
use realtime_store_sea::HostError;

use super::{
    Kind,
    ground::{Ground, client_id, insert_job, job_room, says, text, until_it_holds, user},
};

pub(crate) async fn a_subject_that_two_hosts_open_at_once_has_one_room(ground: Ground) {
    const HOSTS: i64 = 8;
    let ground = Arc::new(ground);
    let hosts = (0..HOSTS).map(|host| {
        let ground = ground.clone();
        tokio::spawn(async move {
            until_it_holds!(async {
                let tx = ground.begin().await;
                insert_job(&tx, host).await;
                let mut rooms = ground.store.within(&tx);
                let opened = rooms.open(job_room("1", &["ann", "ben"])).await?;
                drop(rooms.finish());
                commit(tx).await?;
                Ok((opened.room.id, opened.created))
            })
        })
    });
    let mut opened = Vec::new();
    for host in hosts.collect::<Vec<_>>() {
        opened.push(host.await.unwrap());
    }
    assert!(
        opened.iter().all(|(room, _)| *room == opened[0].0),
        "{opened:?}"
    );
    assert_eq!(opened.iter().filter(|(_, created)| *created).count(), 1);
    assert_eq!(ground.jobs().await, HOSTS);
    assert_eq!(ground.count("SELECT COUNT(*) FROM rt_room").await, 1);
    let (_, rev) = ground.store.memberships(&user("ann"), 10).await.unwrap();
    assert_eq!(rev.get(), 1, "her stream");
    ground.is_dense(opened[0].0).await;
}

/// How often each of those writes who take turns.
const ROUNDS: usize = 25;

/// Messages by the store, messages by hosts who commit, and by hosts who roll back, in the
/// same rooms.
pub(crate) async fn hosts_and_the_store_take_turns_without_a_hole(ground: Ground) {
    let ground = Arc::new(ground);
    let mut rooms = Vec::new();
    for job in ["1", "2"] {
        rooms.push(ground.opened(job_room(job, &["ann", "ben"])).await);
    }
    let rooms: Arc<[RoomId]> = rooms.into();
    let mut tasks = Vec::new();
    for (host, commits) in [(0, true), (1, true), (2, false)] {
        tasks.push(tokio::spawn(host_writes(
            ground.clone(),
            rooms.clone(),
            host,
            commits,
        )));
    }
    for writer in ["ann", "ben"] {
        tasks.push(tokio::spawn(store_writes(
            ground.clone(),
            rooms.clone(),
            writer,
        )));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for room in &*rooms {
        ground.is_dense(*room).await;
        assert_eq!(ground.messages(*room).await.len(), 4 * ROUNDS);
    }
    assert_eq!(ground.jobs().await, i64::try_from(2 * ROUNDS).unwrap());
}

async fn host_writes(ground: Arc<Ground>, places: Arc<[RoomId]>, host: usize, commits: bool) {
    for round in 0..ROUNDS {
        until_it_holds!(async {
            let tx = ground.begin().await;
            insert_job(&tx, i64::try_from(host * ROUNDS + round).unwrap()).await;
            let mut rooms = ground.store.within(&tx);
            for place in &*places {
                let name = format!("host-{host}-{round}");
                rooms
                    .announce(*place, client_id(&name), text(&name), None)
                    .await?;
            }
            drop(rooms.finish());
            if commits {
                commit(tx).await
            } else {
                tx.rollback().await.unwrap();
                Ok(())
            }
        });
    }
}

async fn store_writes(ground: Arc<Ground>, places: Arc<[RoomId]>, writer: &str) {
    for round in 0..ROUNDS {
        let name = format!("{writer}-{round}");
        let batch: Vec<_> = places
            .iter()
            .map(|room| says(*room, writer, &name))
            .collect();
        // The store begins anew by itself, unless the file is locked for too long.
        while ground
            .store
            .commit(SystemClock.now(), &batch)
            .await
            .is_err()
        {}
    }
}

/// Two hosts take two rooms in opposite order: the database takes one of them back, and
/// that host begins all of it anew.
pub(crate) async fn hosts_that_wait_for_each_other_begin_anew(ground: Ground) {
    if ground.kind == Kind::Sqlite {
        // There is one lock, taken by `IMMEDIATE`: they wait in one direction.
        return in_opposite_order(&ground, false).await;
    }
    in_opposite_order(&ground, true).await;
}

async fn in_opposite_order(ground: &Ground, meet: bool) {
    let one = ground.opened(job_room("1", &["ann", "ben"])).await;
    let two = ground.opened(job_room("2", &["ann", "ben"])).await;
    let both_have_one = tokio::sync::Barrier::new(2);
    let failures = std::sync::Mutex::new(Vec::new());
    let host = async |number: i64, order: [_; 2]| {
        let mut first_time = meet;
        until_it_holds!(async {
            let wait = std::mem::take(&mut first_time);
            let tx = ground.begin().await;
            insert_job(&tx, number).await;
            let mut rooms = ground.store.within(&tx);
            let id = client_id(&format!("host-{number}"));
            rooms
                .announce(order[0], id.clone(), text("1"), None)
                .await?;
            if wait {
                both_have_one.wait().await;
            }
            let done = rooms.announce(order[1], id, text("2"), None).await;
            if let Err(error) = &done {
                failures
                    .lock()
                    .unwrap()
                    .push((error.to_string(), rooms.is_over()));
                drop(rooms);
                tx.rollback().await.unwrap();
                return Err(done.unwrap_err());
            }
            drop(rooms.finish());
            commit(tx).await
        });
    };
    tokio::join!(host(1, [one, two]), host(2, [two, one]));
    let failures = failures.into_inner().unwrap();
    assert_eq!(failures.is_empty(), !meet, "{failures:?}");
    // MariaDB takes all of a transaction back, PostgreSQL back to the savepoint.
    let over = failures.iter().filter(|(_, over)| *over).count();
    let expected = if ground.kind == Kind::MariaDb {
        failures.len()
    } else {
        0
    };
    assert_eq!(over, expected, "{failures:?}");
    assert_eq!(ground.jobs().await, 2);
    for room in [one, two] {
        ground.is_dense(room).await;
        assert_eq!(ground.messages(room).await.len(), 2);
        assert!(ground.store.room(room).await.unwrap().is_some());
    }
}

/// A commit that the database refuses is begun anew with the rest.
async fn commit(tx: sea_orm::DatabaseTransaction) -> Result<(), HostError> {
    let refused = |error| realtime_core::store::StoreError::Unavailable(Box::new(error));
    tx.commit().await.map_err(|error| refused(error).into())
}
