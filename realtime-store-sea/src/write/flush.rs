//! Writes what became of a ledger, one statement a kind of row and fate.

use std::collections::HashMap;

use realtime_core::{id::UserId, store::StoreError};
use sea_orm::{ConnectionTrait, Statement, Value};

use super::{
    ledger::{EventRow, Fate, Ledger, MessageRow, UserRow},
    record::{
        CHORE, EDITION, ERASURE, MESSAGE, MESSAGE_TEXT, ROOM, ROOM_FACE, ROOM_HEADS, SEAT,
        SEAT_MEMBERSHIP, SEAT_POINTERS, USER, erasure, message_text, purge, room_face, room_heads,
        scrub, seat_membership, seat_pointers, whole_edition, whole_message, whole_room,
        whole_seat, whole_user,
    },
};
use crate::{
    codes::stored,
    dialect::{Dialect, Rows},
    entity::event::{EVENT, KEY},
    error::damaged,
    query::Query,
    read::changes::place,
    rows::{Columns, stored_seq},
};

/// Writes all that changed; answers whether that was anything. People who are new have
/// their numbers afterwards.
pub(super) async fn flush(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    ledger: &mut Ledger<'_>,
) -> Result<bool, StoreError> {
    let mut writer = Writer {
        query: Query { db, dialect },
        now: ledger.now.as_millis(),
        numbers: HashMap::new(),
        wrote: false,
    };
    writer.new_users(ledger).await?;
    writer.users(ledger).await?;
    writer.rooms(ledger).await?;
    writer.seats(ledger).await?;
    writer.messages(ledger).await?;
    writer.events(ledger).await?;
    writer.editions(ledger).await?;
    writer.erased(ledger).await?;
    writer.chores(ledger).await?;
    Ok(writer.wrote)
}

impl Ledger<'_> {
    fn number(&self, user: &UserId) -> Result<i64, StoreError> {
        let row = self.users.get(user);
        row.map(|row| row.number)
            .ok_or_else(|| damaged("somebody without a row"))
    }
}

struct Writer<'a, C> {
    query: Query<'a, C>,
    now: i64,
    /// The numbers of those who were new, by the ones that stood for them.
    numbers: HashMap<i64, i64>,
    wrote: bool,
}

impl<C: ConnectionTrait> Writer<'_, C> {
    async fn run(&mut self, statements: impl Iterator<Item = Statement>) -> Result<(), StoreError> {
        for statement in statements {
            self.query.execute(statement).await?;
            self.wrote = true;
        }
        Ok(())
    }

    async fn insert<const N: usize>(
        &mut self,
        table: &str,
        rows: Rows<N>,
    ) -> Result<(), StoreError> {
        self.run(self.query.dialect.insert(table, rows)).await
    }

    async fn update<const N: usize>(
        &mut self,
        table: &str,
        keys: usize,
        rows: Rows<N>,
    ) -> Result<(), StoreError> {
        self.run(self.query.dialect.update(table, keys, rows)).await
    }

    /// Writes the rows of people who are new, and asks for the numbers that the database
    /// gave them: it alone knows which are free while others write, too. In the order of
    /// their ids, so that two batches that bring the same people wait in one direction.
    async fn new_users(&mut self, ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        let mut people: Vec<(&UserId, &mut UserRow)> = ledger
            .users
            .iter_mut()
            .filter(|(_, row)| row.fate == Fate::New)
            .collect();
        people.sort_unstable_by_key(|(user, _)| *user);
        let mut new = Rows::new(USER);
        let mut asked = Rows::new(["n", "external_id"]);
        for (index, (user, row)) in people.iter().enumerate() {
            new.push(whole_user(user, row, self.now));
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            asked.push([index.into(), user.as_str().into()]);
        }
        self.insert("rt_user", new).await?;
        let from = "rt_user u ON u.external_id = v.external_id";
        for found in self.query.find(asked, "v.n, u.id", from).await? {
            let mut columns = Columns::of(&found);
            let (_, row) = place(&mut people, columns.take()?)?;
            let number = columns.take()?;
            self.numbers.insert(row.number, number);
            row.number = number;
        }
        Ok(())
    }

    async fn users(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut known: Vec<(&UserId, &UserRow)> = ledger.users.iter().collect();
        known.sort_unstable_by_key(|(_, row)| row.number);
        // Found by the id, too: who was erased meanwhile gets no name back.
        let mut renamed = Rows::new(["id", "external_id", "display_name", "updated_at"]);
        let mut told = Rows::new(["id", "display_name", "last_rev", "updated_at"]);
        for (user, row) in known {
            let (number, name) = (row.number.into(), row.name.clone().into());
            let (rev, now) = (stored(row.rev.get()).into(), Value::from(self.now));
            match row.fate {
                Fate::Stored | Fate::New => {}
                Fate::Moved => renamed.push([number, user.as_str().into(), name, now]),
                Fate::Changed => {
                    if self.query.dialect.locks_rows() && !row.locked {
                        return Err(damaged("a user's stream would go on without its lock"));
                    }
                    told.push([number, name, rev, now]);
                }
            }
        }
        self.update("rt_user", 2, renamed).await?;
        self.update("rt_user", 1, told).await
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
        self.insert("rt_room", new).await?;
        self.update("rt_room", 1, moved).await?;
        self.update("rt_room", 1, changed).await
    }

    async fn seats(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut new = Rows::new(SEAT);
        let mut moved = Rows::new(SEAT_POINTERS);
        let mut changed = Rows::new(SEAT_MEMBERSHIP);
        for seat in ledger.seats.values() {
            if seat.fate == Fate::Stored {
                continue;
            }
            let number = ledger.number(&seat.participant.user)?;
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
        self.insert(TABLE, new).await?;
        self.update(TABLE, 2, moved).await?;
        self.update(TABLE, 2, changed).await
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
                Fate::New => {
                    let sender = self.numbers.get(&row.sender).copied();
                    new.push(whole_message(row, sender.unwrap_or(row.sender)));
                }
                Fate::Stored | Fate::Moved | Fate::Changed => changed.push(message_text(row)),
            }
        }
        self.insert("rt_message", new).await?;
        self.update("rt_message", 2, changed).await
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
        self.insert("rt_event", new).await
    }

    async fn editions(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut new = Rows::new(EDITION);
        for (room, seq, edition) in &ledger.editions {
            new.push(whole_edition(*room, *seq, edition));
        }
        self.insert("rt_message_edit", new).await
    }

    async fn erased(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut gone = Rows::new(ERASURE);
        for (user, _) in &ledger.erased {
            gone.push(erasure(ledger.number(user)?, self.now));
        }
        self.update("rt_user", 1, gone).await
    }

    async fn chores(&mut self, ledger: &Ledger<'_>) -> Result<(), StoreError> {
        let mut new = Rows::new(CHORE);
        for (room, range) in &ledger.purges {
            new.push(purge(*room, range, self.now));
        }
        for (user, legacy) in &ledger.erased {
            new.push(scrub(ledger.number(user)?, *legacy, self.now));
        }
        self.insert("rt_chore", new).await
    }
}
