//! A private PostgreSQL or MariaDB for tests in other languages.
//!
//! ```sh
//! database postgresql     # or mariadb
//! ```
//!
//! Says `ready`, then answers each line of its input with one line, until the input
//! ends: `fresh` with the name and URL of a new, empty database, as JSON; `sql NAME QUERY`
//! with the rows, as a JSON list of texts whose columns stand between tabs.

use std::{
    error::Error,
    io::{self, BufRead, Write},
};

use realtime_testkit::database::{Database, Options, Product};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let product = match std::env::args().nth(1).as_deref() {
        Some("postgresql") => Product::Postgres,
        Some("mariadb") => Product::MariaDb,
        _ => return Err("which: postgresql or mariadb".into()),
    };
    let server = Database::start(product, Options::fast());
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let answer = answer(&server, &line?).ok_or("what: fresh, or sql NAME QUERY")?;
        say(&answer.to_string())?;
    }
    Ok(())
}

fn answer(server: &Database, line: &str) -> Option<Value> {
    if line == "fresh" {
        let name = server.fresh();
        let url = server.url(&name);
        return Some(json!({"name": name, "url": url}));
    }
    let (name, query) = line.strip_prefix("sql ")?.split_once(' ')?;
    let rows = server.console(name).run(query);
    Some(rows.lines().collect())
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
