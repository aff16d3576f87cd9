//! Runs every example, and holds each to what it says one sees.

#[expect(dead_code, reason = "its `main`")]
#[path = "../examples/embed_in_hyper.rs"]
mod embed_in_hyper;
#[expect(dead_code, reason = "its `main`")]
#[path = "../examples/hello_room.rs"]
mod hello_room;
#[expect(dead_code, reason = "its `main`")]
#[path = "../examples/job_rooms.rs"]
mod job_rooms;
#[expect(dead_code, reason = "its `main`")]
#[path = "../examples/own_store.rs"]
mod own_store;
#[expect(dead_code, reason = "its `main`")]
#[path = "../examples/recover.rs"]
mod recover;

use std::fs;

use realtime_core::room::RoomState;

#[tokio::test]
async fn hello_room_says_hello() {
    let heard = hello_room::run(None).await.unwrap();
    assert_eq!(heard["body"], "Hello, Ben!");
    assert_eq!(heard["seq"], 1);
}

#[tokio::test]
async fn hello_room_goes_on_where_the_database_ended() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("hello.db").display());
    for seq in 1..=3 {
        let heard = hello_room::run(Some(&url)).await.unwrap();
        assert_eq!(heard["seq"], seq);
    }
}

#[tokio::test]
async fn job_rooms_opens_once_and_locks() {
    let (applied, refused) = job_rooms::run().await.unwrap();
    let [first, again, completed] = &applied[..] else {
        panic!("three events");
    };
    assert!(first.created && !first.duplicate);
    assert!(again.duplicate && !again.created);
    assert_eq!(again.seq, first.seq);
    assert_eq!(completed.room.state, RoomState::Locked);
    assert_eq!(refused, "room_locked");
}

#[tokio::test]
async fn recover_tells_what_was_missed_once() {
    let told = recover::run().await.unwrap();
    let messages = told.iter().filter(|(word, _)| word == "message");
    let bodies: Vec<_> = messages.map(|(_, body)| body["body"].as_str()).collect();
    assert_eq!(bodies, [Some("two!!"), Some("3")]);
    let (_, first) = &told[0];
    assert!(
        first.get("after_rev").is_some(),
        "nothing was superseded: {first}"
    );
}

#[tokio::test]
async fn own_store_notes_what_was_asked() {
    let notes = own_store::run().await.unwrap();
    assert_eq!(notes.len(), 4);
    assert!(notes[2].contains("refused"), "{notes:?}");
}

#[tokio::test]
async fn embed_in_hyper_serves_both() {
    let [jobs, welcome, rooms] = embed_in_hyper::run().await.unwrap();
    assert!(jobs.contains("job 7421"), "{jobs}");
    assert!(welcome.starts_with(r#"{"id":1,"ok":"#), "{welcome}");
    assert!(
        rooms.contains(r#""subject":{"type":"job","id":"7421"}"#),
        "{rooms}"
    );
}

#[test]
fn every_example_is_run_here_and_says_what_it_is_for() {
    let this = include_str!("run.rs");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(this.contains(&format!("{name}::run(")), "{name} is not run");
        let source = fs::read_to_string(&path).unwrap();
        assert!(
            source.starts_with("//! "),
            "{name} does not say what it is for"
        );
        let command = format!("//! cargo run -p realtime-examples --example {name}");
        assert!(
            source.contains(&command),
            "{name} does not say how it is run"
        );
        assert!(source.lines().count() <= 150, "{name} is too long");
    }
}
