//! The contract of the ports, sentence by sentence, on a file and in memory; and long
//! random histories compared with the reference.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use realtime_core::{
    conformance::store::{Made, model::agrees_with_memory},
    store::SharedBackend,
};
use realtime_store_sea::{SeaOptions, SeaStore};
use tempfile::TempDir;

/// An empty database in a file, and the folder that goes with it.
async fn in_a_file() -> (SharedBackend, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("realtime.db").display());
    let store = SeaStore::connect(&url, SeaOptions::default())
        .await
        .unwrap();
    (Arc::new(store), folder)
}

async fn in_memory() -> SharedBackend {
    let store = SeaStore::connect("sqlite::memory:", SeaOptions::default()).await;
    Arc::new(store.unwrap())
}

mod file {
    realtime_core::store_conformance!(super::in_a_file().await);
}

mod memory {
    realtime_core::store_conformance!(super::in_memory().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_agree_with_the_reference() {
    for seed in 2..6 {
        let made = in_a_file().await;
        agrees_with_memory(made.store(), seed, 120).await;
    }
}
