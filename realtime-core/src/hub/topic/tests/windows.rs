//! Who sees only what was said from some message on.

use serde_json::Value;

use super::*;
use crate::{
    id::MessageId,
    message::{Message, MessageKind, Sender},
    participant::{Participant, ParticipantState},
    room::{Room, RoomKind, RoomState},
};

/// Sent by `rev - 1`, if that is its newest change; else edited.
fn said(rev: u64, seq: u64) -> Arc<Encoded> {
    let edited = rev != seq + 1;
    let message = Message {
        room: room(),
        seq: Seq::new(seq),
        rev: Rev::new(rev),
        id: MessageId::from_uuid(uuid::Uuid::from_u128(seq.into())),
        sender: Sender::System,
        client_id: None,
        kind: MessageKind::Text,
        body: Some(format!("message {seq}")),
        metadata: None,
        reply_to: None,
        sent_at: Timestamp::default(),
        edited_at: edited.then(Timestamp::default),
        deleted_at: None,
    };
    encoded(rev, RoomChange::Message(Box::new(message)))
}

fn encoded(rev: u64, change: RoomChange) -> Arc<Encoded> {
    let event = RoomEvent {
        room: room(),
        rev: Rev::new(rev),
        after: Rev::new(rev - 1),
        change,
    };
    Arc::new(Encoded::new(&event, Timestamp::default()))
}

fn participant(name: &str, rev: u64, from: u64, state: ParticipantState) -> Participant {
    Participant {
        room: room(),
        user: UserId::parse(name).unwrap(),
        name: None,
        role: Role::Member,
        state,
        delivered_seq: Seq::ZERO,
        read_seq: Seq::ZERO,
        muted_until: None,
        rev: Rev::new(rev),
        member_rev: Rev::new(rev),
        joined_at: Timestamp::default(),
        visible_from: Seq::new(from),
        visible_to: None,
    }
}

const fn sees_from(seq: u64) -> Standing {
    Standing {
        role: Role::Member,
        from: Seq::new(seq),
    }
}

/// What was told: `(rev, after, seq)` of each push.
fn told(subscriber: &Subscriber) -> Vec<(u64, u64, Option<u64>)> {
    let mut lines = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let _ = subscriber
        .mailbox
        .poll_lines(&mut context, usize::MAX, &mut lines);
    let lines = lines.iter().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let push = line.as_object().unwrap().values().next().unwrap();
        let rev = push["rev"].as_u64().unwrap();
        let after = push["after_rev"].as_u64().unwrap_or(rev - 1);
        (rev, after, push["seq"].as_u64())
    });
    lines.collect()
}

/// A room of nine messages, the newest by `rev` 10, at which Ann comes in.
fn with_newcomer() -> (Topic, Arc<Subscriber>) {
    let mut topic = topic(10, &subscriber("ben", 1_000_000));
    let ann = subscriber("ann", 1_000_000);
    topic.add(ann.clone(), Ticket(2), sees_from(10), Rev::new(10));
    assert_eq!(topic.go_live(Ticket(2), at(10), room()), GoLive::Live);
    (topic, ann)
}

#[test]
fn what_is_hidden_is_not_told_and_what_follows_says_on_what() {
    let (mut topic, ann) = with_newcomer();
    for event in [
        said(11, 10),
        said(12, 3),
        said(13, 9),
        event(14, 13),
        said(15, 10),
    ] {
        topic.accept(event, room(), &mut Vec::new());
    }
    let expected = [(11, 10, Some(10)), (14, 11, None), (15, 14, Some(10))];
    assert_eq!(told(&ann), expected);
}

#[test]
fn who_sees_everything_is_told_the_same_bytes() {
    let ben = subscriber("ben", 1_000_000);
    let mut topic = topic(10, &ben);
    let event = said(11, 10);
    topic.accept(event.clone(), room(), &mut Vec::new());
    let mut lines = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let _ = ben.mailbox.poll_lines(&mut context, usize::MAX, &mut lines);
    assert!(Arc::ptr_eq(&lines[0], &event.public));
}

#[test]
fn memory_hides_too() {
    let mut topic = topic(10, &subscriber("ben", 1_000_000));
    for event in [said(11, 10), said(12, 3), said(13, 9), said(14, 11)] {
        topic.accept(event, room(), &mut Vec::new());
    }
    let ann = subscriber("ann", 1_000_000);
    topic.add(ann.clone(), Ticket(2), sees_from(10), Rev::new(14));
    assert_eq!(topic.go_live(Ticket(2), at(10), room()), GoLive::Live);
    assert_eq!(told(&ann), [(11, 10, Some(10)), (14, 11, Some(11))]);
    topic.accept(said(15, 4), room(), &mut Vec::new());
    topic.accept(said(16, 11), room(), &mut Vec::new());
    assert_eq!(told(&ann), [(16, 14, Some(11))]);
}

#[test]
fn a_tail_that_was_hidden_is_skipped_by_the_next_push() {
    let mut topic = topic(10, &subscriber("ben", 1_000_000));
    for event in [said(11, 3), said(12, 4)] {
        topic.accept(event, room(), &mut Vec::new());
    }
    let ann = subscriber("ann", 1_000_000);
    topic.add(ann.clone(), Ticket(2), sees_from(10), Rev::new(12));
    assert_eq!(topic.go_live(Ticket(2), at(10), room()), GoLive::Live);
    assert!(told(&ann).is_empty());
    topic.accept(said(13, 10), room(), &mut Vec::new());
    assert_eq!(told(&ann), [(13, 10, Some(10))], "she holds 10");
}

#[test]
fn memory_forgets_what_was_given_up_or_erased() {
    let given_up = Room {
        id: room(),
        kind: RoomKind::Group,
        subject: None,
        title: None,
        state: RoomState::Open,
        locks_at: None,
        first_seq: Seq::new(11),
        last_seq: Seq::new(11),
        rev: Rev::new(13),
        meta_rev: Rev::new(13),
        participant_count: 2,
        last_message_at: None,
        metadata: None,
        created_at: Timestamp::default(),
    };
    for change in [RoomChange::Reset, RoomChange::Room(Box::new(given_up))] {
        let mut topic = topic(10, &subscriber("ben", 1_000_000));
        topic.accept(said(11, 10), room(), &mut Vec::new());
        topic.accept(said(12, 11), room(), &mut Vec::new());
        topic.accept(encoded(13, change), room(), &mut Vec::new());
        let ann = subscriber("ann", 1_000_000);
        topic.add(ann.clone(), Ticket(2), MEMBER, Rev::new(13));
        assert_eq!(topic.go_live(Ticket(2), at(10), room()), GoLive::NotYet);
        assert_eq!(topic.go_live(Ticket(2), at(12), room()), GoLive::Live);
        assert_eq!(told(&ann).len(), 1);
    }
}

#[test]
fn a_hidden_message_that_moved_pointers_is_left_to_the_store() {
    let mut topic = topic(8, &subscriber("ben", 1_000_000));
    topic.accept(said(9, 8), room(), &mut Vec::new());
    let ann = subscriber("ann", 1_000_000);
    topic.add(ann.clone(), Ticket(2), sees_from(10), Rev::new(10));
    assert_eq!(topic.go_live(Ticket(2), at(8), room()), GoLive::NotYet);
    assert!(told(&ann).is_empty());
}

#[test]
fn who_comes_back_sees_from_where_they_came_back() {
    // Ann was out from 10 to 12; what she is told of before is what she may see now.
    let mut topic = topic(9, &subscriber("ben", 1_000_000));
    let out = participant("ann", 10, 1, ParticipantState::Removed);
    let back = participant("ann", 12, 11, ParticipantState::Active);
    let happened = [
        encoded(10, RoomChange::Participant(Box::new(out))),
        said(11, 3),
        encoded(12, RoomChange::Participant(Box::new(back))),
        said(13, 4),
        said(14, 11),
    ];
    for event in happened {
        topic.accept(event, room(), &mut Vec::new());
    }
    let ann = subscriber("ann", 1_000_000);
    topic.add(ann.clone(), Ticket(2), sees_from(1), Rev::new(9));
    assert_eq!(topic.go_live(Ticket(2), at(9), room()), GoLive::Live);
    let expected = [(10, 9, None), (12, 10, None), (14, 12, Some(11))];
    assert_eq!(told(&ann), expected);
}

#[test]
fn what_is_older_than_the_look_at_the_store_takes_nobody_out() {
    let mut topic = topic(9, &subscriber("ben", 1_000_000));
    let ann = subscriber("ann", 1_000_000);
    // The store was read at 12, where she was back; this hub has not come so far.
    topic.add(ann.clone(), Ticket(2), sees_from(11), Rev::new(12));
    assert_eq!(topic.go_live(Ticket(2), at(12), room()), GoLive::Live);
    let out = participant("ann", 10, 1, ParticipantState::Removed);
    topic.accept(
        encoded(10, RoomChange::Participant(Box::new(out))),
        room(),
        &mut Vec::new(),
    );
    assert!(topic.has(Ticket(2)));
    let out = participant("ann", 13, 11, ParticipantState::Removed);
    for event in [
        said(11, 3),
        said(12, 4),
        encoded(13, RoomChange::Participant(Box::new(out))),
    ] {
        topic.accept(event, room(), &mut Vec::new());
    }
    assert!(!topic.has(Ticket(2)));
}

#[test]
fn nor_does_it_from_memory() {
    let mut topic = topic(9, &subscriber("ben", 1_000_000));
    let out = participant("ann", 10, 1, ParticipantState::Removed);
    let out = encoded(10, RoomChange::Participant(Box::new(out)));
    topic.accept(out, room(), &mut Vec::new());
    topic.accept(said(11, 3), room(), &mut Vec::new());
    let ann = subscriber("ann", 1_000_000);
    topic.add(ann.clone(), Ticket(2), sees_from(11), Rev::new(12));
    assert_eq!(topic.go_live(Ticket(2), at(9), room()), GoLive::Live);
    assert_eq!(topic.sees_from(Ticket(2)), Some(Seq::new(11)));
}

#[test]
fn what_a_change_says_of_a_listener_holds_from_then_on() {
    let (mut topic, ann) = with_newcomer();
    let all = participant("ann", 11, 1, ParticipantState::Active);
    let all = encoded(11, RoomChange::Participant(Box::new(all)));
    topic.accept(all, room(), &mut Vec::new());
    topic.accept(said(12, 3), room(), &mut Vec::new());
    assert_eq!(told(&ann), [(11, 10, None), (12, 11, Some(3))]);
}

#[test]
fn who_sees_less_by_a_read_of_several_changes_reads_alone() {
    let (mut topic, ann) = with_newcomer();
    let back = participant("ann", 14, 13, ParticipantState::Active);
    let mut behind = Vec::new();
    topic.narrow(&back, &mut behind);
    assert_eq!(behind.len(), 1);
    assert_eq!(topic.sees_from(Ticket(2)), Some(Seq::new(13)));
    topic.accept(said(11, 10), room(), &mut behind);
    assert!(told(&ann).is_empty(), "she was out when it was said");
}

#[test]
fn a_room_that_was_set_back_is_loaded_anew() {
    let (mut topic, ann) = with_newcomer();
    topic.claim(Rev::new(20));
    let mut names = 10..;
    let named = topic.set_back(Rev::new(4), room(), || Ticket(names.next().unwrap()));
    assert!(named);
    assert_eq!(told(&ann), [(4, 3, None)], "a reset");
    assert!(!topic.has(Ticket(2)), "who reads for the old name stops");
    assert!(topic.doubtful);
    topic.accept(said(5, 4), room(), &mut Vec::new());
    topic.accept(said(12, 11), room(), &mut Vec::new());
    assert!(told(&ann).is_empty(), "hidden, and early");
    assert!(!topic.set_back(Rev::new(5), room(), || Ticket(99)));
}

#[derive(Debug, Clone, Copy)]
enum Happens {
    Send,
    Edit(u64),
    Receipt,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        3 => Just(Happens::Send),
        3 => (1_u64..20).prop_map(Happens::Edit),
        1 => Just(Happens::Receipt),
    ]
}

/// The changes that follow on `rev` in a room whose newest message is `seq`.
fn history(steps: &[Happens], rev: u64, mut seq: u64) -> Vec<(u64, Option<u64>)> {
    let steps = steps.iter().zip(rev + 1..);
    let changes = steps.map(|(step, rev)| match step {
        Happens::Send => {
            seq += 1;
            (rev, Some(seq))
        }
        Happens::Edit(which) => (rev, Some((*which).min(seq))),
        Happens::Receipt => (rev, None),
    });
    changes.collect()
}

proptest! {
    /// Whatever the order in which changes come, however often she is too slow: each that
    /// is for her once, in order, linked; none of what is not.
    #[test]
    fn a_windowed_listener_is_told_what_is_hers_and_nothing_else(
        steps in proptest::collection::vec(happens(), 1..50),
        from in 1_u64..=10,
        order in any::<u64>(),
        hard in 300_usize..3_000,
    ) {
        let changes = history(&steps, 10, 9);
        let mut topic = topic(10, &subscriber("ben", 1_000_000));
        let ann = subscriber("ann", hard);
        topic.add(ann.clone(), Ticket(2), sees_from(from), Rev::new(10));
        topic.go_live(Ticket(2), at(10), room());
        let mut shuffled = changes.clone();
        shuffled.sort_by_key(|(rev, _)| (rev / 4, (rev ^ order) % 4, *rev));
        let (mut behind, mut heard) = (Vec::new(), Vec::new());
        for (rev, seq) in shuffled {
            let event = seq.map_or_else(|| event(rev, rev - 1), |seq| said(rev, seq));
            topic.accept(event, room(), &mut behind);
            for late in std::mem::take(&mut behind) {
                heard.extend(told(&ann));
                let live = topic.go_live(Ticket(2), late.at, room());
                prop_assert_eq!(live, GoLive::Live);
            }
        }
        heard.extend(told(&ann));
        let mut held = 10;
        for (rev, after, seq) in &heard {
            prop_assert_eq!(*after, held, "before {}", rev);
            prop_assert!(seq.is_none_or(|seq| seq >= from), "{:?} is hidden", seq);
            held = *rev;
        }
        let hers = changes.iter().filter(|(_, seq)| seq.is_none_or(|seq| seq >= from));
        prop_assert_eq!(heard.len(), hers.count());
    }
}
