use super::*;

fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        medium @ 126..=0xffff => {
            frame.push(LENGTH_16);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(LENGTH_64);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

fn owned(frame: &Frame<'_>) -> String {
    match frame {
        Frame::Text(text) => format!("text {} {:?}", text.len(), &text[..text.len().min(8)]),
        Frame::Ping(payload) => format!("ping {payload:?}"),
        Frame::Pong => "pong".to_owned(),
        Frame::Close(code) => format!("close {code:?}"),
    }
}

/// Short, medium and long frames, a ping between two fragments, a close.
fn conversation() -> Vec<u8> {
    [
        server_frame(0x81, b"{}"),
        server_frame(0x81, &[b'm'; 300]),
        server_frame(0x01, b"first "),
        server_frame(0x89, b"now?"),
        server_frame(0x00, b"second "),
        server_frame(0x80, b"third"),
        server_frame(0x8a, b""),
        server_frame(0x81, b""),
        server_frame(0x81, &[b'l'; 70_000]),
        server_frame(0x88, &[0x0f, 0xa2]),
    ]
    .concat()
}

fn read(parts: &[&[u8]]) -> Vec<String> {
    let mut reader = FrameReader::default();
    let mut frames = Vec::new();
    for part in parts {
        reader
            .feed(part, |frame| frames.push(owned(&frame)))
            .unwrap();
    }
    frames
}

#[test]
fn a_stream_cut_at_any_byte_gives_the_same_frames() {
    let bytes = conversation();
    let whole = read(&[&bytes]);
    assert_eq!(whole.len(), 8);
    assert_eq!(whole[2], "ping [110, 111, 119, 63]");
    assert_eq!(whole[3], owned(&Frame::Text(b"first second third")));
    assert_eq!(whole[7], "close Some(4002)");
    // The long filler cannot differ between neighbouring cuts: step through it.
    let cuts = (0..700)
        .chain((700..70_300).step_by(997))
        .chain(70_300..bytes.len());
    for cut in cuts {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(read(&[head, tail]), whole, "cut at {cut}");
    }
}

#[test]
fn a_stream_fed_byte_by_byte_gives_the_same_frames() {
    let bytes = conversation();
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), read(&[&bytes]));
}

#[test]
fn broken_frames_are_refused() {
    let cases: [(&[u8], FrameError); 8] = [
        (&[0x81, 0x80, 0, 0, 0, 0], FrameError::Masked),
        (&[0xc1, 0x00], FrameError::Reserved),
        (&[0x82, 0x00], FrameError::Opcode(2)),
        (&[0x81, 126, 0, 5], FrameError::Length(5)),
        (
            &[0x81, 127, 0, 0, 0, 0, 0, 0, 1, 0],
            FrameError::Length(256),
        ),
        (
            &[0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0],
            FrameError::Length(0xff << 56),
        ),
        (&[0x09, 0x00], FrameError::Control),
        (&[0x80, 0x00], FrameError::Fragments),
    ];
    for (bytes, expected) in cases {
        let refused = FrameReader::default().feed(bytes, |_| {});
        assert_eq!(refused, Err(expected), "{bytes:?}");
    }
}

#[test]
fn a_new_message_inside_a_fragmented_one_is_refused() {
    let bytes = [server_frame(0x01, b"a"), server_frame(0x81, b"b")].concat();
    assert_eq!(
        FrameReader::default().feed(&bytes, |_| {}),
        Err(FrameError::Fragments)
    );
}

#[test]
fn a_cleared_reader_starts_at_a_frame() {
    let mut reader = FrameReader::default();
    reader.feed(&[0x81, 5, b'x'], |_| {}).unwrap();
    reader.clear();
    let mut frames = Vec::new();
    reader
        .feed(&server_frame(0x81, b"{}"), |frame| {
            frames.push(owned(&frame));
        })
        .unwrap();
    assert_eq!(frames, [owned(&Frame::Text(b"{}"))]);
}

#[test]
fn a_client_frame_is_masked_and_has_the_shortest_length() {
    for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let payload = vec![b'a'; length];
        let mask = [1, 2, 3, 4];
        let mut out = Vec::new();
        encode(&mut out, Opcode::Text, &payload, mask);
        assert_eq!(out.len(), head + 4 + length);
        assert_eq!(out[0], 0x81);
        assert_ne!(out[1] & MASKED, 0);
        assert_eq!(&out[head..head + 4], &mask);
        let unmasked: Vec<u8> = out[head + 4..]
            .iter()
            .zip(mask.iter().cycle())
            .map(|(b, k)| b ^ k)
            .collect();
        assert_eq!(unmasked, payload);
    }
}
