//! P9 under `kill`: a job is accepted and its room exists, or neither; and what was committed
//! is delivered, though the process that committed it is dead.
//!
//! The victim is this test's own binary, started again: it runs the service as anybody would,
//! and what it does after a commit is what the test gives it as `hand_over`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use realtime_booking::{jobs, web::Service};
use realtime_core::{
    Connection, Limits, Opening, Realtime, id::UserId, protocol::Connect, store::Catalog,
};
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database;
use serde_json::Value;
use tokio::net::TcpListener;

/// Tells the victim which database to use, and how it is to die.
const DATABASE: &str = "BOOKING_VICTIM_DATABASE";
const DIES: &str = "BOOKING_VICTIM_DIES";
/// How often the victim is killed at a random moment.
const KILLS: u32 = 8;

/// The other process; by itself a service that accepts a job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_accepts_jobs() {
    let Ok(url) = std::env::var(DATABASE) else {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("booking.db").display());
        let service = Service::start(&url, None).await.unwrap();
        let job = service.jobs.book(user("ann")).await.unwrap();
        let room = service.jobs.accept(job, &user("ben")).await.unwrap();
        assert_eq!(service.jobs.accept(job, &user("ben")).await.unwrap(), room);
        let taken = service.jobs.accept(job, &user("eve")).await.unwrap_err();
        assert!(matches!(taken, jobs::JobError::Taken), "{taken}");
        return;
    };
    if std::env::var(DIES).is_ok() {
        // Between the commit and the hand-over.
        let dies: jobs::HandOver = Arc::new(|_| std::process::abort());
        let service = Service::start(&url, Some(dies)).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("victim {}", listener.local_addr().unwrap());
        return service.serve(listener).await;
    }
    // Accepts one job after the other, until it is killed.
    let service = Service::start(&url, None).await.unwrap();
    loop {
        let job = service.jobs.book(user("ann")).await.unwrap();
        service.jobs.accept(job, &user("ben")).await.unwrap();
        println!("victim {job}");
    }
}

struct Victim {
    child: Child,
    says: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Victim {
    fn start(url: &str, dies: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "a_service_accepts_jobs", "--nocapture"])
            .env(DATABASE, url)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if dies {
            command.env(DIES, "yes");
        }
        let mut child = command.spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, says }
    }

    /// The next thing that it tells.
    fn tells(&mut self) -> String {
        loop {
            let line = self.says.next().unwrap().unwrap();
            // The test harness may have begun the line.
            if let Some((_, told)) = line.split_once("victim ") {
                return told.to_owned();
            }
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

async fn server(url: &str) -> (Arc<SeaStore>, Realtime) {
    let store = Arc::new(SeaStore::connect(url, SeaOptions::default()).await.unwrap());
    let sweep = Duration::from_millis(100);
    let limits = Limits {
        sweep_interval: sweep,
        sweep_interval_degraded: sweep,
        ..Limits::default()
    };
    let realtime = Realtime::builder(store.clone())
        .limits(limits)
        .start()
        .await
        .unwrap();
    (store, realtime)
}

async fn hears(connection: &Connection, word: &str) -> Value {
    loop {
        let line = connection.next_line().await.unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if let Some(push) = line.get(word) {
            return push.clone();
        }
    }
}

/// Of every accepted job there is a room with its message, and no room of any other.
async fn jobs_and_rooms_agree(url: &str, store: &SeaStore) -> usize {
    // The service's own way in, which is not served to anybody.
    let service = Service::start(url, None).await.unwrap();
    let accepted = service.jobs.accepted().await.unwrap();
    for job in &accepted {
        let room = store
            .room_of(&jobs::subject(job.id).unwrap())
            .await
            .unwrap();
        let room = room.unwrap_or_else(|| panic!("job {} has no room", job.id));
        assert_eq!((room.last_seq.get(), room.rev.get()), (1, 2));
    }
    // What was booked after the newest accepted one was not accepted.
    let newest = accepted.iter().map(|job| job.id).max().unwrap_or_default();
    for id in newest + 1..newest + 4 {
        let room = store.room_of(&jobs::subject(id).unwrap()).await.unwrap();
        assert_eq!(room, None, "job {id} was not accepted, and has a room");
    }
    accepted.len()
}

async fn killed_between_commit_and_hand_over(url: &str) {
    let (store, realtime) = server(url).await;
    let ann = realtime.accept(Opening::of(user("ann")));
    ann.listen(Connect::default()).await.unwrap();

    let mut victim = Victim::start(url, true);
    let address = victim.tells();
    let post = async |path: &str, who: &str| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer session-of-{who}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A connection that ends without an answer is one.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    };
    let booked = post("/jobs", "ann").await;
    assert!(booked.contains("200 OK"), "{booked}");
    assert_eq!(
        post("/jobs/1/accept", "ben").await,
        "",
        "it dies before it answers"
    );
    let status = victim.child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status}");

    // It was committed, and nobody was told: the sweep of another server tells Ann.
    let room = hears(&ann, "room").await;
    assert_eq!(room["subject"]["id"], "1");
    assert_eq!(
        hears(&ann, "message").await["body"],
        "ben has accepted the job."
    );
    assert_eq!(jobs_and_rooms_agree(url, &store).await, 1);

    // Whoever connects to the service once it runs again finds the room.
    let service = Service::start(url, None).await.unwrap();
    let ben = service.app.realtime().accept(Opening::of(user("ben")));
    let welcome = r#"{"id": 1, "connect": {}}"#;
    ben.receive(welcome).await;
    let welcome: Value = serde_json::from_str(&ben.next_line().await.unwrap()).unwrap();
    assert_eq!(welcome["ok"]["rooms"][0]["id"], room["id"], "{welcome}");
}

async fn killed_at_any_moment(url: &str) {
    let (store, _realtime) = server(url).await;
    let mut accepted = 0;
    for kill in 0..KILLS {
        let mut victim = Victim::start(url, false);
        // At least one job in its life, and then at some moment of a later one: there is no
        // fact to wait for, the moment is to be any.
        for _ in 0..=kill % 3 {
            victim.tells();
        }
        let moment = Duration::from_micros(u64::from(std::process::id() % 97 + kill * 577));
        tokio::time::sleep(moment).await;
        victim.child.kill().unwrap();
        assert_eq!(victim.child.wait().unwrap().signal(), Some(9));
        let now = jobs_and_rooms_agree(url, &store).await;
        assert!(now > accepted, "{now} jobs, {accepted} before");
        accepted = now;
    }
}

fn sqlite_in(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("booking.db").display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_commit_and_hand_over_the_sweep_delivers_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    killed_between_commit_and_hand_over(&sqlite_in(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_commit_and_hand_over_the_sweep_delivers_on_postgres() {
    killed_between_commit_and_hand_over(&database::postgres().fresh_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_commit_and_hand_over_the_sweep_delivers_on_mariadb() {
    killed_between_commit_and_hand_over(&database::mariadb().fresh_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_no_job_is_without_its_room_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    killed_at_any_moment(&sqlite_in(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_no_job_is_without_its_room_on_postgres() {
    killed_at_any_moment(&database::postgres().fresh_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_no_job_is_without_its_room_on_mariadb() {
    killed_at_any_moment(&database::mariadb().fresh_url()).await;
}

#[test]
fn the_scene_plays() {
    let played = Command::new(env!("CARGO_BIN_EXE_realtime-booking"))
        .output()
        .unwrap();
    assert!(played.status.success(), "{played:?}");
    let said = String::from_utf8(played.stdout).unwrap();
    let heard: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("Ann hears after"))
        .collect();
    assert!(
        heard.len() == 2 && heard[1].contains("ben has accepted the job."),
        "{said}"
    );
    assert!(said.contains("somebody else has accepted it"), "{said}");
}
