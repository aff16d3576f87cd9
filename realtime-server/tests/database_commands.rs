//! The commands that look after a database, and what they never show.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use realtime_testkit::{
    database::Product,
    server::{SECRET, Server},
};
use serde_json::json;
use support::process::{DATABASE, PROGRAM, connect, fresh, run, said, serve, shared, texts};

const SECRET_WORD: &str = "tell-tale";

/// The tables of ours in a database.
fn tables(product: Product, url: &str) -> Vec<String> {
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let sql = match product {
        Product::Postgres => {
            "SELECT table_name FROM information_schema.tables \
             WHERE table_schema = 'public' ORDER BY 1"
        }
        Product::MariaDb => {
            "SELECT table_name FROM information_schema.tables \
             WHERE table_schema = DATABASE() ORDER BY 1"
        }
    };
    let told = shared(product).console(name).run(sql);
    told.lines().map(str::to_owned).collect()
}

async fn a_schema_is_shown_then_made_then_up_to_date(product: Product) {
    let url = fresh(product).await;
    let on = [(DATABASE, url.as_str())];
    let planned = said(&["migrate", "--dry-run"], &on).await;
    let changes = planned
        .lines()
        .filter(|line| line.starts_with("-- missing: "));
    let changes: Vec<_> = changes
        .map(|line| line.replace("-- missing: ", ""))
        .collect();
    assert!(changes.len() > 5, "{planned}");
    assert!(planned.contains("CREATE TABLE"), "{planned}");
    assert_eq!(
        tables(product, &url),
        Vec::<String>::new(),
        "it was a dry run"
    );

    let made = said(&["migrate"], &on).await;
    let told: Vec<_> = made
        .lines()
        .map(|line| line.replace("changed: ", ""))
        .collect();
    assert_eq!(told, changes, "what was done is what was planned");
    assert!(tables(product, &url).contains(&"rt_message".to_owned()));
    for arguments in [&["migrate"][..], &["migrate", "--dry-run"]] {
        assert_eq!(said(arguments, &on).await, "the schema is up to date\n");
    }
}

#[tokio::test]
async fn a_schema_is_shown_then_made_on_postgresql() {
    a_schema_is_shown_then_made_then_up_to_date(Product::Postgres).await;
}

#[tokio::test]
async fn a_schema_is_shown_then_made_on_mariadb() {
    a_schema_is_shown_then_made_then_up_to_date(Product::MariaDb).await;
}

#[tokio::test]
async fn a_schema_is_shown_and_no_file_is_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.db");
    let url = format!("sqlite://{}", file.display());
    let planned = said(&["migrate", "--dry-run", "--database", &url], &[]).await;
    assert!(planned.contains("CREATE TABLE"), "{planned}");
    assert!(!file.exists(), "it was a dry run");
    let made = said(&["migrate", "--database", &url], &[]).await;
    assert!(made.starts_with("changed: "), "{made}");
    let again = said(&["migrate", "--database", &url], &[]).await;
    assert_eq!(again, "the schema is up to date\n");
    // A file that is there is only looked at, too.
    let planned = said(&["migrate", "--dry-run", "--database", &url], &[]).await;
    assert_eq!(planned, "the schema is up to date\n");
}

#[tokio::test]
async fn a_schema_that_is_behind_stops_a_start_that_may_not_change_it() {
    for product in [Product::Postgres, Product::MariaDb] {
        let url = fresh(product).await;
        let no = [
            (DATABASE, url.as_str()),
            ("REALTIME_DATABASE__MIGRATE", "false"),
        ];
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["restored"]] {
            let output = run(command, &no).await;
            let (out, err) = texts(&output);
            assert_eq!(output.status.code(), Some(1), "{product}: {err}");
            assert!(
                err.contains("`realtime-server migrate`"),
                "{product}: {err}"
            );
            assert!(err.contains("missing: m"), "{product}: {err}");
            assert_eq!(out, "");
        }
        assert_eq!(tables(product, &url), Vec::<String>::new());
        // The command itself is the leave.
        said(&["migrate"], &no).await;
        let server = serve(&url, &no[1..]).await;
        connect(&server, "ann", json!({})).await;
    }
}

#[tokio::test]
async fn what_is_not_ours_is_not_declared_restored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mistyped.db");
    let url = format!("sqlite://{}", file.display());
    for (database, url) in [
        ("SQLite", url),
        ("PostgreSQL", fresh(Product::Postgres).await),
        ("MariaDB", fresh(Product::MariaDb).await),
    ] {
        let output = run(&["restored"], &[(DATABASE, &url)]).await;
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{database}: {err}");
        assert!(err.contains("is the URL right?"), "{database}: {err}");
        assert_eq!(out, "");
    }
    assert!(!file.exists(), "nothing is made of a mistyped name");
}

#[tokio::test]
async fn an_unknown_parameter_of_the_url_is_not_told() {
    let url = fresh(Product::Postgres).await;
    let url = format!("{url}&sslpassword=a-secret-9");
    let output = run(&["migrate", "--dry-run"], &[(DATABASE, &url)]).await;
    let (_, err) = texts(&output);
    assert!(output.status.success(), "{err}");
    assert!(!err.contains("a-secret-9"), "{err}");
}

async fn a_restored_database_has_a_new_life(product: Product) {
    let url = fresh(product).await;
    let often = [("REALTIME_HUB__SWEEP_INTERVAL", "100ms")];
    let server = serve(&url, &often).await;
    let (mut client, before) = connect(&server, "ann", json!({})).await;
    let declared = said(&["restored"], &[(DATABASE, &url)]).await;
    let new = declared.lines().next().unwrap();
    let new = new.strip_prefix("new incarnation: ").unwrap().to_owned();
    assert_ne!(before["incarnation"], new);
    assert!(declared.contains("start afresh"), "{declared}");
    // Whoever is connected is sent away, to come back and be told.
    client.end().await.unwrap();
    let (_client, after) = connect(&server, "ann", json!({})).await;
    assert_eq!(after["incarnation"], new);
    let again = said(&["restored"], &[(DATABASE, &url)]).await;
    assert!(!again.contains(&new), "each is another life");
}

#[tokio::test]
async fn a_restored_database_has_a_new_life_on_postgresql() {
    a_restored_database_has_a_new_life(Product::Postgres).await;
}

#[tokio::test]
async fn a_restored_database_has_a_new_life_on_mariadb() {
    a_restored_database_has_a_new_life(Product::MariaDb).await;
}

/// Everything that may go wrong with a URL, and what is told of it.
#[tokio::test]
async fn the_password_of_a_database_is_never_shown() {
    let (postgres, mariadb) = (shared(Product::Postgres), shared(Product::MariaDb));
    let at = |scheme: &str, port: u16, rest: &str| {
        format!("{scheme}://root:{SECRET_WORD}@127.0.0.1:{port}/{rest}")
    };
    let dead = 1;
    let urls = [
        at("postgres", dead, "chat"),
        at("postgres", postgres.port(), "no-such-database"),
        at("postgres", postgres.port(), "chat?sslmode=nonsense"),
        at(
            "postgres",
            postgres.port(),
            "chat?sslmode=verify-full&sslrootcert=/none",
        ),
        at("postgresql", postgres.port(), "chat?nonsense=1"),
        at("mysql", dead, "chat"),
        at("mysql", mariadb.port(), "mysql"),
        at("mariadb", mariadb.port(), "chat?ssl-mode=nonsense"),
        format!("postgres://root:{SECRET_WORD}@127.0.0.1:99999/chat"),
        format!("postgres://root:{SECRET_WORD}@no-such-host.invalid/chat"),
        format!("mysql://{SECRET_WORD}"),
        format!("mysql://root:{SECRET_WORD}@[::1/chat"),
        format!("oracle://root:{SECRET_WORD}@127.0.0.1/chat"),
        format!("{SECRET_WORD} {SECRET_WORD}"),
        format!("sqlite:///no/such/folder/chat.db?password={SECRET_WORD}"),
    ];
    for url in &urls {
        for command in ["serve", "migrate", "restored"] {
            let loud = [(DATABASE, url.as_str()), ("REALTIME_LOG__LEVEL", "trace")];
            let output = run(&[command], &loud).await;
            let (out, err) = texts(&output);
            let (shown, word) = (format!("{out}{err}"), SECRET_WORD);
            assert!(!output.status.success(), "{command} with {url}");
            assert!(!shown.contains(word), "{command} with {url}: {shown}");
            assert!(!err.is_empty(), "{command} with {url} says why");
        }
    }
    for url in &urls[..8] {
        let (out, err) = texts(&run(&["check"], &[(DATABASE, url)]).await);
        assert!(!format!("{out}{err}").contains(SECRET_WORD), "{out}{err}");
    }
}

/// A server that runs with one shows it neither in its log nor to `ps`.
#[tokio::test]
async fn a_password_that_is_taken_is_not_shown_either() {
    let url = fresh(Product::Postgres).await;
    // The server trusts everybody, whatever their password.
    let url = url.replace("realtime@", &format!("realtime:{SECRET_WORD}@"));
    let loud = [("REALTIME_LOG__LEVEL", "trace")];
    let server = serve(&url, &loud).await;
    connect(&server, "ann", json!({})).await;
    let command = format!("/proc/{}/cmdline", server.pid().unwrap());
    let command = std::fs::read_to_string(command).unwrap();
    assert!(!command.contains(SECRET_WORD), "{command}");
    assert!(!server.log().contains(SECRET_WORD), "{}", server.log());
    assert!(!server.log().contains("command line"), "{}", server.log());

    // On the command line it is seen, and that is said.
    let taken = server.address().to_string();
    let refused = ["serve", "--listen", &taken, "--database", &url];
    let (_, err) = texts(&run(&refused, &[]).await);
    assert!(err.contains("REALTIME_DATABASE__URL"), "{err}");
    assert!(!err.contains(SECRET_WORD), "{err}");
    assert!(!err.contains(SECRET), "{err}");
}

#[tokio::test]
async fn lanes_must_leave_somebody_to_read() {
    let url = "postgres://root@127.0.0.1/chat";
    for (lanes, connections) in [("8", "8"), ("0", "8"), ("65", "100")] {
        let wrong = [
            (DATABASE, url),
            ("REALTIME_DATABASE__LANES", lanes),
            ("REALTIME_DATABASE__MAX_CONNECTIONS", connections),
        ];
        let output = run(&["check"], &wrong).await;
        assert_eq!(output.status.code(), Some(2));
        let (_, err) = texts(&output);
        assert!(err.contains("REALTIME_DATABASE__LANES"), "{err}");
    }
    // SQLite has one, whatever is said.
    let started = [("REALTIME_DATABASE__LANES", "8")];
    let started = Server::start(PROGRAM.as_ref(), &started).await;
    connect(&started.unwrap(), "ann", json!({})).await;
}
