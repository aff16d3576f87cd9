//! The link to the database breaks at the worst moments.

use std::sync::Arc;

use realtime_core::{Error, Realtime, store::StoreError};
use realtime_store_sea::SeaStore;
use realtime_testkit::{
    database::{Console, Product},
    proxy::{Cut, MARIADB_COMMIT, POSTGRES_COMMIT, Proxy},
};

use super::support::{commit, connect, draft, open, rows, say, shared, stored, text_of};

/// How often, on one store: what broke must not be left in it.
const ROUNDS: u64 = 5;

const fn commit_of(product: Product) -> &'static [u8] {
    match product {
        Product::Postgres => POSTGRES_COMMIT,
        Product::MariaDb => MARIADB_COMMIT,
    }
}

/// A store behind a link that can break, and a way around it.
async fn behind_a_proxy(product: Product) -> (SeaStore, Proxy, Console) {
    let server = shared(product);
    let database = server.fresh();
    let proxy = Proxy::to_port(server.port()).await.unwrap();
    let url = server.url_through(&database, proxy.port());
    (connect(&url).await, proxy, server.console(&database))
}

pub(crate) async fn a_commit_that_does_not_arrive_is_indeterminate(product: Product) {
    breaks_at_the_commit(product, Cut::Before).await;
}

pub(crate) async fn a_commit_whose_answer_is_lost_is_indeterminate(product: Product) {
    breaks_at_the_commit(product, Cut::BeforeAnswer).await;
}

async fn breaks_at_the_commit(product: Product, cut: Cut) {
    let (store, proxy, mut console) = behind_a_proxy(product).await;
    let room = open(&store, "room", &["ann"]).await;
    for round in 1..=ROUNDS {
        let name = format!("message-{round}");
        let message = [say(room, "ann", &name)];
        let trap = proxy.cut_at(commit_of(product), cut);
        let error = commit(&store, &message).await.unwrap_err();
        assert!(matches!(error, StoreError::Indeterminate(_)), "{error:?}");
        trap.sprung().await.unwrap();
        let arrived = cut == Cut::BeforeAnswer;
        assert_eq!(rows(&mut console, &name), u64::from(arrived));
        let again = commit(&store, &message).await.unwrap().remove(0);
        assert_eq!(stored(again), (round, arrived));
        assert_eq!(rows(&mut console, &name), 1);
    }
}

/// The statements before the commit: whatever of them arrived, nothing is stored, and
/// the store knows it.
pub(crate) async fn a_link_that_breaks_before_the_commit_leaves_nothing(product: Product) {
    let (store, proxy, mut console) = behind_a_proxy(product).await;
    let room = open(&store, "room", &["ann"]).await;
    for round in 1..=ROUNDS {
        for cut in [Cut::Before, Cut::BeforeAnswer] {
            let name = format!("message-{round}-{cut:?}");
            let message = [say(room, "ann", &name)];
            let trap = proxy.cut_at(text_of(&name).as_bytes(), cut);
            let error = commit(&store, &message).await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            trap.sprung().await.unwrap();
            assert_eq!(rows(&mut console, &name), 0);
            let again = commit(&store, &message).await.unwrap().remove(0);
            assert!(!stored(again).1);
        }
    }
}

/// The same as a sender sees it.
pub(crate) async fn a_sender_is_told_to_repeat_and_the_repeat_is_harmless(product: Product) {
    let (store, proxy, mut console) = behind_a_proxy(product).await;
    let room = open(&store, "room", &["ann"]).await;
    let realtime = Realtime::builder(Arc::new(store)).start().await.unwrap();
    for cut in [Cut::Before, Cut::BeforeAnswer] {
        let name = format!("{cut:?}");
        let trap = proxy.cut_at(commit_of(product), cut);
        let told = realtime.send(draft(room, "ann", &name)).await;
        assert!(matches!(told, Err(Error::Timeout)), "{told:?}");
        trap.sprung().await.unwrap();
        let again = realtime.send(draft(room, "ann", &name)).await.unwrap();
        assert_eq!(again.duplicate, cut == Cut::BeforeAnswer);
        assert_eq!(rows(&mut console, &name), 1);
    }
    realtime.shutdown().await;
}
