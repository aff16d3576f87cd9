//! Writes what became of a ledger, one statement a kind of row and fate.

use realtime_core::{
    message::MessageKind,
    participant::Participant,
    room::Room,
    seq::Seq,
    store::StoreError,
    time::Timestamp,
};
use sea_orm::{ConnectionTrait, Statement, Value};

use super::ledger::{EventRow, Fate, Ledger, MessageRow, RoomRow, Seat};
use crate::{
    codes::{Code, stored},
    dialect::{Dialect, Rows},
    entity::event::{EVENT, KEY},
    error::{damaged, failed},
    rows::{json, stored_seq},
};

/// Writes all that changed; answers whether that was anything.
pub(super) async fn flush(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    ledger: &Ledger<'_>,
) -> Result<bool, StoreError> {
    let mut writer = Writer {
        db,
        dialect,
        now: ledger.now.as_millis(),
        wrote: false,
    };
    writer.users(ledger).await?;
    writer.rooms(ledger).await?;
    writer.seats(ledger).await?;
    writer.messages(ledger).await?;
    writer.events(ledger).await?;
    Ok(writer.wrote)
}

struct Writer<'a, C> {
    db: &'a C,
    dialect: Dialect,
    now: i64,
    wrote: bool,
}

impl<C: ConnectionTrait> Writer<'_, C> {
    async fn run(
        &mut self,
        statements: impl Iterator<Item = Statement>,
    ) -> Result<(), StoreError> {
        for statement in statements {
            self.db.execute_raw(statement).await.map_err(failed)?;
            self.wrote = true;
        }
        Ok(())
    }

    async fn users(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut new = Rows::new([
            "id",
            "external_id",
            "display_name",
            "last_rev",
            "created_at",
            "updated_at",
        ]);
        let mut changed = Rows::new(["id", "display_name", "last_rev", "updated_at"]);
        for (user, row) in &ledger.users {
            let (number, name) = (row.number.into(), row.name.clone().into());
            let (rev, now) = (stored(row.rev.get()).into(), Value::from(self.now));
            match row.fate {
                Fate::Stored => {}
                Fate::Moved | Fate::Changed => changed.push([number, name, rev, now]),
                Fate::New => {
                    new.push([number, user.as_str().into(), name, rev, now.clone(), now]);
                }
            }
        }
        self.run(self.dialect.insert("rt_user", new)).await?;
        self.run(self.dialect.update("rt_user", 1, changed)).await
    }

    async fn rooms(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut new = Rows::new(ROOM);
        let mut moved = Rows::new(ROOM_HEADS);
        let mut changed = Rows::new(ROOM_FACE);
        for row in ledger.rooms.values() {
            if row.fate == Fate::New {
                new.push(whole_room(row, self.now));
            }
            if matches!(row.fate, Fate::Moved | Fate::Changed) {
                moved.push(room_heads(row, self.now));
            }
            if row.fate == Fate::Changed {
                changed.push(room_face(&row.room));
            }
        }
        self.run(self.dialect.insert("rt_room", new)).await?;
        self.run(self.dialect.update("rt_room", 1, moved)).await?;
        self.run(self.dialect.update("rt_room", 1, changed)).await
    }

    async fn seats(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut new = Rows::new(SEAT);
        let mut moved = Rows::new(SEAT_POINTERS);
        let mut changed = Rows::new(SEAT_MEMBERSHIP);
        for seat in ledger.seats.values() {
            if seat.fate == Fate::Stored {
                continue;
            }
            let number = ledger
                .users
                .get(&seat.participant.user)
                .map(|user| user.number)
                .ok_or_else(|| damaged("a participant without a user"))?;
            if seat.fate == Fate::New {
                new.push(whole_seat(seat, number));
                continue;
            }
            moved.push(seat_pointers(seat, number));
            if seat.fate == Fate::Changed {
                changed.push(seat_membership(seat, number));
            }
        }
        const TABLE: &str = "rt_participant";
        self.run(self.dialect.insert(TABLE, new)).await?;
        self.run(self.dialect.update(TABLE, 2, moved)).await?;
        self.run(self.dialect.update(TABLE, 2, changed)).await
    }

    async fn messages(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut written: Vec<&MessageRow> = ledger
            .messages
            .values()
            .filter(|row| row.fate != Fate::Stored)
            .collect();
        written.sort_unstable_by_key(|row| (row.message.room, row.message.seq));
        let mut new = Rows::new(MESSAGE);
        let mut changed = Rows::new(MESSAGE_TEXT);
        for row in written {
            match row.fate {
                Fate::New => new.push(whole_message(row)),
                Fate::Stored | Fate::Moved | Fate::Changed => changed.push(message_text(row)),
            }
        }
        self.run(self.dialect.insert("rt_message", new)).await?;
        self.run(self.dialect.update("rt_message", 2, changed)).await
    }

    async fn events(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut new = Rows::new(["kind", "id", "fingerprint", "room_id", "seq", "created_at"]);
        for (kind, names) in [(EVENT, &ledger.events), (KEY, &ledger.keys)] {
            for (id, row) in names.iter().filter(|(_, row)| row.fate == Fate::New) {
                let EventRow {
                    fingerprint,
                    room,
                    seq,
                    ..
                } = *row;
                new.push([
                    kind.into(),
                    id.as_str().into(),
                    fingerprint.into(),
                    room.as_uuid().into(),
                    stored_seq(seq).into(),
                    self.now.into(),
                ]);
            }
        }
        self.run(self.dialect.insert("rt_event", new)).await
    }
}

const ROOM: [&str; 17] = [
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

fn whole_room(row: &RoomRow, now: i64) -> [Value; 17] {
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

const ROOM_HEADS: [&str; 8] = [
    "id",
    "last_seq",
    "last_rev",
    "meta_rev",
    "receipt_rev",
    "participant_count",
    "last_message_at",
    "updated_at",
];

fn room_heads(row: &RoomRow, now: i64) -> [Value; 8] {
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

const ROOM_FACE: [&str; 5] = ["id", "title", "state", "locks_at", "metadata"];

fn room_face(room: &Room) -> [Value; 5] {
    [
        room.id.as_uuid().into(),
        room.title.clone().into(),
        room.state.code().into(),
        millis(room.locks_at),
        json(room.metadata.as_ref()).into(),
    ]
}

const SEAT: [&str; 13] = [
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

fn whole_seat(seat: &Seat, number: i64) -> [Value; 13] {
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
const SEAT_POINTERS: [&str; 7] = [
    "room_id",
    "user_id",
    "delivered_seq",
    "read_seq",
    "delivered_at",
    "read_at",
    "rev",
];

fn seat_pointers(seat: &Seat, number: i64) -> [Value; 7] {
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

const SEAT_MEMBERSHIP: [&str; 7] = [
    "room_id",
    "user_id",
    "role",
    "state",
    "member_rev",
    "joined_at",
    "left_at",
];

fn seat_membership(seat: &Seat, number: i64) -> [Value; 7] {
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

const MESSAGE: [&str; 16] = [
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

fn whole_message(row: &MessageRow) -> [Value; 16] {
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
        message.client_id.as_ref().map(|id| id.as_str().to_owned()).into(),
        row.fingerprint.into(),
        stored_seq(message.reply_to).into(),
        message.sent_at.as_millis().into(),
        millis(message.edited_at),
        millis(message.deleted_at),
        message.body.clone().into(),
        json(message.metadata.as_ref()).into(),
    ]
}

const MESSAGE_TEXT: [&str; 7] = [
    "room_id",
    "seq",
    "rev",
    "edited_at",
    "deleted_at",
    "body",
    "payload",
];

fn message_text(row: &MessageRow) -> [Value; 7] {
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
