//! Frames to commands, and changes to frames: what each command costs before anything
//! is decided, and each change before it is handed out.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot do its work must stop"
)]

#[path = "support/golden.rs"]
mod golden;

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use realtime_core::{
    change::Answer,
    event::{RoomChange, RoomEvent},
    id::{ClientId, MessageId, RoomId, UserId},
    limits::Limits,
    message::{Message, MessageKind, Sender},
    protocol::{Encoded, ErrorCode, SentView, answer, decode},
    seq::{Rev, Seq},
    time::Timestamp,
};

/// The commands by which people talk, and the two ways to come in.
const COMMANDS: [&str; 5] = ["send", "read", "typing", "connect", "connect_resume"];

/// One thing a turn, of so many bytes.
const fn one_of(bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: 1,
        bytes: bytes as u64,
    }
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame_codec/decode");
    for name in COMMANDS {
        let frame = golden::frame(name);
        let request = decode(&frame).expect("a golden frame is understood");
        assert!(name.starts_with(request.command.word()));
        group.throughput(one_of(frame.len()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| decode(black_box(&frame)));
        });
    }
    let frame = endless();
    let (_, error) = decode(&frame).expect_err("it names no room");
    assert_eq!(error.code, ErrorCode::BadRequest);
    group.throughput(one_of(frame.len()));
    group.bench_function("largest_refused", |bencher| {
        bencher.iter(|| decode(black_box(&frame)));
    });
}

/// As large as a frame may be, and refused only at its end.
fn endless() -> String {
    const EMPTY: &str = r#"{"id":1,"send":{"":0}}"#;
    const UNKNOWN: &str = r#","x":0"#;
    let unknown = UNKNOWN.repeat((Limits::default().frame_bytes - EMPTY.len()) / UNKNOWN.len());
    format!(r#"{{"id":1,"send":{{"":0{unknown}}}}}"#)
}

fn message() -> Message {
    let id = "01955000-0000-7000-8000-000000000001".parse::<RoomId>();
    let room = id.expect("this is a UUID");
    let user = UserId::parse("7").expect("a number is a user id");
    let client_id = ClientId::parse("5f0c7a3e-1b0e-4a53-9d39-0d2f5f0b7a11");
    let sent_at = Timestamp::parse("2026-03-01T09:01:00.000Z");
    Message {
        room,
        seq: Seq::new(3),
        rev: Rev::new(5),
        id: MessageId::from_uuid(room.as_uuid()),
        sender: Sender::User {
            id: user,
            name: Some("Ben".to_owned()),
        },
        client_id: Some(client_id.expect("a UUID is a client id")),
        kind: MessageKind::Text,
        body: Some("Hello! The key is under the mat.".to_owned()),
        metadata: None,
        reply_to: None,
        sent_at: sent_at.expect("this is RFC 3339"),
        edited_at: None,
        deleted_at: None,
    }
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame_codec/encode");
    let message = message();
    let event = RoomEvent {
        room: message.room,
        rev: message.rev,
        after: message.rev.previous(),
        change: RoomChange::Message(Box::new(message.clone())),
    };
    let now = message.sent_at;
    let encoded = Encoded::new(&event, now);
    assert!(encoded.own.is_some(), "the sender has a line of their own");
    group.throughput(one_of(encoded.bytes()));
    group.bench_function("message", |bencher| {
        bencher.iter(|| Encoded::new(black_box(&event), now));
    });

    let sent = Answer::Message {
        message: Arc::new(message),
        duplicate: false,
    };
    let encode = |sent| answer(7, &SentView::of(sent).expect("it is about a message"));
    group.throughput(one_of(encode(&sent).len()));
    group.bench_function("answer", |bencher| {
        bencher.iter(|| encode(black_box(&sent)));
    });
}

criterion_group!(
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    targets = decoding, encoding
);
criterion_main!(benches);
