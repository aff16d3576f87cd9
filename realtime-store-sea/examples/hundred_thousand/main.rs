//! 100,000 messages by 64 writers on two servers, half of them in one room and half in
//! 1,000 others; then everybody who listened or reads must have seen the same.
//!
//! ```sh
//! cargo run --release -p realtime-store-sea --example hundred_thousand \
//!     [sqlite|postgres|mariadb|URL [messages]]
//! ```
//!
//! Without arguments, on all three databases, PostgreSQL and MariaDB on private servers
//! with every commit synced. It prints a line for each: messages a second, how long senders
//! waited, transactions. A URL must be that of an empty database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that prints its findings, or that something is not as promised"
)]

mod crowd;

use realtime_testkit::database::{Database, Options, Product};

const MESSAGES: u64 = 100_000;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let database = arguments.next().unwrap_or_else(|| "all".to_owned());
    let messages = arguments.next().map(|text| text.parse().expect("a number"));
    let messages = messages.unwrap_or(MESSAGES);
    match database.as_str() {
        "all" => {
            for name in ["sqlite", "postgres", "mariadb"] {
                on(name, messages).await;
            }
        }
        name => on(name, messages).await,
    }
}

async fn on(name: &str, messages: u64) {
    match name {
        "sqlite" => {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", folder.path().join("crowd.db").display());
            let report = crowd::run(&url, messages).await;
            println!("SQLite: {report}");
        }
        "postgres" => private(Product::Postgres, messages).await,
        "mariadb" => private(Product::MariaDb, messages).await,
        url => {
            let report = crowd::run(url, messages).await;
            println!("{report}");
        }
    }
}

async fn private(product: Product, messages: u64) {
    let server = Database::start(product, Options::default());
    let report = crowd::run(&server.fresh_url(), messages).await;
    println!("{product}: {report}");
}
