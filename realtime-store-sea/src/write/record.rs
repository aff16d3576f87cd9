//! The values of rows, in the order of the columns that each list names.

use realtime_core::{
    message::MessageKind, participant::Participant, room::Room, seq::Seq, time::Timestamp,
};
use sea_orm::Value;

use super::ledger::{MessageRow, RoomRow, Seat};
use crate::{
    codes::{Code, stored},
    rows::{json, stored_seq},
};

pub(super) const ROOM: [&str; 17] = [
    "id",
    "kind",
    "subject_type",
    "subject_id",
    "title",
    "state",
    "locks_at",
    "first_seq",
    "last_seq",
    "last_rev",
    "meta_rev",
    "receipt_rev",
    "participant_count",
    "last_message_at",
    "metadata",
    "created_at",
    "updated_at",
];

pub(super) fn whole_room(row: &RoomRow, now: i64) -> [Value; 17] {
    let room = &row.room;
    let subject = room.subject.as_ref();
    [
        room.id.as_uuid().into(),
        room.kind.code().into(),
        subject.map(|subject| subject.kind.clone()).into(),
        subject.map(|subject| subject.id.clone()).into(),
        room.title.clone().into(),
        room.state.code().into(),
        millis(room.locks_at),
        position(room.first_seq),
        position(room.last_seq),
        stored(room.rev.get()).into(),
        stored(room.meta_rev.get()).into(),
        stored(row.receipt_rev.get()).into(),
        i64::from(room.participant_count).into(),
        millis(room.last_message_at),
        json(room.metadata.as_ref()).into(),
        room.created_at.as_millis().into(),
        now.into(),
    ]
}

pub(super) const ROOM_HEADS: [&str; 8] = [
    "id",
    "last_seq",
    "last_rev",
    "meta_rev",
    "receipt_rev",
    "participant_count",
    "last_message_at",
    "updated_at",
];

pub(super) fn room_heads(row: &RoomRow, now: i64) -> [Value; 8] {
    let room = &row.room;
    [
        room.id.as_uuid().into(),
        position(room.last_seq),
        stored(room.rev.get()).into(),
        stored(room.meta_rev.get()).into(),
        stored(row.receipt_rev.get()).into(),
        i64::from(room.participant_count).into(),
        millis(room.last_message_at),
        now.into(),
    ]
}

pub(super) const ROOM_FACE: [&str; 5] = ["id", "title", "state", "locks_at", "metadata"];

pub(super) fn room_face(room: &Room) -> [Value; 5] {
    [
        room.id.as_uuid().into(),
        room.title.clone().into(),
        room.state.code().into(),
        millis(room.locks_at),
        json(room.metadata.as_ref()).into(),
    ]
}

pub(super) const SEAT: [&str; 13] = [
    "room_id",
    "user_id",
    "role",
    "state",
    "delivered_seq",
    "read_seq",
    "delivered_at",
    "read_at",
    "muted_until",
    "rev",
    "member_rev",
    "joined_at",
    "left_at",
];

pub(super) fn whole_seat(seat: &Seat, number: i64) -> [Value; 13] {
    let one = &seat.participant;
    [
        one.room.as_uuid().into(),
        number.into(),
        one.role.code().into(),
        one.state.code().into(),
        position(one.delivered_seq),
        position(one.read_seq),
        millis(seat.delivered_at),
        millis(seat.read_at),
        millis(one.muted_until),
        stored(one.rev.get()).into(),
        stored(one.member_rev.get()).into(),
        one.joined_at.as_millis().into(),
        millis(seat.left_at),
    ]
}

/// None of these columns is in an index.
pub(super) const SEAT_POINTERS: [&str; 7] = [
    "room_id",
    "user_id",
    "delivered_seq",
    "read_seq",
    "delivered_at",
    "read_at",
    "rev",
];

pub(super) fn seat_pointers(seat: &Seat, number: i64) -> [Value; 7] {
    let one = &seat.participant;
    [
        one.room.as_uuid().into(),
        number.into(),
        position(one.delivered_seq),
        position(one.read_seq),
        millis(seat.delivered_at),
        millis(seat.read_at),
        stored(one.rev.get()).into(),
    ]
}

pub(super) const SEAT_MEMBERSHIP: [&str; 7] = [
    "room_id",
    "user_id",
    "role",
    "state",
    "member_rev",
    "joined_at",
    "left_at",
];

pub(super) fn seat_membership(seat: &Seat, number: i64) -> [Value; 7] {
    let Participant {
        room,
        role,
        state,
        member_rev,
        joined_at,
        ..
    } = &seat.participant;
    [
        room.as_uuid().into(),
        number.into(),
        role.code().into(),
        state.code().into(),
        stored(member_rev.get()).into(),
        joined_at.as_millis().into(),
        millis(seat.left_at),
    ]
}

pub(super) const MESSAGE: [&str; 16] = [
    "room_id",
    "seq",
    "rev",
    "sent_rev",
    "id",
    "sender_id",
    "kind",
    "counts",
    "client_id",
    "fingerprint",
    "reply_to_seq",
    "sent_at",
    "edited_at",
    "deleted_at",
    "body",
    "payload",
];

pub(super) fn whole_message(row: &MessageRow) -> [Value; 16] {
    let message = &*row.message;
    let counts = match message.kind {
        MessageKind::Text => true,
        MessageKind::System => false,
    };
    [
        message.room.as_uuid().into(),
        position(message.seq),
        stored(message.rev.get()).into(),
        stored(row.sent_rev.get()).into(),
        message.id.as_uuid().into(),
        row.sender.into(),
        message.kind.code().into(),
        counts.into(),
        message
            .client_id
            .as_ref()
            .map(|id| id.as_str().to_owned())
            .into(),
        row.fingerprint.into(),
        stored_seq(message.reply_to).into(),
        message.sent_at.as_millis().into(),
        millis(message.edited_at),
        millis(message.deleted_at),
        message.body.clone().into(),
        json(message.metadata.as_ref()).into(),
    ]
}

pub(super) const MESSAGE_TEXT: [&str; 7] = [
    "room_id",
    "seq",
    "rev",
    "edited_at",
    "deleted_at",
    "body",
    "payload",
];

pub(super) fn message_text(row: &MessageRow) -> [Value; 7] {
    let message = &*row.message;
    [
        message.room.as_uuid().into(),
        position(message.seq),
        stored(message.rev.get()).into(),
        millis(message.edited_at),
        millis(message.deleted_at),
        message.body.clone().into(),
        json(message.metadata.as_ref()).into(),
    ]
}

fn position(seq: Seq) -> Value {
    stored(seq.get()).into()
}

fn millis(time: Option<Timestamp>) -> Value {
    time.map(Timestamp::as_millis).into()
}
