use super::*;
use crate::{
    change::NewIds,
    id::UuidV7,
    message::{MessageKind, Sender},
    participant::{ParticipantState, Role},
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
    }
}

/// What is told after a `rev`, in short; each event must follow the one before.
fn told(after: u64, set: ChangeSet) -> Vec<(u64, String)> {
    let mut last = Rev::new(after);
    let events = set.into_events(last).into_iter();
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
