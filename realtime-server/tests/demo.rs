//! `demo`, as a newcomer runs it.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::{io, net::SocketAddr, process::Stdio};

use realtime_testkit::PATIENCE;
use serde_json::json;
use support::start;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_realtime-server");

/// A link as it is printed.
#[derive(Debug)]
struct Link {
    address: SocketAddr,
    token: String,
    room: String,
}

struct Demo {
    child: Child,
    /// What it says after its links; a closed pipe would end it.
    _lines: Lines<BufReader<ChildStdout>>,
    links: Vec<Link>,
    /// Where it may leave files behind.
    folder: TempDir,
}

async fn demo(arguments: &[&str]) -> Demo {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(PROGRAM)
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut links = Vec::new();
    while links.len() < 2 {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let line = line.expect("it ended without its links");
        links.extend(read_link(&line));
    }
    Demo {
        child,
        _lines: lines,
        links,
        folder,
    }
}

fn read_link(line: &str) -> Option<Link> {
    let (address, rest) = line
        .trim()
        .strip_prefix("http://")?
        .split_once("/#token=")?;
    let (token, room) = rest.split_once("&room=")?;
    Some(Link {
        address: address.parse().unwrap(),
        token: token.to_owned(),
        room: room.to_owned(),
    })
}

impl Demo {
    async fn stop(mut self) -> TempDir {
        let pid = self.child.id().unwrap().to_string();
        let told = Command::new("kill")
            .args(["-s", "TERM", &pid])
            .status()
            .await;
        assert!(told.unwrap().success());
        let ended = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "{ended}");
        self.folder
    }
}

#[tokio::test]
async fn two_links_lead_two_people_into_one_room() {
    let demo = demo(&["--listen", "127.0.0.1:0"]).await;
    // Any server will do to make requests from.
    let server = start(&[]).await;
    let [ann, ben] = demo.links.as_slice() else {
        unreachable!("two were waited for");
    };
    assert_eq!(ann.room, ben.room);
    let path = format!("rooms/{}", ann.room);
    let as_ann = server.api(ann.token.clone()).at(ann.address);
    let as_ben = server.api(ben.token.clone()).at(ben.address);
    let room = as_ann.get(&path).await.ok(200);
    assert_eq!(room["title"], "Deep clean, 14 Elm St");
    assert_eq!(room["last_message"]["body"], "Job accepted");
    let names: Vec<_> = room["participants"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&names[0]["name"], &names[1]["name"]),
        (&json!("Ann"), &json!("Ben"))
    );

    let hello = json!({"client_id": "hello", "body": "Hello Ben"});
    as_ann
        .post(&format!("{path}/messages"), hello)
        .await
        .ok(201);
    let heard = as_ben.get(&format!("{path}/messages")).await.ok(200);
    assert_eq!(heard["messages"][1]["body"], "Hello Ben");
    assert_eq!(heard["messages"][1]["sender"]["name"], "Ann");
    let page = as_ben.get("/").await;
    assert!(page.text().contains("/assets/app.js"));

    let folder = demo.stop().await;
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_taken_port_is_avoided_unless_it_was_asked_for() {
    // Ours, or somebody else's: it is taken.
    let taken = TcpListener::bind("127.0.0.1:8080").await;
    assert!(taken.is_ok() || taken.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Command::new(PROGRAM)
        .args(["demo", "--listen", &address])
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen"));

    let holder = TcpListener::bind("127.0.0.1:8080").await;
    let demo = demo(&[]).await;
    assert_ne!(demo.links[0].address.port(), 8080);
    drop(holder);
    demo.stop().await;
}

#[tokio::test]
async fn a_database_that_was_given_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kept.db").display());
    let arguments = ["--listen", "127.0.0.1:0", "--database", &url];
    let first = demo(&arguments).await;
    let room = first.links[0].room.clone();
    first.stop().await;
    let second = demo(&arguments).await;
    assert_eq!(second.links[0].room, room);
    second.stop().await;
}
