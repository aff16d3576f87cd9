//! Frames, right and wrong, over real sockets: the peer always sees the close code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use realtime_testkit::{
    client::{Client, End},
    frame::{Frame, opcode},
};
use serde_json::json;
use support::{Running, answer, connect, start};

const LIMIT: u64 = 64 * 1024;

/// What becomes of a connection on which these bytes are sent.
async fn end_after(server: &Running, bytes: &[u8]) -> End {
    let mut client = server.connect("ann").await;
    // The server may close before it has taken all.
    let _ = client.send_raw(bytes).await;
    client.end().await.unwrap()
}

fn joined(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::to_bytes).collect()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_wrong_frame_has_its_close_code_and_the_peer_sees_it() {
    let server = start(&[]).await;
    let text = || Frame::text("{}");
    let part = || Frame::new(opcode::CONTINUATION, "x");
    let cases: [(&str, Vec<Frame>, u16); 24] = [
        ("not masked", vec![text().unmasked()], 1002),
        ("RSV1", vec![text().reserved(0x40)], 1002),
        ("RSV2", vec![text().reserved(0x20)], 1002),
        ("RSV3", vec![text().reserved(0x10)], 1002),
        ("unknown data opcode", vec![Frame::new(0x3, "")], 1002),
        ("unknown control opcode", vec![Frame::new(0xb, "")], 1002),
        ("large ping", vec![Frame::new(opcode::PING, [0; 126])], 1002),
        (
            "fragmented ping",
            vec![Frame::new(opcode::PING, "").more()],
            1002,
        ),
        ("orphan continuation", vec![part()], 1002),
        (
            "a message inside a message",
            vec![text().more(), text()],
            1002,
        ),
        (
            "one byte of a close code",
            vec![Frame::new(opcode::CLOSE, [3])],
            1002,
        ),
        ("close code 0", vec![Frame::close(0)], 1002),
        ("close code 999", vec![Frame::close(999)], 1002),
        ("close code 1005", vec![Frame::close(1005)], 1002),
        ("close code 1006", vec![Frame::close(1006)], 1002),
        ("close code 65535", vec![Frame::close(65_535)], 1002),
        (
            "close with bad UTF-8",
            vec![Frame::new(opcode::CLOSE, [3, 0xe8, 0xff])],
            1007,
        ),
        (
            "bad UTF-8",
            vec![Frame::new(opcode::TEXT, [0xff, 0xfe])],
            1007,
        ),
        (
            "bad UTF-8 over two frames",
            vec![
                Frame::new(opcode::TEXT, [0xe2, 0x82]).more(),
                Frame::new(opcode::CONTINUATION, [0x28]),
            ],
            1007,
        ),
        (
            "half a character",
            vec![Frame::new(opcode::TEXT, [0xe2, 0x82])],
            1007,
        ),
        ("binary", vec![Frame::new(opcode::BINARY, "x")], 1003),
        (
            "too long by its header",
            vec![text().claiming(LIMIT + 1)],
            1009,
        ),
        ("too long by far", vec![text().claiming(u64::MAX)], 1009),
        (
            "too long in parts",
            vec![
                Frame::new(opcode::TEXT, vec![b'x'; 40_000]).more(),
                Frame::new(opcode::CONTINUATION, vec![b'x'; 40_000]),
            ],
            1009,
        ),
    ];
    for (name, frames, code) in cases {
        let end = end_after(&server, &joined(&frames)).await;
        assert_eq!(end, End::Code(Some(code)), "{name}");
    }
}

#[tokio::test]
async fn the_code_is_seen_though_much_more_is_sent_than_is_read() {
    let server = start(&[]).await;
    let mut client = server.connect("ann").await;
    client
        .send(&Frame::text("{}").claiming(LIMIT + 1))
        .await
        .unwrap();
    // The server has closed long before all this is under way; it goes on to take it,
    // or the rest would be refused with a reset.
    for _ in 0..200 {
        client.send_raw(&[0; 16 * 1024]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(client.end().await.unwrap(), End::Code(Some(1009)));
}

#[tokio::test]
async fn what_follows_a_close_frame_is_not_looked_at() {
    let server = start(&[]).await;
    let mut bytes = Frame::close(1000).to_bytes();
    bytes.extend(Frame::text("{}").unmasked().to_bytes().repeat(1_000));
    assert_eq!(end_after(&server, &bytes).await, End::Code(Some(1000)));
}

#[tokio::test]
async fn a_goodbye_is_answered_with_its_own_code() {
    let server = start(&[]).await;
    for code in [1000, 1001, 3000, 4999] {
        let end = end_after(&server, &Frame::close(code).to_bytes()).await;
        assert_eq!(end, End::Code(Some(code)));
    }
    let end = end_after(&server, &Frame::new(opcode::CLOSE, "").to_bytes()).await;
    assert_eq!(end, End::Code(None));
}

#[tokio::test]
async fn floods_are_told_so() {
    let server = start(&[]).await;
    let empty = Frame::new(opcode::CONTINUATION, "").more().to_bytes();
    let one_byte = Frame::new(opcode::CONTINUATION, "x").more().to_bytes();
    let start_of_message = || Frame::text("").more().to_bytes();
    let floods = [
        (
            "empty continuations",
            [start_of_message(), empty.repeat(100_000)].concat(),
        ),
        (
            "one-byte fragments",
            [start_of_message(), one_byte.repeat(60_000)].concat(),
        ),
        (
            "pings",
            Frame::new(opcode::PING, "").to_bytes().repeat(100_000),
        ),
        (
            "pongs",
            Frame::new(opcode::PONG, "").to_bytes().repeat(100_000),
        ),
    ];
    for (name, bytes) in floods {
        assert_eq!(
            end_after(&server, &bytes).await,
            End::Code(Some(4003)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_what_it_carried() {
    let server = start(&[]).await;
    let mut client = server.connect("ann").await;
    for payload in [&b""[..], b"are you there?", &[0xff; 125]] {
        client
            .send(&Frame::new(opcode::PING, payload))
            .await
            .unwrap();
        let frame = client.frame().await.unwrap();
        assert_eq!(
            (frame.opcode, frame.payload.as_slice()),
            (opcode::PONG, payload)
        );
    }
}

#[tokio::test]
async fn a_command_may_come_in_parts_byte_by_byte_with_pings_between() {
    let server = start(&[]).await;
    let mut client = server.connect("ann").await;
    let command = json!({"id": 7, "presence": {"users": ["ann"]}}).to_string();
    let mut parts = command.as_bytes().chunks(5).peekable();
    let mut opcode = opcode::TEXT;
    while let Some(part) = parts.next() {
        let frame = Frame::new(opcode, part);
        let frame = if parts.peek().is_some() {
            frame.more()
        } else {
            frame
        };
        for byte in frame.to_bytes() {
            client.send_raw(&[byte]).await.unwrap();
        }
        client
            .send(&Frame::new(opcode::PING, "between"))
            .await
            .unwrap();
        opcode = opcode::CONTINUATION;
    }
    assert!(answer(&mut client, 7).await["ok"].is_object());
}

#[tokio::test]
async fn several_commands_may_share_a_frame_and_several_frames_a_packet() {
    let server = start(&[]).await;
    let mut client = server.open().await;
    connect(&mut client, "ann").await;
    let ask = |id: u32| json!({"id": id, "presence": {"users": ["ann"]}}).to_string();
    let frames: Vec<u8> = (0..5)
        .flat_map(|frame| {
            let first = 10 + frame * 2;
            Frame::text(&format!("{}\n{}", ask(first), ask(first + 1))).to_bytes()
        })
        .collect();
    client.send_raw(&frames).await.unwrap();
    let mut answered = Vec::new();
    while answered.len() < 10 {
        let objects = client.objects().await.unwrap();
        answered.extend(objects.iter().filter_map(|object| object["id"].as_u64()));
    }
    answered.sort_unstable();
    assert_eq!(answered, (10..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_frame_behind_the_upgrade_request_is_not_lost() {
    let server = start(&[]).await;
    let mut client = Client::dial(server.address).await.unwrap();
    let token = support::token("ann");
    let connect = json!({"id": 1, "connect": {"token": token}}).to_string();
    let mut bytes =
        realtime_testkit::client::upgrade_request("/ws/", server.address, &[]).into_bytes();
    bytes.extend(Frame::text(&connect).to_bytes());
    client.send_raw(&bytes).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    assert!(answer(&mut client, 1).await["ok"].is_object());
}
