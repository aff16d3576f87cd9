//! The values of rows, in the order of the columns that each list names.

use std::ops::Range;

use realtime_core::{
    change::Legacy,
    id::{RoomId, UserId},
    message::MessageKind,
    participant::Participant,
    room::Room,
    seq::Seq,
    store::Edition,
    time::Timestamp,
};
use sea_orm::Value;

use super::ledger::{MessageRow, RoomRow, Seat, UserRow};
use crate::{
    codes::{Code, stored},
    entity::{
        chore::{PURGE, SCRUB},
        user::ERASED,
    },
    rows::{json, stored_seq},
};

/// The id is given by the database.
pub(super) const USER: [&str; 5] = [
    "external_id",
    "display_name",
    "last_rev",
    "created_at",
    "updated_at",
];

pub(super) fn whole_user(user: &UserId, row: &UserRow, now: i64) -> [Value; 5] {
    [
        user.as_str().into(),
        row.name.clone().into(),
        stored(row.rev.get()).into(),
        now.into(),
        now.into(),
    ]
}

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

pub(super) const ROOM_FACE: [&str; 6] =
    ["id", "title", "state", "locks_at", "metadata", "first_seq"];

pub(super) fn room_face(room: &Room) -> [Value; 6] {
    [
        room.id.as_uuid().into(),
        room.title.clone().into(),
        room.state.code().into(),
        millis(room.locks_at),
        json(room.metadata.as_ref()).into(),
        position(room.first_seq),
    ]
}

pub(super) const SEAT: [&str; 15] = [
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
    "visible_from_seq",
    "visible_to_seq",
];

pub(super) fn whole_seat(seat: &Seat, number: i64) -> [Value; 15] {
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
        position(one.visible_from),
        stored_seq(one.visible_to).into(),
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

pub(super) const SEAT_MEMBERSHIP: [&str; 9] = [
    "room_id",
    "user_id",
    "role",
    "state",
    "member_rev",
    "joined_at",
    "left_at",
    "visible_from_seq",
    "visible_to_seq",
];

pub(super) fn seat_membership(seat: &Seat, number: i64) -> [Value; 9] {
    let Participant {
        room,
        role,
        state,
        member_rev,
        joined_at,
        visible_from,
        visible_to,
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
        position(*visible_from),
        stored_seq(*visible_to).into(),
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

/// The sender's number may be another than the row's, who was new when it was made.
pub(super) fn whole_message(row: &MessageRow, sender: i64) -> [Value; 16] {
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
        sender.into(),
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

pub(super) const EDITION: [&str; 7] = [
    "room_id",
    "seq",
    "rev",
    "written_at",
    "replaced_at",
    "body",
    "payload",
];

pub(super) fn whole_edition(room: RoomId, seq: Seq, edition: &Edition) -> [Value; 7] {
    [
        room.as_uuid().into(),
        position(seq),
        stored(edition.rev.get()).into(),
        edition.written_at.as_millis().into(),
        edition.replaced_at.as_millis().into(),
        edition.body.clone().into(),
        json(edition.metadata.as_ref()).into(),
    ]
}

pub(super) const CHORE: [&str; 7] = [
    "kind",
    "room_id",
    "user_id",
    "legacy",
    "from_seq",
    "to_seq",
    "created_at",
];

/// Messages of a room that are to go.
pub(super) fn purge(room: RoomId, range: &Range<Seq>, now: i64) -> [Value; 7] {
    [
        PURGE.into(),
        room.as_uuid().into(),
        None::<i64>.into(),
        None::<i16>.into(),
        position(range.start),
        position(range.end),
        now.into(),
    ]
}

/// Somebody who is to be taken out of their rooms.
pub(super) fn scrub(number: i64, legacy: Legacy, now: i64) -> [Value; 7] {
    [
        SCRUB.into(),
        None::<uuid::Uuid>.into(),
        number.into(),
        legacy.code().into(),
        None::<i64>.into(),
        None::<i64>.into(),
        now.into(),
    ]
}

/// Nobody finds them any more.
pub(super) const ERASURE: [&str; 6] = [
    "id",
    "external_id",
    "display_name",
    "last_seen_at",
    "state",
    "updated_at",
];

pub(super) fn erasure(number: i64, now: i64) -> [Value; 6] {
    [
        number.into(),
        None::<String>.into(),
        None::<String>.into(),
        None::<i64>.into(),
        ERASED.into(),
        now.into(),
    ]
}

fn position(seq: Seq) -> Value {
    stored(seq.get()).into()
}

fn millis(time: Option<Timestamp>) -> Value {
    time.map(Timestamp::as_millis).into()
}
