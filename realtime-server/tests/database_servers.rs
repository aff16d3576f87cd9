//! The program on PostgreSQL and MariaDB: killed while people write, two of it on one
//! database, and honest about what the database keeps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use realtime_testkit::{
    client::Client,
    database::{Database, Options, Product},
    server::Server,
};
use serde_json::{Value, json};
use support::{
    answer,
    http::Api,
    process::{connect, fresh, serve, token, try_connect},
    push,
};

const UNLIMITED: [(&str, &str); 4] = [
    ("REALTIME_LIMITS__MESSAGES_PER_SECOND", "100000"),
    ("REALTIME_LIMITS__MESSAGE_BURST", "100000"),
    ("REALTIME_LIMITS__COMMANDS_PER_SECOND", "100000"),
    ("REALTIME_LIMITS__COMMAND_BURST", "100000"),
];
const WRITERS: usize = 4;
const MESSAGES: usize = 150;
const KILLS: usize = 3;
/// Sends of one writer without an answer.
const WINDOW: usize = 16;

fn platform(server: &Server) -> Api {
    Api::new(server.address(), token(None))
}

async fn room_of(server: &Server, people: &[String]) -> String {
    let people: Vec<Value> = people.iter().map(|user| json!({"user": user})).collect();
    let room = json!({"kind": "group", "participants": people});
    let room = platform(server).post("rooms", room).await.ok(201);
    room["id"].as_str().unwrap().to_owned()
}

/// One writer's work: what is not acknowledged is said again under its name.
struct Writer {
    name: String,
    todo: Vec<String>,
    acked: BTreeMap<String, u64>,
    /// Sends that were under way when the connection ended.
    cut: usize,
}

impl Writer {
    fn new(number: usize) -> Self {
        let name = format!("writer-{number}");
        let todo = (0..MESSAGES).map(|n| format!("{name}-{n}")).collect();
        Self {
            name,
            todo,
            acked: BTreeMap::new(),
            cut: 0,
        }
    }

    /// Writes until everything is acknowledged, or the connection ends.
    async fn write(&mut self, server: &Server, room: &str) {
        let connected = try_connect(server, &self.name, json!({})).await;
        let Ok((mut client, _)) = connected else {
            return;
        };
        let mut flying: BTreeMap<u64, String> = BTreeMap::new();
        let (mut next, mut id) = (0, 2_u64);
        while next < self.todo.len() || !flying.is_empty() {
            while next < self.todo.len() && flying.len() < WINDOW {
                let name = self.todo[next].clone();
                let send = json!({"room": room, "client_id": name, "body": name});
                let said = client.say(&json!({"id": id, "send": send})).await;
                flying.insert(id, name);
                (next, id) = (next + 1, id + 1);
                if said.is_err() {
                    break;
                }
            }
            if self.hear(&mut client, &mut flying).await.is_none() {
                break;
            }
        }
        self.cut += flying.len();
        let acked = &self.acked;
        self.todo.retain(|name| !acked.contains_key(name));
    }

    /// Takes the next answers; `None` at the end of the connection.
    async fn hear(
        &mut self,
        client: &mut Client,
        flying: &mut BTreeMap<u64, String>,
    ) -> Option<()> {
        for object in client.objects().await.ok()? {
            let Some(id) = object["id"].as_u64() else {
                continue;
            };
            let name = flying.remove(&id).unwrap();
            let Some(seq) = object["ok"]["seq"].as_u64() else {
                let again =
                    ["busy", "timeout"].contains(&object["error"]["code"].as_str().unwrap());
                assert!(again, "{object}");
                continue;
            };
            let before = *self.acked.entry(name).or_insert(seq);
            assert_eq!(before, seq, "acknowledged twice, as two");
        }
        Some(())
    }
}

async fn history(server: &Server, room: &str) -> Vec<Value> {
    let reader = platform(server);
    let (mut messages, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("rooms/{room}/messages?after={after}&limit=200");
        let page = reader.get(&path).await.ok(200);
        let found = page["messages"].as_array().unwrap().clone();
        after = found
            .last()
            .map_or(after, |last| last["seq"].as_u64().unwrap());
        messages.extend(found);
        if page["has_newer"] == false {
            return messages;
        }
    }
}

async fn nothing_acknowledged_is_lost_to_kills(product: Product) {
    let url = fresh(product).await;
    let mut server = serve(&url, &UNLIMITED).await;
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let people: Vec<String> = writers.iter().map(|writer| writer.name.clone()).collect();
    let room = room_of(&server, &people).await;
    for kill in 1..=KILLS {
        let reader = platform(&server);
        let path = format!("rooms/{room}");
        let enough = WRITERS * MESSAGES * kill / (KILLS + 1);
        let until = async {
            loop {
                let seen = reader.get(&path).await.ok(200);
                if seen["last_seq"].as_u64().unwrap() >= enough as u64 {
                    return;
                }
            }
        };
        let pid = server.pid().unwrap().to_string();
        let killed = async {
            until.await;
            let mut kill = tokio::process::Command::new("kill");
            let killed = kill.args(["-9", &pid]).status().await;
            assert!(killed.unwrap().success());
        };
        let writing = writers
            .iter_mut()
            .map(|writer| writer.write(&server, &room));
        tokio::join!(killed, futures::future::join_all(writing));
        server.kill().await.unwrap();
        server.restart().await.unwrap();
    }
    let writing = writers
        .iter_mut()
        .map(|writer| writer.write(&server, &room));
    futures::future::join_all(writing).await;

    let cut: usize = writers.iter().map(|writer| writer.cut).sum();
    assert!(cut > 0, "the kills hit nothing: this proves nothing");
    let mut acked = BTreeMap::new();
    for writer in &writers {
        assert!(writer.todo.is_empty());
        acked.extend(writer.acked.iter().map(|(name, seq)| (*seq, name.clone())));
    }
    let stored = history(&server, &room).await;
    let stored = stored.iter().map(|message| {
        let body = message["body"].as_str().unwrap().to_owned();
        (message["seq"].as_u64().unwrap(), body)
    });
    let stored: BTreeMap<u64, String> = stored.collect();
    assert_eq!(stored, acked, "each once, under the number that was told");
    let dense: Vec<u64> = (1..=(WRITERS * MESSAGES) as u64).collect();
    assert_eq!(stored.into_keys().collect::<Vec<_>>(), dense);
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_kills_on_postgresql() {
    nothing_acknowledged_is_lost_to_kills(Product::Postgres).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_kills_on_mariadb() {
    nothing_acknowledged_is_lost_to_kills(Product::MariaDb).await;
}

/// What one server stores reaches the clients of the other with its sweep: nothing else
/// connects the two.
async fn two_servers_on_one_database_are_one_chat(product: Product) {
    const SWEEP: Duration = Duration::from_secs(1);
    let url = fresh(product).await;
    let sweep = [("REALTIME_HUB__SWEEP_INTERVAL", "1s")];
    let (one, other) = tokio::join!(serve(&url, &sweep), serve(&url, &sweep));
    let room = room_of(&one, &["ann".to_owned(), "ben".to_owned()]).await;
    let (mut ann, _) = connect(&one, "ann", json!({})).await;
    let (mut ben, welcome) = connect(&other, "ben", json!({})).await;
    assert_eq!(welcome["rooms"][0]["id"], room);
    for (number, body) in ["hello", "are you there?"].into_iter().enumerate() {
        let send = json!({"room": room, "client_id": format!("c-{number}"), "body": body});
        let sent = tokio::time::Instant::now();
        ann.say(&json!({"id": 2, "send": send})).await.unwrap();
        let seq = answer(&mut ann, 2).await["ok"]["seq"].clone();
        let heard = push(&mut ben, "message").await;
        assert_eq!((&heard["seq"], &heard["body"]), (&seq, &json!(body)));
        // The interval is jittered by a fifth; the rest is for a slow machine.
        let took = sent.elapsed();
        assert!(took < SWEEP * 3, "{product}: {took:?}");
    }
    // And back, with a receipt.
    ben.say(&json!({"id": 2, "read": {"room": room, "seq": 2}}))
        .await
        .unwrap();
    let receipt = push(&mut ann, "receipt").await;
    assert_eq!(
        (&receipt["user"], &receipt["read_seq"]),
        (&json!("ben"), &json!(2))
    );
    // A room that opens on one is told on the other.
    let new = room_of(&one, &["ben".to_owned()]).await;
    assert_eq!(push(&mut ben, "room").await["id"], new);
}

#[tokio::test]
async fn two_servers_on_postgresql_are_one_chat() {
    two_servers_on_one_database_are_one_chat(Product::Postgres).await;
}

#[tokio::test]
async fn two_servers_on_mariadb_are_one_chat() {
    two_servers_on_one_database_are_one_chat(Product::MariaDb).await;
}

/// What a server says of its database's settings.
struct Honesty {
    log: String,
    ready: Value,
    metrics: String,
}

async fn said_of(url: &str) -> Honesty {
    let server = serve(url, &[]).await;
    let nobody = Api::new(server.address(), None);
    Honesty {
        ready: nobody.get("/readyz").await.ok(200),
        metrics: nobody.get("/metrics").await.text().to_owned(),
        log: server.log(),
    }
}

impl Honesty {
    #[track_caller]
    fn warns(&self, database: &str, survives: &str, setting: (&str, &str)) {
        self.is(database, survives, setting);
        let warnings = self.ready["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), 1, "{}", self.ready);
        let said = warnings[0].as_str().unwrap();
        let is_logged = |line: &str| line.contains("WARN") && line.contains(said);
        assert!(self.log.lines().any(is_logged), "{}", self.log);
    }

    #[track_caller]
    fn is_content(&self, database: &str, setting: (&str, &str)) {
        self.is(database, "power_loss", setting);
        assert_eq!(self.ready.get("warnings"), None);
        assert!(!self.log.contains("WARN"), "{}", self.log);
        assert!(
            self.log.contains("survives a loss of power"),
            "{}",
            self.log
        );
    }

    #[track_caller]
    fn is(&self, database: &str, survives: &str, (setting, value): (&str, &str)) {
        assert_eq!(self.ready["status"], "ok");
        assert_eq!(self.ready["durability"], survives);
        for line in [
            format!(
                "realtime_store_durability{{database=\"{database}\",survives=\"{survives}\"}} 1"
            ),
            format!(
                "realtime_store_setting{{database=\"{database}\",setting=\"{setting}\",\
                 value=\"{value}\"}} 1"
            ),
        ] {
            let told = self.metrics.lines().any(|told| told == line);
            assert!(told, "{line} is not in {}", self.metrics);
        }
        assert!(self.log.contains(setting), "{}", self.log);
    }
}

/// A server of its own, and a URL of a new database on it.
async fn own(product: Product, options: Options) -> (Database, String) {
    let made = tokio::task::spawn_blocking(move || {
        let server = Database::start(product, options);
        let url = server.fresh_url();
        (server, url)
    });
    made.await.unwrap()
}

#[tokio::test]
async fn a_postgresql_that_may_forget_is_told_of() {
    let (full, url) = own(Product::Postgres, Options::default()).await;
    said_of(&url)
        .await
        .is_content("postgresql", ("synchronous_commit", "on"));
    // For one database alone, as an operator might.
    let name = full.fresh();
    let sql = format!("ALTER DATABASE \"{name}\" SET synchronous_commit = off");
    full.console("postgres").run(&sql);
    let said = said_of(&full.url(&name)).await;
    said.warns("postgresql", "nothing", ("synchronous_commit", "off"));

    let (_fast, url) = own(Product::Postgres, Options::fast()).await;
    let said = said_of(&url).await;
    let survives = said.ready["durability"].as_str().unwrap().to_owned();
    assert_ne!(survives, "power_loss");
    said.warns("postgresql", &survives, ("fsync", "off"));
}

#[tokio::test]
async fn a_mariadb_that_may_forget_is_told_of() {
    let (full, url) = own(Product::MariaDb, Options::default()).await;
    let setting = "innodb_flush_log_at_trx_commit";
    said_of(&url).await.is_content("mariadb", (setting, "1"));
    for (value, survives) in [("2", "process_crash"), ("0", "nothing")] {
        let sql = format!("SET GLOBAL {setting} = {value}");
        full.console("mysql").run(&sql);
        said_of(&url)
            .await
            .warns("mariadb", survives, (setting, value));
    }
}

#[tokio::test]
async fn sqlite_keeps_what_it_was_told_and_memory_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}", folder.path().join("chat.db").display());
    said_of(&file)
        .await
        .is_content("sqlite", ("synchronous", "full"));
    let said = said_of("sqlite::memory:").await;
    said.warns("sqlite", "nothing", ("journal_mode", "memory"));
}
