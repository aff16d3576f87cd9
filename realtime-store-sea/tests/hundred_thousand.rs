//! 64 writers in one room and a thousand others, on each database: dense, ordered, and all
//! readers agree. The full size is the example of the same name.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../examples/hundred_thousand/crowd.rs"]
mod crowd;

use realtime_testkit::database::{mariadb, postgres};

/// A fifth, for it runs unoptimised.
const MESSAGES: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_readers_agree_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("crowd.db").display());
    println!("SQLite: {}", crowd::run(&url, MESSAGES).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_readers_agree_on_postgres() {
    let url = postgres().fresh_url();
    println!("PostgreSQL: {}", crowd::run(&url, MESSAGES).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_readers_agree_on_mariadb() {
    let url = mariadb().fresh_url();
    println!("MariaDB: {}", crowd::run(&url, MESSAGES).await);
}
