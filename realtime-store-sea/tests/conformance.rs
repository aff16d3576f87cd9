//! The contract of the ports, sentence by sentence, on every database; and long random
//! histories compared with the reference.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use realtime_core::{
    conformance::store::{Made, model::agrees_with_memory},
    store::SharedBackend,
};
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database;
use tempfile::TempDir;

/// An empty database in a file, and the folder that goes with it.
async fn in_a_file() -> (SharedBackend, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("realtime.db").display());
    (at(&url).await, folder)
}

async fn in_memory() -> SharedBackend {
    at("sqlite::memory:").await
}

async fn on_postgres() -> SharedBackend {
    at(&database::postgres().fresh_url()).await
}

async fn on_mariadb() -> SharedBackend {
    at(&database::mariadb().fresh_url()).await
}

async fn at(url: &str) -> SharedBackend {
    Arc::new(SeaStore::connect(url, SeaOptions::default()).await.unwrap())
}

mod sqlite_file {
    realtime_core::store_conformance!(super::in_a_file().await);
}

mod sqlite_memory {
    realtime_core::store_conformance!(super::in_memory().await);
}

mod postgres {
    realtime_core::store_conformance!(super::on_postgres().await);
}

mod mariadb {
    realtime_core::store_conformance!(super::on_mariadb().await);
}

/// Plays random histories to a store and to the reference, and compares every answer.
async fn histories_agree<M: Made>(seeds: std::ops::Range<u64>, make: impl AsyncFn() -> M) {
    for seed in seeds {
        let made = make().await;
        agrees_with_memory(made.store(), seed, 120).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_agree_with_the_reference_on_sqlite() {
    histories_agree(2..6, in_a_file).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_agree_with_the_reference_on_postgres() {
    histories_agree(12..16, on_postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_agree_with_the_reference_on_mariadb() {
    histories_agree(22..26, on_mariadb).await;
}
