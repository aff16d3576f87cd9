mod windows;

use std::task::{Context, Waker};

use proptest::prelude::*;

use super::*;
use crate::{
    event::{Receipt, RoomChange, RoomEvent},
    id::{SessionId, UserId},
    mailbox::Mailbox,
    seq::Seq,
    time::Timestamp,
};

fn room() -> RoomId {
    RoomId::from_uuid(uuid::Uuid::from_u128(1))
}

const MEMBER: Standing = Standing {
    role: Role::Member,
    from: Seq::FIRST,
};

fn at(rev: u64) -> Position {
    Position::at(Rev::new(rev))
}

fn event(rev: u64, after: u64) -> Arc<Encoded> {
    let user = UserId::parse("ann").unwrap();
    let receipt = Receipt {
        user,
        delivered_seq: Seq::new(rev),
        read_seq: Seq::ZERO,
    };
    let event = RoomEvent {
        room: room(),
        rev: Rev::new(rev),
        after: Rev::new(after),
        change: RoomChange::Receipt(receipt),
    };
    Arc::new(Encoded::new(&event, Timestamp::default()))
}

fn subscriber(name: &str, hard: usize) -> Arc<Subscriber> {
    let session = SessionId::from_uuid(uuid::Uuid::from_u128(7));
    let mailbox = Arc::new(Mailbox::new(hard, hard));
    Arc::new(Subscriber::new(
        session,
        UserId::parse(name).unwrap(),
        mailbox,
    ))
}

fn heard(subscriber: &Subscriber) -> Vec<u64> {
    let mut lines = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let _ = subscriber
        .mailbox
        .poll_lines(&mut context, usize::MAX, &mut lines);
    let rev = |line: &Line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["receipt"]["rev"].as_u64().unwrap()
    };
    lines.iter().map(rev).collect()
}

/// A topic at `rev` with one listener that is live from there.
fn topic(rev: u64, listener: &Arc<Subscriber>) -> Topic {
    let mut topic = Topic::default();
    topic.start_at(Rev::new(rev), room(), &mut Vec::new());
    topic.add(listener.clone(), Ticket(1), MEMBER, Rev::new(rev));
    assert_eq!(topic.go_live(Ticket(1), at(rev), room()), GoLive::Live);
    topic
}

#[test]
fn what_comes_early_waits_for_what_is_missing() {
    let ben = subscriber("ben", 100_000);
    let mut topic = topic(3, &ben);
    let mut behind = Vec::new();
    assert_eq!(
        topic.accept(event(6, 5), room(), &mut behind),
        Accepted::Early
    );
    assert_eq!(
        topic.accept(event(5, 4), room(), &mut behind),
        Accepted::Early
    );
    assert!(heard(&ben).is_empty());
    assert_eq!(
        topic.accept(event(4, 3), room(), &mut behind),
        Accepted::Done
    );
    assert_eq!(heard(&ben), [4, 5, 6]);
    assert!(!topic.is_behind());
}

#[test]
fn what_never_was_is_forgotten_once_the_store_says_so() {
    let ben = subscriber("ben", 100_000);
    let mut topic = topic(3, &ben);
    topic.accept(event(900, 899), room(), &mut Vec::new());
    topic.claim(Rev::new(1_000));
    assert!(topic.is_behind());
    let claimed = topic.claimed();
    topic.disprove(Rev::new(3), claimed);
    assert!(!topic.is_behind());
    topic.accept(event(4, 3), room(), &mut Vec::new());
    assert_eq!(heard(&ben), [4]);
}

#[test]
fn a_change_that_nothing_carries_any_more_is_skipped() {
    let ben = subscriber("ben", 100_000);
    let mut topic = topic(3, &ben);
    topic.claim(Rev::new(5));
    topic.accept(event(7, 6), room(), &mut Vec::new());
    topic.accept(event(6, 5), room(), &mut Vec::new());
    topic.skip_to(Rev::new(5), room(), &mut Vec::new());
    assert_eq!(topic.head(), Some(Rev::new(7)));
    assert!(!topic.is_behind());
    let mut lines = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let _ = ben.mailbox.poll_lines(&mut context, usize::MAX, &mut lines);
    assert!(lines[0].contains(r#""after_rev":3"#), "{lines:?}");
}

#[test]
fn a_full_mailbox_puts_its_reader_behind_from_where_it_stands() {
    let (slow, fast) = (subscriber("slow", 200), subscriber("fast", 100_000));
    let mut topic = topic(0, &slow);
    topic.add(fast.clone(), Ticket(2), MEMBER, Rev::ZERO);
    topic.go_live(Ticket(2), at(0), room());
    let mut behind = Vec::new();
    for rev in 1..=20 {
        topic.accept(event(rev, rev - 1), room(), &mut behind);
    }
    assert_eq!(heard(&fast), (1..=20).collect::<Vec<_>>());
    let got = heard(&slow);
    assert_eq!(behind.len(), 1, "told once");
    assert_eq!(behind[0].at, at(*got.last().unwrap()));
    assert_eq!(
        topic.go_live(Ticket(1), behind[0].at, room()),
        GoLive::Live,
        "from memory"
    );
    let rest = heard(&slow);
    assert_eq!([got, rest].concat(), (1..=20).collect::<Vec<_>>());
}

#[test]
fn memory_serves_only_what_it_holds_whole() {
    let ben = subscriber("ben", 10_000_000);
    let mut topic = topic(0, &ben);
    for rev in 1..=(RECENT_EVENTS as u64 + 10) {
        topic.accept(event(rev, rev - 1), room(), &mut Vec::new());
    }
    let late = subscriber("late", 10_000_000);
    topic.add(late.clone(), Ticket(2), MEMBER, Rev::ZERO);
    assert_eq!(topic.go_live(Ticket(2), at(9), room()), GoLive::NotYet);
    assert_eq!(topic.go_live(Ticket(2), at(10), room()), GoLive::Live);
    assert_eq!(heard(&late).len(), RECENT_EVENTS);
    assert_eq!(topic.go_live(Ticket(9), at(0), room()), GoLive::Gone);
}

proptest! {
    /// Any order, any repetition: everything once, in order.
    #[test]
    fn whatever_the_order_all_is_handed_out_once(
        mut order in Just((1_u64..=60).collect::<Vec<_>>()).prop_shuffle(),
        repeats in proptest::collection::vec(1_u64..=60, 0..60),
    ) {
        order.extend(repeats);
        let ben = subscriber("ben", 10_000_000);
        let mut topic = topic(0, &ben);
        for rev in order {
            topic.accept(event(rev, rev - 1), room(), &mut Vec::new());
        }
        prop_assert_eq!(heard(&ben), (1..=60).collect::<Vec<_>>());
        prop_assert!(!topic.is_behind());
    }
}

fn membership(rev: u64, user: &str, membership: fn(UserId) -> Membership) -> Arc<Encoded> {
    let encoded = event(rev, rev - 1);
    let mut encoded = Arc::into_inner(encoded).unwrap();
    encoded.membership = Some(membership(UserId::parse(user).unwrap()));
    Arc::new(encoded)
}

/// Ben listens from 1 on; at 2 something happens to Ann, who then joins as of 1.
fn joins_late(happened: &[Arc<Encoded>]) -> (Topic, Arc<Subscriber>, GoLive) {
    let ben = subscriber("ben", 100_000);
    let mut topic = topic(1, &ben);
    for event in happened {
        topic.accept(event.clone(), room(), &mut Vec::new());
    }
    let ann = subscriber("ann", 100_000);
    topic.add(ann.clone(), Ticket(2), MEMBER, Rev::new(1));
    let live = topic.go_live(Ticket(2), at(1), room());
    (topic, ann, live)
}

#[test]
fn who_was_taken_out_before_listening_is_not_let_in() {
    let out = membership(2, "ann", Membership::Out);
    let (mut topic, ann, live) = joins_late(&[out, event(3, 2)]);
    assert_eq!(live, GoLive::Gone);
    topic.accept(event(4, 3), room(), &mut Vec::new());
    assert_eq!(topic.listener_count(), 1);
    let mut lines = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let _ = ann.mailbox.poll_lines(&mut context, usize::MAX, &mut lines);
    assert_eq!(lines.len(), 2, "what took her out, and the farewell");
    assert!(lines[1].contains("unsubscribed"));
}

#[test]
fn who_got_another_role_before_listening_has_it() {
    let observer = |user| Membership::In(user, Role::Observer, Seq::FIRST);
    let (topic, ann, live) = joins_late(&[
        membership(2, "ann", Membership::Out),
        membership(3, "ann", observer),
    ]);
    assert_eq!(live, GoLive::Live);
    assert_eq!(heard(&ann), [2, 3]);
    assert_eq!(topic.role_of(&ann), Some(Role::Observer));
}
