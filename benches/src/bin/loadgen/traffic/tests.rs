use super::*;
use crate::wire::WireOptions;

/// Two members of one room, of whom the first sends; nothing is connected, and
/// what the server says is spoken by the test.
struct Room {
    traffic: Traffic,
    wire: Wire,
    now: Instant,
}

impl Room {
    fn new() -> Self {
        let options = WireOptions {
            parallel_connects: 1,
            spin: false,
            seed: 1,
        };
        let wire = Wire::new(([127, 0, 0, 1], 1).into(), "test", 2, options).unwrap();
        let mut traffic = Traffic::new("run", 64).unwrap();
        let room = traffic.add_room("r", 0);
        traffic.add_member(room, 0, 0);
        traffic.add_member(room, 0, 0);
        traffic.add_sender(0);
        Self {
            traffic,
            wire,
            now: Instant::now(),
        }
    }

    fn sends(&mut self, count: u32) {
        for _ in 0..count {
            self.traffic
                .send_next(&mut self.wire, 0, self.now, self.now);
        }
    }

    fn hears(&mut self, id: usize, object: &str) -> Effect {
        self.traffic.take(id, object.as_bytes(), self.now)
    }

    fn hears_message(&mut self, id: usize, number: u32, seq: u64, rev: u64) -> Effect {
        self.hears(
            id,
            &format!(
                r#"{{"message":{{"room":"r","seq":{seq},"rev":{rev},"body":"0 {number} 5 x"}}}}"#
            ),
        )
    }

    fn acks(&mut self, command: u32, seq: u64) -> Effect {
        self.hears(
            0,
            &format!(r#"{{"id":{command},"ok":{{"seq":{seq},"duplicate":false}}}}"#),
        )
    }

    /// Closes the books; the violations and how often each occurred.
    fn closes(mut self) -> Vec<(Violation, u64)> {
        self.traffic.close();
        let count = |violation| (violation, self.traffic.findings.count(violation));
        Violation::ALL
            .into_iter()
            .map(count)
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// The first `send` of a connection carries this number.
const FIRST: u32 = CONNECT_ID + 1;

#[test]
fn what_is_acked_and_delivered_to_all_is_settled_and_clean() {
    let mut room = Room::new();
    room.sends(2);
    assert!(!room.traffic.is_settled());
    assert_eq!(room.acks(FIRST, 1), Effect::Acked(0));
    assert_eq!(room.acks(FIRST + 1, 2), Effect::Acked(0));
    for (number, seq) in [(1, 1), (2, 2)] {
        assert_eq!(room.hears_message(0, number, seq, seq), Effect::None);
        assert!(!room.traffic.is_settled());
        assert_eq!(room.hears_message(1, number, seq, seq), Effect::Complete(0));
    }
    assert!(room.traffic.is_settled());
    assert_eq!(
        room.traffic.delivery.len(),
        2,
        "the sender's own copies are no latencies"
    );
    assert_eq!(room.closes(), []);
}

#[test]
fn an_acked_message_that_nobody_gets_is_lost_for_each() {
    let mut room = Room::new();
    room.sends(1);
    room.acks(FIRST, 1);
    assert_eq!(room.closes(), [(Violation::Lost, 2)]);
}

#[test]
fn a_rev_that_does_not_ascend_is_found() {
    let mut room = Room::new();
    room.sends(2);
    room.hears_message(1, 1, 1, 7);
    room.hears_message(1, 2, 2, 7);
    assert_eq!(room.traffic.counters.rev_holes, 6);
    assert_eq!(
        room.closes(),
        [(Violation::RevOrder, 1), (Violation::Unanswered, 2)]
    );
}

#[test]
fn stray_and_repeated_answers_are_found() {
    let mut room = Room::new();
    room.sends(1);
    room.acks(FIRST, 1);
    for id in [0, 1] {
        room.hears(id, &format!(r#"{{"id":{FIRST},"ok":{{"seq":1}}}}"#));
    }
    room.hears(0, r#"{"id":99999999999,"ok":{"seq":1}}"#);
    assert_eq!(
        room.closes(),
        [(Violation::Lost, 2), (Violation::StrayAnswer, 3)]
    );
}

#[test]
fn a_first_send_answered_as_a_repeat_is_found_and_a_real_repeat_is_not() {
    let repeat = |command| format!(r#"{{"id":{command},"ok":{{"seq":1,"duplicate":true}}}}"#);
    let mut room = Room::new();
    room.sends(1);
    room.hears(0, &repeat(FIRST));
    assert_eq!(
        room.closes(),
        [(Violation::Lost, 2), (Violation::FalseRepeat, 1)]
    );

    let mut room = Room::new();
    room.sends(1);
    let timeout = format!(r#"{{"id":{FIRST},"error":{{"code":"timeout"}}}}"#);
    let Effect::Postponed(draft, None) = room.hears(0, &timeout) else {
        panic!("a timeout is for now");
    };
    room.traffic.send_again(&mut room.wire, draft);
    room.hears(0, &repeat(FIRST + 1));
    assert_eq!(room.closes(), [(Violation::Lost, 2)]);
}

#[test]
fn a_wrong_text_is_a_mismatch_and_not_a_loss() {
    let mut room = Room::new();
    room.sends(2);
    room.acks(FIRST, 1);
    room.hears_message(0, 1, 1, 1);
    room.hears_message(1, 2, 1, 1);
    room.acks(FIRST + 1, 1);
    assert_eq!(
        room.closes(),
        [(Violation::Doubled, 1), (Violation::Mismatch, 1)]
    );
}

#[test]
fn what_does_not_belong_to_the_room_is_found() {
    let mut room = Room::new();
    room.sends(1);
    room.hears(
        1,
        r#"{"message":{"room":"other","seq":1,"rev":1,"body":"x"}}"#,
    );
    room.hears_message(1, 1, 1 << 50, 1);
    room.hears(1, "{\"message\":{}}");
    room.hears(1, r#"{"error":{"code":"bad_request"}}"#);
    room.hears(0, &format!(r#"{{"id":{FIRST},"ok":{{}}}}"#));
    assert_eq!(
        room.closes(),
        [
            (Violation::UnknownSeq, 1),
            (Violation::ForeignRoom, 1),
            (Violation::Malformed, 3)
        ]
    );
}

#[test]
fn messages_of_others_are_numbered_but_have_no_latency() {
    let mut room = Room::new();
    room.hears(
        1,
        r#"{"message":{"room":"r","seq":1,"rev":1,"kind":"system","body":"job"}}"#,
    );
    room.hears(1, r#"{"typing":{"room":"r","user":"u","active":true}}"#);
    assert_eq!(room.traffic.delivery.len(), 0);
    assert_eq!(room.traffic.counters.deliveries, 1);
    assert_eq!(room.traffic.counters.other["typing"], 1);
    assert_eq!(room.closes(), []);
}

#[test]
fn what_makes_up_for_an_absence_is_checked_but_no_latency() {
    let mut room = Room::new();
    room.sends(3);
    room.traffic.left(1);
    room.hears_message(1, 1, 1, 1);
    assert!(!room.traffic.has_caught_up(1));
    assert!(room.traffic.returned(1, 2));
    room.hears_message(1, 2, 2, 2);
    assert!(room.traffic.has_caught_up(1));
    assert_eq!((room.traffic.delivery.len(), room.traffic.rev(1)), (0, 2));
    room.hears_message(1, 3, 3, 3);
    assert_eq!(room.traffic.delivery.len(), 1);
    assert!(!room.traffic.returned(1, 3), "nothing was missed");
}
