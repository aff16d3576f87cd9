use super::*;
use crate::{
    change::NewIds,
    id::UuidV7,
    message::{MessageKind, Sender},
    participant::{ParticipantState, Role, Visible},
    room::RoomKind,
};

fn room_at(meta_rev: u64) -> Room {
    Room {
        id: RoomId::from_uuid(uuid::Uuid::nil()),
        kind: RoomKind::Group,
        subject: None,
        title: None,
        state: RoomState::Open,
        locks_at: None,
        first_seq: Seq::FIRST,
        last_seq: Seq::ZERO,
        rev: Rev::new(99),
        meta_rev: Rev::new(meta_rev),
        participant_count: 2,
        last_message_at: None,
        metadata: None,
        created_at: Timestamp::default(),
    }
}

fn message_at(rev: u64) -> Message {
    Message {
        room: room_at(1).id,
        seq: Seq::new(rev),
        rev: Rev::new(rev),
        id: UuidV7.message(),
        sender: Sender::System,
        client_id: None,
        kind: MessageKind::Text,
        body: None,
        metadata: None,
        reply_to: None,
        sent_at: Timestamp::default(),
        edited_at: None,
        deleted_at: None,
    }
}

fn person(name: &str, member_rev: u64, rev: u64) -> Participant {
    Participant {
        room: room_at(1).id,
        user: UserId::parse(name).unwrap(),
        name: None,
        role: Role::Member,
        state: ParticipantState::Active,
        delivered_seq: Seq::ZERO,
        read_seq: Seq::ZERO,
        muted_until: None,
        rev: Rev::new(rev),
        member_rev: Rev::new(member_rev),
        joined_at: Timestamp::default(),
        visible_from: Seq::FIRST,
        visible_to: None,
    }
}

/// What is told after a `rev`, in short; each event must follow the one before.
fn told(after: u64, set: ChangeSet) -> Vec<(u64, String)> {
    let mut last = Rev::new(after);
    let events = set.into_events(room_at(1).id, last).into_iter();
    events
        .map(|event| {
            assert_eq!(event.after, last);
            assert!(event.rev > last, "each rev once");
            last = event.rev;
            let what = match event.change {
                RoomChange::Message(_) => "message".to_owned(),
                RoomChange::Receipt(receipt) => format!("{}'s receipt", receipt.user),
                RoomChange::Participant(one) => format!("{} joined", one.user),
                RoomChange::Room(_) => "room".to_owned(),
                RoomChange::Reset => "reset".to_owned(),
            };
            (event.rev.get(), what)
        })
        .collect()
}

fn set(messages: &[u64], participants: Vec<Participant>, room: Option<u64>) -> ChangeSet {
    ChangeSet {
        messages: messages.iter().copied().map(message_at).collect(),
        participants,
        room: room.map(room_at),
        rev: Rev::new(99),
        complete: true,
        reset: false,
    }
}

fn expect(told: &[(u64, String)], expected: &[(u64, &str)]) {
    let told: Vec<_> = told
        .iter()
        .map(|(rev, what)| (*rev, what.as_str()))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn who_was_there_from_the_opening_on_is_told_with_the_room() {
    let people = || vec![person("ann", 1, 1), person("ben", 1, 1)];
    expect(&told(0, set(&[], people(), Some(1))), &[(1, "room")]);
    let described = told(0, set(&[2], people(), Some(3)));
    expect(&described, &[(2, "message"), (3, "room")]);
    let spoken = vec![person("ann", 1, 2), person("ben", 1, 1)];
    let spoken = told(0, set(&[2], spoken, Some(3)));
    expect(&spoken, &[(2, "message"), (3, "room")]);
    let another_page = told(0, set(&[2], people(), None));
    expect(&another_page, &[(2, "message")]);
}

#[test]
fn a_membership_is_told_to_whom_it_is_new() {
    let joined_at_3 = || vec![person("ann", 3, 5)];
    let new = told(2, set(&[], joined_at_3(), None));
    expect(&new, &[(5, "ann joined")]);
    let known = told(3, set(&[], joined_at_3(), None));
    expect(&known, &[(5, "ann's receipt")]);
}

#[test]
fn pointers_that_a_message_moved_are_told_before_it() {
    let people = vec![person("ann", 1, 5)];
    let superseded_at_3 = told(1, set(&[2, 4, 5], people.clone(), None));
    let expected = [
        (2, "message"),
        (3, "ann's receipt"),
        (4, "message"),
        (5, "message"),
    ];
    expect(&superseded_at_3, &expected);
    let nothing_superseded = told(3, set(&[4, 5], people, None));
    expect(&nothing_superseded, &[(4, "message"), (5, "message")]);
}

/// Ann joined while the room was large, and her pointer moved without a `rev`; Ben
/// wrote before her. Her place must not be his.
#[test]
fn nobody_takes_the_place_of_a_newcomer() {
    let people = vec![person("ben", 1, 4), person("ann", 3, 5)];
    let caught_up = told(2, set(&[4, 5], people, None));
    let expected = [(3, "ann joined"), (4, "message"), (5, "message")];
    expect(&caught_up, &expected);
}

/// Ann joined within the page, and moved a pointer after it.
#[test]
fn who_joined_is_told_where_they_did() {
    let page = ChangeSet {
        rev: Rev::new(4),
        complete: false,
        ..set(&[4], vec![person("ann", 3, 9)], None)
    };
    expect(&told(2, page), &[(3, "ann joined"), (4, "message")]);
}

#[test]
fn a_reset_is_all_that_is_told() {
    let reset = ChangeSet {
        rev: Rev::new(7),
        complete: true,
        reset: true,
        ..ChangeSet::default()
    };
    expect(&told(2, reset), &[(7, "reset")]);
}

fn range(from: u64, to: Option<u64>) -> Visible {
    Visible {
        from: Seq::new(from),
        to: to.map(Seq::new),
    }
}

#[test]
fn ranges_meet_where_they_share_a_place() {
    for (one, other, meet) in [
        (range(1, Some(5)), range(5, None), true),
        (range(1, Some(5)), range(6, None), false),
        (range(1, None), range(9, None), true),
        (range(3, Some(4)), range(1, Some(2)), false),
        (range(3, Some(4)), range(1, Some(3)), true),
    ] {
        assert_eq!(one.meets(other), meet, "{one:?}, {other:?}");
        assert_eq!(other.meets(one), meet, "{other:?}, {one:?}");
    }
    let range = range(2, Some(4));
    let seen: Vec<u64> = (0..6).filter(|seq| range.has(Seq::new(*seq))).collect();
    assert_eq!(seen, [2, 3, 4]);
}

/// What somebody sees of a room of ten messages whose first two are no longer kept.
fn seen_by(me: Participant, last: u64) -> Option<RoomView> {
    let room = Room {
        first_seq: Seq::new(3),
        last_seq: Seq::new(10),
        ..room_at(1)
    };
    let unread = Unread {
        count: 3,
        capped: true,
    };
    let read_all = Participant {
        read_seq: Seq::new(10),
        delivered_seq: Seq::new(10),
        ..person("ben", 1, 90)
    };
    let late = Participant {
        visible_from: Seq::new(6),
        ..person("cleo", 5, 5)
    };
    let last = Some(message_at(last));
    RoomView::of(room, me, unread, vec![read_all, late], last)
}

#[test]
fn a_view_is_of_what_is_visible() {
    let whole = seen_by(person("ann", 4, 8), 10).unwrap();
    assert_eq!(
        (whole.room.first_seq, whole.room.last_seq),
        (Seq::new(3), Seq::new(10))
    );
    assert_eq!((whole.room.rev, whole.unread.count), (Rev::new(99), 3));
    assert_eq!(whole.participants.len(), 2);
    assert!(whole.last_message.is_some());

    let late = Participant {
        visible_from: Seq::new(11),
        ..person("ann", 4, 8)
    };
    let late = seen_by(late, 10).unwrap();
    assert_eq!(
        (late.room.first_seq, late.room.last_seq),
        (Seq::new(11), Seq::new(10))
    );
    assert_eq!(late.last_message, None);

    let left = Participant {
        state: ParticipantState::Left,
        visible_to: Some(Seq::new(5)),
        ..person("ann", 40, 40)
    };
    let view = seen_by(left.clone(), 5).unwrap();
    assert_eq!(
        (view.room.first_seq, view.room.last_seq),
        (Seq::new(3), Seq::new(5))
    );
    assert_eq!(
        (view.room.rev, view.unread),
        (Rev::new(40), Unread::default())
    );
    let [ben] = view.participants.as_slice() else {
        panic!("{:?}", view.participants);
    };
    assert_eq!(
        (ben.read_seq, ben.delivered_seq),
        (Seq::new(5), Seq::new(5))
    );
    assert!(view.last_message.is_some());
    assert_eq!(seen_by(left.clone(), 6).unwrap().last_message, None);

    let removed = Participant {
        state: ParticipantState::Removed,
        visible_to: None,
        ..left
    };
    assert_eq!(seen_by(removed, 5), None);
}
