//! Writes what became of a ledger, one statement a kind of row and fate.

use realtime_core::store::StoreError;
use sea_orm::{ConnectionTrait, Statement, Value};

use super::{
    ledger::{EventRow, Fate, Ledger, MessageRow},
    record::{
        MESSAGE, MESSAGE_TEXT, ROOM, ROOM_FACE, ROOM_HEADS, SEAT, SEAT_MEMBERSHIP, SEAT_POINTERS,
        message_text, room_face, room_heads, seat_membership, seat_pointers, whole_message,
        whole_room, whole_seat,
    },
};
use crate::{
    codes::stored,
    dialect::{Dialect, Rows},
    entity::event::{EVENT, KEY},
    error::{damaged, failed},
    rows::stored_seq,
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
    async fn run(&mut self, statements: impl Iterator<Item = Statement>) -> Result<(), StoreError> {
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
        self.run(self.dialect.update("rt_message", 2, changed))
            .await
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
