//! Pushes and errors, encoded from values with fixed ids and times.

use std::time::{Duration, Instant};

use realtime_core::{
    Error, Limits,
    change::Rejection,
    event::{Receipt, RoomChange, RoomEvent, Signal},
    id::{ClientId, MessageId, RoomId, UserId},
    message::{Message, MessageKind, Sender},
    participant::{Participant, ParticipantState, Role},
    ports::{AuthError, Identity, TooFast},
    presence::PresenceState,
    protocol::{self, Encoded, ErrorCode, WireError, decode},
    room::{Metadata, Room, RoomKind, RoomState, Subject},
    seq::{Rev, Seq},
    session::{Effect, Session},
    time::Timestamp,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Produced;

/// 2026-03-01T09:00:00.000Z
pub(crate) const NINE: Timestamp = Timestamp::from_millis(1_772_355_600_000);

/// A UUID of version 7 that ends in this number.
pub(crate) fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x0195_5000_0000_7000_8000_0000_0000_0000 | number)
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(crate) fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn room_id() -> RoomId {
    RoomId::from_uuid(uuid(1))
}

fn later(seconds: u64) -> Timestamp {
    NINE.after(Duration::from_secs(seconds))
}

fn metadata(value: &Value) -> Option<Metadata> {
    value.as_object().cloned()
}

fn message() -> Message {
    Message {
        room: room_id(),
        seq: Seq::new(3),
        rev: Rev::new(5),
        id: MessageId::from_uuid(uuid(13)),
        sender: Sender::User {
            id: user("7"),
            name: Some("Ben".to_owned()),
        },
        client_id: Some(ClientId::parse("b7c1").unwrap()),
        kind: MessageKind::Text,
        body: Some("I am at the door.".to_owned()),
        metadata: None,
        reply_to: None,
        sent_at: later(60),
        edited_at: None,
        deleted_at: None,
    }
}

fn participant() -> Participant {
    Participant {
        room: room_id(),
        user: user("9"),
        name: Some("Cleo".to_owned()),
        role: Role::Observer,
        state: ParticipantState::Active,
        delivered_seq: Seq::new(3),
        read_seq: Seq::new(3),
        muted_until: None,
        rev: Rev::new(6),
        member_rev: Rev::new(6),
        joined_at: later(90),
        visible_from: Seq::FIRST,
        visible_to: None,
    }
}

fn room() -> Room {
    Room {
        id: room_id(),
        kind: RoomKind::Direct,
        subject: Some(Subject::parse("job", "7421").unwrap()),
        title: Some("Cleaning on Monday".to_owned()),
        state: RoomState::Locked,
        locks_at: None,
        first_seq: Seq::FIRST,
        last_seq: Seq::new(3),
        rev: Rev::new(8),
        meta_rev: Rev::new(8),
        participant_count: 2,
        last_message_at: Some(later(60)),
        metadata: metadata(&json!({"city": "Leeds"})),
        created_at: NINE,
    }
}

fn event(rev: u64, after: u64, change: RoomChange) -> Encoded {
    let event = RoomEvent {
        room: room_id(),
        rev: Rev::new(rev),
        after: Rev::new(after),
        change,
    };
    Encoded::new(&event, later(3_600))
}

fn told(message: Message, after: u64) -> Encoded {
    event(
        message.rev.get(),
        after,
        RoomChange::Message(Box::new(message)),
    )
}

/// The pushes that tell of a durable change.
pub(crate) fn changes(produced: &mut Produced) {
    let mut note = |name, line: &str| produced.insert(name, parsed(line));
    let sent = told(message(), 4);
    note("push_message", &sent.public);
    note("push_message_own", sent.for_user(&user("7")));
    let full = Message {
        reply_to: Some(Seq::FIRST),
        metadata: metadata(&json!({"lat": 53.8, "lon": -1.55})),
        ..message()
    };
    note("push_message_after_rev", &told(full, 2).public);
    let system = Message {
        sender: Sender::System,
        client_id: None,
        kind: MessageKind::System,
        body: Some("Ben accepted the job.".to_owned()),
        metadata: metadata(&json!({"code": "job.accepted"})),
        seq: Seq::FIRST,
        rev: Rev::new(2),
        ..message()
    };
    note("push_message_system", &told(system, 1).public);
    let erased = Message {
        sender: Sender::Erased,
        client_id: None,
        body: Some("[removed by the platform]".to_owned()),
        edited_at: Some(later(75)),
        rev: Rev::new(10),
        ..message()
    };
    note("push_message_erased", &told(erased, 9).public);
    let edited = Message {
        body: Some("I am at the back door.".to_owned()),
        edited_at: Some(later(75)),
        rev: Rev::new(6),
        ..message()
    };
    note("push_message_edited", &told(edited, 5).public);
    let deleted = Message {
        body: None,
        deleted_at: Some(later(80)),
        rev: Rev::new(7),
        ..message()
    };
    note("push_message_deleted", &told(deleted, 6).public);
    members(produced);
}

/// The pushes that tell of participants and of the room.
fn members(produced: &mut Produced) {
    let mut note = |name, line: &str| produced.insert(name, parsed(line));
    let receipt = Receipt {
        user: user("42"),
        delivered_seq: Seq::new(3),
        read_seq: Seq::new(2),
    };
    note(
        "push_receipt",
        &event(6, 5, RoomChange::Receipt(receipt)).public,
    );
    let came = RoomChange::Participant(Box::new(participant()));
    note("push_participant_joined", &event(6, 5, came).public);
    let gone = Participant {
        state: ParticipantState::Removed,
        rev: Rev::new(7),
        ..participant()
    };
    let gone = RoomChange::Participant(Box::new(gone));
    note("push_participant_removed", &event(7, 6, gone).public);
    let left = Participant {
        state: ParticipantState::Left,
        visible_to: Some(Seq::new(3)),
        rev: Rev::new(7),
        ..participant()
    };
    let left = RoomChange::Participant(Box::new(left));
    note("push_participant_left", &event(7, 6, left).public);
    let locked = RoomChange::Room(Box::new(room()));
    note("push_room_changed", &event(8, 7, locked).public);
}

/// The other pushes.
pub(crate) fn signals(produced: &mut Produced) {
    let mut note = |name, line: &str| produced.insert(name, parsed(line));
    let typing = |active| {
        let user = user("7");
        protocol::signal(room_id(), &Signal::Typing { user, active })
    };
    note("push_typing", &typing(true));
    note("push_typing_ended", &typing(false));
    let presence = |online, last_seen_at| {
        let user = user("7");
        let state = PresenceState {
            user,
            online,
            last_seen_at,
        };
        protocol::signal(room_id(), &Signal::Presence(state))
    };
    note("push_presence_online", &presence(true, None));
    note("push_presence_offline", &presence(false, Some(later(120))));
    note("push_reset", &protocol::reset(room_id(), Rev::new(9_000)));
    note(
        "push_unsubscribed",
        &protocol::unsubscribed(room_id(), ErrorCode::NotFound),
    );
    let (_, error) = decode(r#"{"send": {}, "edit": {}}"#).unwrap_err();
    note("push_error", &protocol::failure(None, &error));
    let (ping, refresh) = timed();
    note("push_ping", &ping);
    note("push_refresh", &refresh);
}

/// What a session says by itself as time passes: `ping`, then `refresh`.
fn timed() -> (String, String) {
    let limits = Limits::default();
    let start = Instant::now();
    let mut session = Session::new(start, &limits);
    session.expect_connect();
    let identity = Identity {
        expires_at: Some(later(60)),
        ..Identity::of(user("42"))
    };
    session.connected(user("42"), &identity, start, NINE);
    let said = |effects: Vec<Effect>| -> Vec<String> {
        let lines = effects.into_iter().map(|effect| {
            let Effect::Say(line) = effect else {
                panic!("{effect:?}");
            };
            line.to_string()
        });
        lines.collect()
    };
    let refresh = said(session.on_time(start, &limits));
    let ping = said(session.on_time(start + limits.ping_interval, &limits));
    match (&ping[..], &refresh[..]) {
        ([ping], [refresh]) => (ping.clone(), refresh.clone()),
        other => panic!("{other:?}"),
    }
}

/// An error of every code, as it is told in answer to command 7.
pub(crate) fn errors(produced: &mut Produced) {
    for code in ErrorCode::ALL {
        let error = error_of(*code);
        assert_eq!(error.code, *code);
        let name = format!("error_{code}").leak();
        produced.insert(name, parsed(&protocol::failure(Some(7), &error)));
    }
}

/// What an edit is answered that comes too late.
pub(crate) fn too_late(produced: &mut Produced) {
    let error = Error::from(Rejection::TooLate).to_wire();
    let line = protocol::failure(Some(7), &error);
    produced.insert("answer_edit_too_late", parsed(&line));
}

fn error_of(code: ErrorCode) -> WireError {
    let undecoded = |text: &str| decode(text).unwrap_err().1;
    let error: Error = match code {
        ErrorCode::Unauthenticated => AuthError::Invalid("its signature is wrong").into(),
        ErrorCode::TokenExpired => AuthError::Expired.into(),
        ErrorCode::Forbidden => Rejection::Forbidden.into(),
        ErrorCode::NotFound => Rejection::NotFound.into(),
        ErrorCode::BadRequest => return undecoded(r#"{"id": 7, "read": {"room": 4, "seq": 1}}"#),
        ErrorCode::UnknownCommand => return undecoded(r#"{"id": 7, "sned": {}}"#),
        ErrorCode::Conflict => Rejection::Conflict {
            reason: "the message is deleted",
        }
        .into(),
        ErrorCode::ClientIdReused => Rejection::ClientIdReused.into(),
        ErrorCode::RoomLocked => Rejection::RoomLocked.into(),
        ErrorCode::TooLarge => Error::TooLarge {
            field: "body",
            max: 8_192,
        },
        // No content policy exists yet; the word is kept for it.
        ErrorCode::Rejected => return WireError::new(code, "refused by the content policy"),
        ErrorCode::LimitExceeded => Rejection::LimitExceeded {
            what: "rooms",
            max: 1_000,
        }
        .into(),
        ErrorCode::RateLimited => TooFast {
            retry_after: Duration::from_millis(1_200),
        }
        .into(),
        ErrorCode::Busy => Error::Busy {
            retry_after: Duration::from_millis(250),
        },
        ErrorCode::Timeout => Error::Timeout,
        ErrorCode::Internal => Error::Internal("a table".into()),
        other => panic!("no example of {other}"),
    };
    error.to_wire()
}
