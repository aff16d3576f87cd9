//! The database does not answer for a while, or is not there.

use std::time::{Duration, Instant};

use realtime_core::{
    change::Change,
    store::{Catalog, Outcome, Store, StoreError, Window},
};
use realtime_store_sea::SeaStore;
use realtime_testkit::database::{Database, Options, Product};
use tokio::{
    task::{block_in_place, yield_now},
    time::timeout,
};

use super::support::{commit, connect, is_dense, open, rows, say, stored};

/// How long a caller may be held by a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn a_paused_database_holds_nobody_for_ever(product: Product) {
    let server = Database::start(product, Options::fast());
    let database = server.fresh();
    let store = connect(&server.url(&database)).await;
    let room = open(&store, "room", &["ann"]).await;
    let before = [say(room, "ann", "before")];
    commit(&store, &before).await.unwrap();

    block_in_place(|| server.pause());
    let began = Instant::now();
    let sends = ["paused-0", "paused-1", "paused-2"].map(|name| [say(room, "ann", name)]);
    let (one, two, three, read) = tokio::join!(
        timeout(PATIENCE, commit(&store, &sends[0])),
        timeout(PATIENCE, commit(&store, &sends[1])),
        timeout(PATIENCE, commit(&store, &sends[2])),
        timeout(PATIENCE, store.history(room, Window::Latest, 0)),
    );
    println!("{product}: told after {:?}", began.elapsed());
    for told in [one, two, three] {
        let error = told.expect("a sender is told in time").unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
    let error = read.expect("a reader is told in time").unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");

    block_in_place(|| server.resume());
    let mut console = server.console(&database);
    for (index, send) in sends.iter().enumerate() {
        stored(healed(&store, send).await);
        assert_eq!(rows(&mut console, &format!("paused-{index}")), 1);
    }
    let page = store.history(room, Window::Latest, 0).await.unwrap();
    assert_eq!(page.messages.len(), 1 + sends.len());
    is_dense(&mut console);
}

pub(crate) async fn a_database_that_was_down_is_used_again(product: Product) {
    let mut server = Database::start(product, Options::default());
    let database = server.fresh();
    let store = connect(&server.url(&database)).await;
    let room = open(&store, "room", &["ann"]).await;
    for round in 1..=2 {
        block_in_place(|| server.kill());
        let name = format!("down-{round}");
        let send = [say(room, "ann", &name)];
        let (sent, read) = tokio::join!(
            timeout(PATIENCE, commit(&store, &send)),
            timeout(PATIENCE, store.room(room)),
        );
        let sent = sent.expect("a sender is told in time").unwrap_err();
        assert!(matches!(sent, StoreError::Unavailable(_)), "{sent:?}");
        let read = read.expect("a reader is told in time").unwrap_err();
        assert!(matches!(read, StoreError::Unavailable(_)), "{read:?}");
        block_in_place(|| server.restart());
        let outcome = healed(&store, &send).await;
        // It was told that nothing was done.
        assert_eq!(stored(outcome), (round, false));
        assert_eq!(rows(&mut server.console(&database), &name), 1);
    }
}

/// Repeats a change until it is stored: each connection that broke may be told of once.
async fn healed(store: &SeaStore, change: &[Change]) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match timeout(PATIENCE, commit(store, change)).await.unwrap() {
            Ok(mut outcomes) => return outcomes.remove(0),
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                assert!(Instant::now() < deadline, "not healed: {error:?}");
                yield_now().await;
            }
        }
    }
}
