//! The contract of searching, on every database.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use realtime_core::conformance::search::Rig;
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database;

async fn in_a_file() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("realtime.db").display());
    at(&url).await.keeping(folder)
}

async fn at(url: &str) -> Rig {
    let store = SeaStore::connect(url, SeaOptions::default()).await.unwrap();
    Rig::of(Arc::new(store))
}

mod sqlite {
    realtime_core::search_conformance!(super::in_a_file().await);
}

mod sqlite_memory {
    realtime_core::search_conformance!(super::at("sqlite::memory:").await);
}

mod postgres {
    use super::database;

    realtime_core::search_conformance!(super::at(&database::postgres().fresh_url()).await);
}

mod mariadb {
    use super::database;

    realtime_core::search_conformance!(super::at(&database::mariadb().fresh_url()).await);
}
