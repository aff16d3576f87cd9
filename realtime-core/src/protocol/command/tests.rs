use proptest::prelude::*;

use super::*;

const ROOM: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn error(text: &str) -> (Option<u32>, ErrorCode, Option<String>) {
    let (id, error) = decode(text).expect_err("should be refused");
    (id, error.code, error.field)
}

#[test]
fn a_send_is_read() {
    let text = format!(r#"{{"id":7,"send":{{"room":"{ROOM}","client_id":"a","body":"hi"}}}}"#);
    let request = decode(&text).unwrap();
    assert_eq!(request.id, Some(7));
    let Command::Send(send) = request.command else {
        panic!("not a send")
    };
    assert_eq!((send.body.as_str(), send.kind), ("hi", MessageKind::Text));
}

#[test]
fn unknown_keys_are_ignored_and_unknown_commands_are_told() {
    let text = r#"{"trace":"x","id":1,"pong":{"later":true}}"#;
    assert_eq!(decode(text).unwrap().command, Command::Pong(Pong {}));
    assert_eq!(
        error(r#"{"id":1,"dance":{}}"#),
        (Some(1), ErrorCode::UnknownCommand, None)
    );
}

#[test]
fn what_is_not_one_object_with_one_command_is_refused() {
    for text in [
        "",
        "null",
        "[]",
        "{",
        "1",
        "\"send\"",
        "{}",
        r#"{"id":1}"#,
        r#"{"pong":{}}{"pong":{}}"#,
    ] {
        assert_eq!(error(text).1, ErrorCode::BadRequest, "{text}");
    }
    assert_eq!(
        error(r#"{"id":3,"pong":{},"typing":{}}"#),
        (Some(3), ErrorCode::BadRequest, None)
    );
    assert_eq!(error(&"[".repeat(1_000_000)).1, ErrorCode::BadRequest);
}

#[test]
fn an_error_names_the_field() {
    let read = |seq: &str| {
        error(&format!(
            r#"{{"id":2,"read":{{"room":"{ROOM}","seq":{seq}}}}}"#
        ))
    };
    for seq in [
        "-1",
        "1.5",
        "9007199254740993",
        "\"1\"",
        "null",
        "[1]",
        "1e400",
    ] {
        let (id, code, field) = read(seq);
        assert_eq!(
            (id, code, field.as_deref()),
            (Some(2), ErrorCode::BadRequest, Some("seq")),
            "{seq}"
        );
    }
    let missing = error(r#"{"id":2,"read":{"seq":1}}"#);
    assert_eq!(missing.2.as_deref(), Some("room"));
    let nested = error(r#"{"id":2,"subscribe":{"rooms":[{"room":7}]}}"#);
    assert_eq!(nested.2.as_deref(), Some("rooms[0].room"));
    let body = error(&format!(
        r#"{{"id":2,"edit":{{"room":"{ROOM}","seq":1,"body":"a\u0000"}}}}"#
    ));
    assert_eq!(body.2.as_deref(), Some("body"));
}

#[test]
fn a_text_that_is_no_id_is_a_room_that_is_not_there() {
    assert_eq!(
        error(r#"{"id":2,"history":{"room":"../../x"}}"#),
        (Some(2), ErrorCode::NotFound, None)
    );
    let text = format!(r#"{{"subscribe":{{"rooms":[{{"room":"../x"}},{{"room":"{ROOM}"}}]}}}}"#);
    let Command::Subscribe(to) = decode(&text).unwrap().command else {
        panic!("not a subscribe")
    };
    let rooms: Vec<NamedRoom> = to.rooms.into_iter().map(|at| at.room).collect();
    let named = NamedRoom::Id(ROOM.parse().unwrap());
    assert_eq!(rooms, [NamedRoom::Nowhere("../x".into()), named]);
}

#[test]
fn not_there_is_said_in_the_same_words_everywhere() {
    let told = crate::Error::NOT_FOUND.to_wire();
    assert_eq!(told, WireError::new(ErrorCode::NotFound, NOT_FOUND));
}

#[test]
fn an_incarnation_of_another_form_is_another_one() {
    let life = |value: &str| {
        let text = format!(r#"{{"connect":{{"incarnation":{value}}}}}"#);
        let Command::Connect(connect) = decode(&text).unwrap().command else {
            panic!("not a connect")
        };
        connect.incarnation
    };
    let nil = Incarnation::NIL;
    assert_eq!((life("null"), life(r#""old""#)), (None, Some(nil)));
    assert_eq!(life(&format!("{ROOM:?}")), Some(ROOM.parse().unwrap()));
}

#[test]
fn an_id_is_a_positive_32_bit_integer() {
    for id in ["0", "-1", "4294967296", "1.0", "\"1\"", "null"] {
        let (told, code, field) = error(&format!(r#"{{"id":{id},"pong":{{}}}}"#));
        assert_eq!(
            (told, code, field.as_deref()),
            (None, ErrorCode::BadRequest, Some("id")),
            "{id}"
        );
    }
}

#[test]
fn lone_surrogates_and_deep_metadata_are_refused() {
    let surrogate = format!(r#"{{"edit":{{"room":"{ROOM}","seq":1,"body":"\ud800"}}}}"#);
    assert_eq!(error(&surrogate).1, ErrorCode::BadRequest);
    let deep = format!("{}1{}", "[".repeat(129), "]".repeat(129));
    let send = format!(
        r#"{{"send":{{"room":"{ROOM}","client_id":"a","body":"x","metadata":{{"a":{deep}}}}}}}"#
    );
    assert_eq!(error(&send).1, ErrorCode::BadRequest);
}

#[test]
fn a_key_given_twice_is_refused() {
    let twice = format!(r#"{{"read":{{"room":"{ROOM}","seq":1,"seq":2}}}}"#);
    assert_eq!(error(&twice).1, ErrorCode::BadRequest);
}

proptest! {
    #[test]
    fn decoding_never_panics(text in ".{0,200}") {
        let _ = decode(&text);
    }

    #[test]
    fn decoding_near_misses_never_panics(
        word in proptest::sample::select(Command::WORDS),
        body in "[\\[\\]{}:,\"a-z0-9\\\\u. -]{0,60}",
    ) {
        let _ = decode(&format!(r#"{{"id":1,"{word}":{body}}}"#));
    }
}
