//! A database that hangs up, and is there again.

use realtime_core::{
    event::Topic,
    store::{Catalog, RoomQuery, Store, StoreError},
};
use realtime_testkit::database::{self, Product};

use super::fixture::{Fixture, commit, group, open, send, user};
use crate::{SeaOptions, SeaStore, dialect::Dialect};

/// Ends every session of ours, as a restart does.
fn hang_up(fixture: &Fixture) {
    let mut console = fixture.console();
    match fixture.dialect() {
        Dialect::Sqlite => {}
        Dialect::Postgres => {
            console.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            );
        }
        Dialect::MySql => {
            let sessions = console.run(
                "SELECT ID FROM information_schema.PROCESSLIST \
                 WHERE DB = DATABASE() AND ID <> CONNECTION_ID()",
            );
            for session in sessions.lines() {
                console.run(&format!("KILL {session}"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_connections_are_replaced_and_nobody_hears_of_it() {
    for fixture in Fixture::servers().await {
        let store = &fixture.store;
        let room = open(store, group(["ann", "ben"])).await;
        // As many as there can be.
        let sends: Vec<_> = (0..8)
            .map(|n| [send(room, "ann", &n.to_string())])
            .collect();
        let (ann, query) = (user("ann"), RoomQuery::default());
        for round in 0..3 {
            let committing = sends.iter().map(|send| commit(store, send));
            let reading = sends.iter().map(|_| store.rooms(&ann, &query));
            for committed in futures(committing).await {
                committed.unwrap();
            }
            for read in futures(reading).await {
                assert_eq!(read.unwrap().len(), 1);
            }
            hang_up(&fixture);
            let sent = [send(room, "ben", &round.to_string())];
            commit(store, &sent).await.unwrap();
            store.room(room).await.unwrap().unwrap();
            store.heads(&[Topic::Room(room)]).await.unwrap();
        }
    }
}

/// Waits for all of them at once.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, output) in &mut all {
            if output.is_none()
                && let std::task::Poll::Ready(done) = one.as_mut().poll(context)
            {
                *output = Some(done);
            }
        }
        if all.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_found_again() {
    for product in [Product::Postgres, Product::MariaDb] {
        let mut server = database::Database::start(product, database::Options::default());
        let url = server.fresh_url();
        let store = SeaStore::connect(&url, SeaOptions::default())
            .await
            .unwrap();
        let room = open(&store, group(["ann"])).await;
        commit(&store, &[send(room, "ann", "1")]).await.unwrap();
        server.kill();
        let gone = commit(&store, &[send(room, "ann", "2")]).await.unwrap_err();
        assert!(
            matches!(gone, StoreError::Unavailable(_)),
            "{product}: {gone:?}"
        );
        let gone = store.room(room).await.unwrap_err();
        assert!(
            matches!(gone, StoreError::Unavailable(_)),
            "{product}: {gone:?}"
        );
        server.restart();
        commit(&store, &[send(room, "ann", "2")]).await.unwrap();
        assert_eq!(store.room(room).await.unwrap().unwrap().last_seq.get(), 2);
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_unavailable_and_no_password_is_told() {
    const PASSWORD: &str = "correct-horse";
    // A port that nobody listens on.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    for scheme in ["postgres", "postgresql", "mysql", "mariadb"] {
        let url = format!("{scheme}://realtime:{PASSWORD}@127.0.0.1:{port}/realtime");
        let error = SeaStore::connect(&url, SeaOptions::default())
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        let mut told = format!("{error:?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            told.push_str(&error.to_string());
            cause = error.source();
        }
        assert!(!told.contains(PASSWORD), "{told}");
    }
}
