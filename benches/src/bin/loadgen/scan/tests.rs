use super::*;

const PUSH: &str = r#"{"message":{"room":"r-1","rev":12,"seq":7,"id":"m","change":"sent","sender":{"type":"user","id":"u"},"kind":"text","body":"3 41 123456789 xxxx","reply_to":5}}"#;

fn delivery(room: &str, seq: u64, rev: u64, stamp: Option<Stamp>) -> Object<'_> {
    Object::Message(Delivery {
        room: room.as_bytes(),
        seq,
        rev,
        stamp,
    })
}

const STAMP: Option<Stamp> = Some(Stamp {
    sender: 3,
    number: 41,
    intended: 123_456_789,
});

#[test]
fn a_delivery_is_read_in_any_key_order_and_spacing() {
    let mut scanner = Scanner::default();
    let reordered = r#"{"message": {"body": "3 41 123456789 ", "seq": 7, "sender": {"id": "u"}, "rev": 12, "room": "r-1"}}"#;
    let spaced = r#"{ "message" : {"seq":7,"rev":12,"room":"r-1","body":"3 41 123456789 "}}"#;
    // Twice, so that the hints of one shape meet the other.
    for object in [PUSH, reordered, spaced, PUSH, reordered] {
        assert_eq!(
            scanner.scan(object.as_bytes()),
            delivery("r-1", 7, 12, STAMP),
            "{object}"
        );
    }
}

#[test]
fn a_hint_of_a_shorter_object_does_not_mislead() {
    let mut scanner = Scanner::default();
    for seq in [9, 10, 99, 1_000, 123_456_789, 3] {
        let object = format!(r#"{{"message":{{"room":"r","seq":{seq},"rev":{seq},"body":"x"}}}}"#);
        assert_eq!(
            scanner.scan(object.as_bytes()),
            delivery("r", seq, seq, None)
        );
    }
}

#[test]
fn keys_inside_a_body_are_not_fields() {
    let object =
        r#"{"message":{"body":"\"seq\":5,\"rev\":6,\"room\":\"x\"","room":"r","seq":1,"rev":2}}"#;
    assert_eq!(
        Scanner::default().scan(object.as_bytes()),
        delivery("r", 1, 2, None)
    );
}

#[test]
fn receipts_with_seq_in_their_keys_are_other_pushes() {
    let object = br#"{"receipt":{"room":"r","rev":3,"user":"u","delivered_seq":1,"read_seq":1}}"#;
    assert_eq!(
        Scanner::default().scan(object),
        Object::Other("receipt".to_owned())
    );
}

#[test]
fn answers_are_read_in_any_form() {
    let mut scanner = Scanner::default();
    let sent = |duplicate| Object::Answer {
        id: 9,
        outcome: Outcome::Sent { seq: 4, duplicate },
    };
    for (object, expected) in [
        (
            r#"{"id":9,"ok":{"seq":4,"rev":6,"id":"m","duplicate":false}}"#,
            sent(false),
        ),
        (
            r#"{"id":9,"ok":{"rev":6,"duplicate":true,"seq":4}}"#,
            sent(true),
        ),
        (r#"{"id": 9, "ok": {"seq": 4}}"#, sent(false)),
        (r#"{"ok":{"seq":4},"id":9}"#, sent(false)),
        (
            r#"{"id":9,"ok":{}}"#,
            Object::Answer {
                id: 9,
                outcome: Outcome::Ok,
            },
        ),
    ] {
        assert_eq!(scanner.scan(object.as_bytes()), expected, "{object}");
    }
}

#[test]
fn a_refusal_keeps_its_code_and_pause() {
    let object = br#"{"id":2,"error":{"code":"rate_limited","message":"\"seq\": slow","retry_after_ms":1200}}"#;
    let outcome = Outcome::Refused {
        code: "rate_limited".to_owned(),
        retry_after: Some(Duration::from_millis(1200)),
    };
    assert_eq!(
        Scanner::default().scan(object),
        Object::Answer { id: 2, outcome }
    );
}

#[test]
fn resets_are_recognised() {
    let object = br#"{"reset":{"room":"r","rev":77}}"#;
    let reset = Object::Reset {
        room: Some("r".to_owned()),
        rev: 77,
    };
    assert_eq!(Scanner::default().scan(object), reset);
}

#[test]
fn what_is_not_the_protocol_is_malformed() {
    for object in [
        "",
        "{",
        "[]",
        "{}",
        "null",
        r#"{"id":1}"#,
        r#"{"message":{"room":"r","seq":1}}"#,
        r#"{"message":{"room":"r","seq":-1,"rev":1}}"#,
        r#"{"message":{"room":"r","seq":99999999999999999999,"rev":1}}"#,
        r#"{"message":{"room":"r","seq":1,"rev":1"#,
    ] {
        let mut scanner = Scanner::default();
        assert_eq!(
            scanner.scan(object.as_bytes()),
            Object::Malformed,
            "{object}"
        );
    }
}

#[test]
fn a_stamp_reads_back_as_written() {
    let stamp = Stamp {
        sender: 0,
        number: 1,
        intended: u64::from(u32::MAX) * 7,
    };
    let mut body = Vec::new();
    stamp.write(&mut body);
    assert_eq!(Stamp::parse(&body), Some(stamp));
    assert_eq!(Stamp::parse(b"hello"), None);
    assert_eq!(Stamp::parse(b"1 2 3"), None, "a cut stamp is no stamp");
    assert_eq!(Stamp::parse(b"1 0 3 "), None, "counts start at 1");
}
