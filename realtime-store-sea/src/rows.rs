//! Rows into the words of the domain. Whatever cannot be is damage.

use realtime_core::{
    id::{ClientId, MessageId, RoomId, UserId},
    message::{Message, Sender},
    participant::Participant,
    room::{Metadata, Room, Subject},
    seq::Seq,
    store::{Edition, StoreError},
    time::Timestamp,
};
use sea_orm::{DbErr, QueryResult, TryGetable};

use crate::{
    codes::{self, Code},
    entity::{
        self,
        user::{ERASED, PLATFORM},
    },
    error::{damaged, failed},
};

/// The columns of a row, taken one after another: by place, which costs nothing,
/// rather than by name.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl<'a> Columns<'a> {
    pub(crate) const fn of(row: &'a QueryResult) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn next<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let value = self.row.try_get_by_index(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// As [`Columns::next`], for who goes on with the domain.
    pub(crate) fn take<T: TryGetable>(&mut self) -> Result<T, StoreError> {
        self.next().map_err(failed)
    }
}

/// The single value of a single row, if there is one.
pub(crate) fn single<T: TryGetable>(row: Option<QueryResult>) -> Result<Option<T>, StoreError> {
    row.map(|row| Columns::of(&row).take()).transpose()
}

pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn user_id(external: Option<&str>) -> Result<UserId, StoreError> {
    let text = external.ok_or_else(|| damaged("a user without an id is referred to"))?;
    UserId::parse(text).map_err(|error| damaged(format!("a user's id {error}")))
}

/// JSON as it is stored.
pub(crate) fn json(metadata: Option<&Metadata>) -> Option<String> {
    metadata.map(|map| serde_json::Value::Object(map.clone()).to_string())
}

fn metadata(text: Option<&str>) -> Result<Option<Metadata>, StoreError> {
    text.map(serde_json::from_str)
        .transpose()
        .map_err(|error| damaged(format!("metadata is not a JSON object: {error}")))
}

pub(crate) fn room(row: entity::room::Model) -> Result<Room, StoreError> {
    let subject = match (row.subject_type, row.subject_id) {
        (Some(kind), Some(id)) => Some(Subject { kind, id }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(damaged("half a subject")),
    };
    Ok(Room {
        id: RoomId::from_uuid(row.id),
        kind: Code::decode(row.kind)?,
        subject,
        title: row.title,
        state: Code::decode(row.state)?,
        locks_at: row.locks_at.map(time),
        first_seq: codes::seq(row.first_seq)?,
        last_seq: codes::seq(row.last_seq)?,
        rev: codes::rev(row.last_rev)?,
        meta_rev: codes::rev(row.meta_rev)?,
        participant_count: u32::try_from(row.participant_count)
            .map_err(|_| damaged("a room's participant count is out of range"))?,
        last_message_at: row.last_message_at.map(time),
        metadata: metadata(row.metadata.as_deref())?,
        created_at: time(row.created_at),
    })
}

pub(crate) fn participant(
    row: &entity::participant::Model,
    user: UserId,
    name: Option<String>,
) -> Result<Participant, StoreError> {
    Ok(Participant {
        room: RoomId::from_uuid(row.room_id),
        user,
        name,
        role: Code::decode(row.role)?,
        state: Code::decode(row.state)?,
        delivered_seq: codes::seq(row.delivered_seq)?,
        read_seq: codes::seq(row.read_seq)?,
        muted_until: row.muted_until.map(time),
        rev: codes::rev(row.rev)?,
        member_rev: codes::rev(row.member_rev)?,
        joined_at: time(row.joined_at),
        visible_from: codes::seq(row.visible_from_seq)?,
        visible_to: row.visible_to_seq.map(codes::seq).transpose()?,
    })
}

/// Reads the participant's columns, then the user's id and name.
pub(crate) fn named_participant(columns: &mut Columns<'_>) -> Result<Participant, StoreError> {
    let row = entity::participant::Model::read(columns).map_err(failed)?;
    let external: Option<String> = columns.take()?;
    participant(&row, user_id(external.as_deref())?, columns.take()?)
}

/// Reads the message's columns, then the [sender's](entity::user::SENDER).
pub(crate) fn sent_message(
    columns: &mut Columns<'_>,
) -> Result<(Message, entity::message::Model), StoreError> {
    let mut row = entity::message::Model::read(columns).map_err(failed)?;
    let external: Option<String> = columns.take()?;
    let name = columns.take()?;
    let state: Option<i16> = columns.take()?;
    let sender = if row.sender_id == PLATFORM {
        Sender::System
    } else if state == Some(ERASED) {
        // It leads to who they were.
        row.client_id = None;
        Sender::Erased
    } else {
        let id = user_id(external.as_deref())?;
        Sender::User { id, name }
    };
    Ok((message(&mut row, sender)?, row))
}

fn message(row: &mut entity::message::Model, sender: Sender) -> Result<Message, StoreError> {
    Ok(Message {
        room: RoomId::from_uuid(row.room_id),
        seq: codes::seq(row.seq)?,
        rev: codes::rev(row.rev)?,
        id: MessageId::from_uuid(row.id),
        sender,
        client_id: client_id(row.client_id.as_deref())?,
        kind: Code::decode(row.kind)?,
        body: row.body.take(),
        metadata: metadata(row.payload.as_deref())?,
        reply_to: row.reply_to_seq.map(codes::seq).transpose()?,
        sent_at: time(row.sent_at),
        edited_at: row.edited_at.map(time),
        deleted_at: row.deleted_at.map(time),
    })
}

fn client_id(text: Option<&str>) -> Result<Option<ClientId>, StoreError> {
    text.map(ClientId::parse)
        .transpose()
        .map_err(|error| damaged(format!("a client_id {error}")))
}

/// What a message said before, and which.
pub(crate) fn edition(row: entity::edition::Model) -> Result<(Seq, Edition), StoreError> {
    let edition = Edition {
        rev: codes::rev(row.rev)?,
        body: row.body,
        metadata: metadata(row.payload.as_deref())?,
        written_at: time(row.written_at),
        replaced_at: time(row.replaced_at),
    };
    Ok((codes::seq(row.seq)?, edition))
}

/// A position that may be absent, as databases store it.
pub(crate) fn stored_seq(seq: Option<Seq>) -> Option<i64> {
    seq.map(|seq| codes::stored(seq.get()))
}
