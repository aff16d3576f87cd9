//! Others lock rows in another order: the host's own transactions, other servers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use realtime_core::change::Change;
use realtime_testkit::{
    PATIENCE,
    database::{Console, Database, Options, Product},
};
use tokio::task::{JoinSet, block_in_place};

use super::support::{
    SUBJECT, commit, connect, is_dense, open, opening, room_of, say, shared, stored, unique,
};

/// Deadlocks that are provoked, one after another.
const ROUNDS: usize = 3;
/// Batches of each writer, when two servers are in each other's way.
const BATCHES: usize = 60;
/// Writers on each of the two servers.
const WRITERS: usize = 4;
/// Rooms that all of them write to.
const ROOMS: usize = 6;

/// What makes the store the one that is sacrificed. PostgreSQL: who waits that long
/// looks for a deadlock, and gives up. MariaDB: whoever has changed less.
const STORE_LOOKS_AFTER: &str = "2s";
const WE_LOOK_AFTER: &str = "60s";
const ROWS_THAT_WE_CHANGE: usize = 500;

/// Pause between two looks at what the database says.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

pub(crate) async fn a_deadlock_with_others_is_not_shown(product: Product) {
    let server = Database::start(product, Options::fast());
    let database = server.fresh();
    let (mut other, mut watcher) = (server.console(&database), server.console(&database));
    block_in_place(|| prepare(product, &database, &mut other));
    let store = Arc::new(connect(&server.url(&database)).await);
    let first = open(&store, "1", &["ann"]).await;
    let second = open(&store, "2", &["ann"]).await;
    for round in 0..ROUNDS {
        let deadlocks = block_in_place(|| deadlocks(product, &mut watcher));
        block_in_place(|| {
            other.run("BEGIN");
            other.run("UPDATE heavy SET n = n + 1");
            lock(&mut other, "2");
        });
        let names = [format!("{round}-one"), format!("{round}-two")];
        let batch = [say(first, "ann", &names[0]), say(second, "ann", &names[1])];
        let sending = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { commit(&store, &batch).await })
        };
        block_in_place(|| {
            somebody_waits(product, &mut watcher);
            // The circle closes; whoever is sacrificed, it is not this.
            lock(&mut other, "1");
            other.run("COMMIT");
        });
        let outcomes = sending.await.unwrap().unwrap();
        let seq = round as u64 + 1;
        for outcome in outcomes {
            assert_eq!(stored(outcome), (seq, false));
        }
        let after = block_in_place(|| deadlocks_after(product, &mut watcher, deadlocks));
        assert!(after > deadlocks, "void: there was no deadlock");
    }
    block_in_place(|| is_dense(&mut other));
}

fn prepare(product: Product, database: &str, console: &mut Console) {
    console.run("CREATE TABLE heavy (id integer PRIMARY KEY, n integer)");
    let rows: Vec<String> = (0..ROWS_THAT_WE_CHANGE)
        .map(|id| format!("({id}, 0)"))
        .collect();
    console.run(&format!("INSERT INTO heavy VALUES {}", rows.join(",")));
    match product {
        Product::Postgres => {
            let database = format!("ALTER DATABASE {database} SET deadlock_timeout = ");
            console.run(&format!("{database}'{STORE_LOOKS_AFTER}'"));
            console.run(&format!("SET deadlock_timeout = '{WE_LOOK_AFTER}'"));
        }
        Product::MariaDb => {}
    }
}

fn lock(console: &mut Console, subject: &str) {
    let locked = console.run(&format!(
        "SELECT last_seq FROM rt_room WHERE subject_type = '{SUBJECT}' \
         AND subject_id = '{subject}' FOR UPDATE"
    ));
    assert!(!locked.is_empty(), "there is such a room");
}

fn somebody_waits(product: Product, console: &mut Console) {
    let waiting = match product {
        Product::Postgres => {
            "SELECT count(*) FROM pg_stat_activity \
             WHERE wait_event_type = 'Lock' AND datname = current_database()"
        }
        Product::MariaDb => {
            // Not `innodb_trx`, which tells for 100 ms what it told before.
            "SELECT variable_value FROM information_schema.global_status \
             WHERE variable_name = 'Innodb_row_lock_current_waits'"
        }
    };
    let deadline = Instant::now() + PATIENCE;
    while console.run(waiting) == "0" {
        assert!(Instant::now() < deadline, "void: nobody waits for our lock");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// Deadlocks so far, by the database's own count.
fn deadlocks(product: Product, console: &mut Console) -> u64 {
    let count = match product {
        Product::Postgres => {
            console.run("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        }
        Product::MariaDb => console.run(
            "SELECT variable_value FROM information_schema.global_status \
             WHERE variable_name = 'Innodb_deadlocks'",
        ),
    };
    count.parse().unwrap()
}

/// The same, once it is more; PostgreSQL counts a little later.
fn deadlocks_after(product: Product, console: &mut Console, before: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = deadlocks(product, console);
        if now > before || Instant::now() > deadline {
            return now;
        }
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// Rooms in any order, new rooms for the same subjects, the same people: nobody is told
/// of what that means to the database.
pub(crate) async fn two_servers_in_each_others_way_see_only_success(product: Product) {
    let server = shared(product);
    let database = server.fresh();
    let url = server.url(&database);
    let stores = [Arc::new(connect(&url).await), Arc::new(connect(&url).await)];
    let people: Vec<String> = (0..2 * WRITERS).map(|n| format!("writer-{n}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let mut rooms = Vec::new();
    for n in 0..ROOMS {
        rooms.push(open(&stores[0], &format!("shared-{n}"), &people).await);
    }
    let mut writers = JoinSet::new();
    for (n, writer) in people.iter().enumerate() {
        let (store, mut rooms) = (Arc::clone(&stores[n % 2]), rooms.clone());
        let (writer, everyone) = ((*writer).to_owned(), people.join(" "));
        writers.spawn(async move {
            let everyone: Vec<&str> = everyone.split(' ').collect();
            for batch in 0..BATCHES {
                rooms.rotate_left(1 + n % (ROOMS - 1));
                let new = opening(&format!("new-{batch}"), &everyone);
                let mut changes = vec![Change::Open(new)];
                let named = rooms.iter().map(|room| (room, unique(&writer)));
                changes.extend(named.map(|(room, name)| say(*room, &writer, &name)));
                let outcomes = commit(&store, &changes).await;
                let mut outcomes = outcomes.unwrap_or_else(|error| panic!("{error:?}"));
                room_of(outcomes.remove(0));
                for outcome in outcomes {
                    assert!(!stored(outcome).1);
                }
            }
        });
    }
    writers.join_all().await;
    let mut console = server.console(&database);
    block_in_place(|| {
        is_dense(&mut console);
        let stored = console.run("SELECT count(*) FROM rt_message");
        assert_eq!(stored, (2 * WRITERS * BATCHES * ROOMS).to_string());
        let opened = console.run("SELECT count(*) FROM rt_room");
        assert_eq!(opened, (ROOMS + BATCHES).to_string());
    });
}
