//! Reads what a batch named into its ledger, one statement a kind.

use std::sync::Arc;

use realtime_core::{
    id::{EventId, RoomId, UserId},
    room::Subject,
    store::StoreError,
};
use sea_orm::{ConnectionTrait, QueryResult};

use super::{
    gather::{Wanted, once},
    ledger::{EventRow, Fate, Ledger, MessageRow, RoomRow, Seat, UserRow},
};
use crate::{
    codes::{self, stored},
    dialect::{Dialect, Rows},
    entity::{
        event::{self, EVENT, KEY},
        message, participant, room,
        user::{self, PLATFORM, SENDER},
    },
    error::{damaged, failed},
    query::Query,
    rows::{self, Columns, time},
};

/// Loads in the order in which one thing leads to another: a key to its room, a
/// user to their number, that to what they sent.
///
/// What was read before the rooms were locked, that an event is new or a subject has no
/// room, may have become wrong when they are. Then the row that is written for it is
/// there already, and the whole batch begins anew. What is read after is right: who
/// changes anything in a room holds the lock of its row, and who changes the head of a
/// user's stream that of the user's.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    mut wanted: Wanted,
    ledger: &mut Ledger<'_>,
) -> Result<(), StoreError> {
    let loader = Loader(Query { db, dialect }, ledger.reads);
    loader.events(&wanted, ledger).await?;
    let rooms_of_events = ledger.events.values().chain(ledger.keys.values());
    wanted.rooms.extend(rooms_of_events.map(|row| row.room));
    let rooms_of_subjects = loader.subjects(&wanted.subjects, ledger).await?;
    wanted.rooms.extend(rooms_of_subjects);
    // Locked in this order by every writer, so that two never wait for each other.
    once(&mut wanted.rooms);
    loader.rooms(&wanted.rooms, ledger).await?;
    for (subject, user) in std::mem::take(&mut wanted.rosters) {
        let room = ledger.subjects.get(&subject);
        wanted.seats.extend(room.map(|room| (*room, user)));
    }
    once(&mut wanted.seats);
    // Locked before anything else is read of them: an id may lead to somebody else by then.
    loader.people(&wanted.people, ledger).await?;
    loader.seats(&wanted.seats, ledger).await?;
    loader.sent(&wanted, ledger).await?;
    loader.messages(&wanted, ledger).await
}

/// How what is not locked to be changed is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reads {
    /// As it was last committed: so do transactions that we begin.
    #[default]
    Plainly,
    /// In a transaction that others began, perhaps one that reads as of its first
    /// statement. Where the database shows what is locked as it is, the rows of a room
    /// are locked to be read. Names (of subjects, events, messages) are not: one that is
    /// free would be locked with its neighbours, and a name that is taken is noticed when
    /// it is written.
    Locking,
    /// As `Locking`, and names, too: one was found to be taken.
    LockingNames,
}

impl Reads {
    fn state(self, dialect: Dialect) -> &'static str {
        match self {
            Self::Plainly => "",
            Self::Locking | Self::LockingNames => dialect.share(),
        }
    }

    fn names(self, dialect: Dialect) -> &'static str {
        match self {
            Self::Plainly | Self::Locking => "",
            Self::LockingNames => dialect.share(),
        }
    }
}

struct Loader<'a, C>(Query<'a, C>, Reads);

impl<C: ConnectionTrait> Loader<'_, C> {
    fn state_of(&self, from: &str) -> String {
        format!("{from}{}", self.1.state(self.0.dialect))
    }

    fn names_of(&self, from: &str) -> String {
        format!("{from}{}", self.1.names(self.0.dialect))
    }

    async fn events(&self, wanted: &Wanted, ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        let mut names = Rows::new(["kind", "id"]);
        for (kind, ids) in [(EVENT, &wanted.events), (KEY, &wanted.keys)] {
            for id in ids {
                names.push([kind.into(), id.as_str().into()]);
            }
        }
        let from = self.names_of("rt_event e ON e.kind = v.kind AND e.id = v.id");
        for found in self.0.find(names, event::COLUMNS, &from).await? {
            let row = event::Model::read(&mut Columns::of(&found)).map_err(failed)?;
            let id = EventId::parse(&row.id)
                .map_err(|error| damaged(format!("an event's id {error}")))?;
            let used = EventRow {
                fingerprint: row.fingerprint,
                room: RoomId::from_uuid(row.room_id),
                seq: row.seq.map(codes::seq).transpose()?,
                fate: Fate::Stored,
            };
            let names = if row.kind == EVENT {
                &mut ledger.events
            } else {
                &mut ledger.keys
            };
            names.insert(id, used);
        }
        Ok(())
    }

    async fn rooms(&self, wanted: &[RoomId], ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        let mut ids = Rows::new(["id"]);
        for unknown in wanted.iter().filter(|id| !ledger.rooms.contains_key(*id)) {
            ids.push([unknown.as_uuid().into()]);
        }
        let from = "rt_room r ON r.id = v.id";
        let found = self.0.lock(ids, room::COLUMNS, from, ("r", "id"));
        for found in found.await? {
            add_room(&found, ledger)?;
        }
        Ok(())
    }

    /// The rooms of subjects. Neither changes, so that no lock is needed to know.
    async fn subjects(
        &self,
        wanted: &[Subject],
        ledger: &mut Ledger<'_>,
    ) -> Result<Vec<RoomId>, StoreError> {
        let mut names = Rows::new(["n", "kind", "id"]);
        for (index, subject) in wanted.iter().enumerate() {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            let (kind, id) = (subject.kind.as_str(), subject.id.as_str());
            names.push([index.into(), kind.into(), id.into()]);
        }
        let from = "rt_room r ON r.subject_type = v.kind AND r.subject_id = v.id";
        let from = self.names_of(from);
        let mut rooms = Vec::new();
        for found in self.0.find(names, "v.n, r.id", &from).await? {
            let mut columns = Columns::of(&found);
            let subject = asked(wanted, columns.take()?)?;
            let room = RoomId::from_uuid(columns.take()?);
            ledger.subjects.insert(subject.clone(), room);
            rooms.push(room);
        }
        Ok(rooms)
    }

    async fn seats(
        &self,
        wanted: &[(RoomId, UserId)],
        ledger: &mut Ledger<'_>,
    ) -> Result<(), StoreError> {
        let mut seats = Rows::new(["n", "room_id", "external_id"]);
        for (index, seat) in wanted.iter().enumerate() {
            if ledger.seats.contains_key(seat) && ledger.users.contains_key(&seat.1) {
                continue;
            }
            let (room, user) = seat;
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            seats.push([index.into(), room.as_uuid().into(), user.as_str().into()]);
        }
        let columns = format!(
            "v.n, u.id, u.display_name, u.last_rev, p.user_id IS NOT NULL, {}",
            participant::COLUMNS
        );
        let from = format!(
            "rt_user u ON u.external_id = v.external_id LEFT JOIN {}",
            self.0.dialect.seat("p", "v.room_id", "u.id")
        );
        for found in self.0.find(seats, &columns, &self.state_of(&from)).await? {
            add_seat(&found, wanted, ledger)?;
        }
        Ok(())
    }

    /// People whose own streams go on. Who is not found has no number yet.
    async fn people(&self, wanted: &[UserId], ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        let locks = self.0.dialect.locks_rows();
        let mut users = Rows::new(["external_id"]);
        for user in wanted {
            if locks || !ledger.users.contains_key(user) {
                users.push([user.as_str().into()]);
            }
        }
        let from = "rt_user u ON u.external_id = v.external_id";
        let found = self
            .0
            .lock(users, user::COLUMNS, from, ("u", "external_id"));
        for found in found.await? {
            let row = user::Model::read(&mut Columns::of(&found)).map_err(failed)?;
            let id = rows::user_id(row.external_id.as_deref())?;
            let row = UserRow {
                number: row.id,
                name: row.display_name,
                rev: codes::rev(row.last_rev)?,
                locked: true,
                fate: Fate::Stored,
            };
            ledger.users.insert(id, row);
        }
        Ok(())
    }

    async fn sent(&self, wanted: &Wanted, ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        let mut names = Rows::new(["room_id", "sender_id", "client_id"]);
        for (room, user, client_id) in &wanted.sent {
            let sender = match user {
                None => PLATFORM,
                Some(user) => match ledger.users.get(user) {
                    Some(user) => user.number,
                    // Nobody's, so nothing was sent by them.
                    None => continue,
                },
            };
            if ledger.rooms.contains_key(room) {
                let client_id = client_id.as_str();
                names.push([room.as_uuid().into(), sender.into(), client_id.into()]);
            }
        }
        let by_name = "rt_message m ON m.room_id = v.room_id AND m.sender_id = v.sender_id \
                       AND m.client_id = v.client_id";
        let names = self.find_messages(names, by_name, self.1.names(self.0.dialect));
        for found in names.await? {
            let (room, seq) = add_message(&found, ledger)?;
            let Some(row) = ledger.messages.get(&(room, seq)) else {
                continue;
            };
            if let Some(client_id) = row.message.client_id.clone() {
                ledger.sent.insert((room, row.sender, client_id), seq);
            }
        }
        Ok(())
    }

    async fn messages(&self, wanted: &Wanted, ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        let mut places = Rows::new(["room_id", "seq"]);
        for (room, seq) in &wanted.messages {
            places.push([room.as_uuid().into(), stored(seq.get()).into()]);
        }
        let by_place = "rt_message m ON m.room_id = v.room_id AND m.seq = v.seq";
        let places = self.find_messages(places, by_place, self.1.state(self.0.dialect));
        for found in places.await? {
            add_message(&found, ledger)?;
        }
        Ok(())
    }

    async fn find_messages<const N: usize>(
        &self,
        wanted: Rows<N>,
        from: &str,
        lock: &str,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let columns = format!("{}, {SENDER}", message::COLUMNS);
        let from = format!("{from} LEFT JOIN rt_user u ON u.id = m.sender_id{lock}");
        self.0.find(wanted, &columns, &from).await
    }
}

fn add_room(found: &QueryResult, ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
    let row = room::Model::read(&mut Columns::of(found)).map_err(failed)?;
    let receipt_rev = codes::rev(row.receipt_rev)?;
    let room = rows::room(row)?;
    let row = RoomRow {
        room,
        receipt_rev,
        fate: Fate::Stored,
    };
    ledger.rooms.insert(row.room.id, row);
    Ok(())
}

/// What the row of `v` with this number asked for.
fn asked<T>(wanted: &[T], index: i64) -> Result<&T, StoreError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| wanted.get(index))
        .ok_or_else(|| damaged("an answer to no question"))
}

fn add_seat(
    found: &QueryResult,
    wanted: &[(RoomId, UserId)],
    ledger: &mut Ledger<'_>,
) -> Result<(), StoreError> {
    let mut columns = Columns::of(found);
    let (room, user) = asked(wanted, columns.take()?)?;
    let row = user_row(&mut columns)?;
    // Who is there already was locked, or is remembered.
    ledger.users.entry(user.clone()).or_insert(row);
    if !columns.take::<bool>()? {
        return Ok(());
    }
    let row = participant::Model::read(&mut columns).map_err(failed)?;
    let seat = Seat {
        participant: rows::participant(&row, user.clone(), None)?,
        delivered_at: row.delivered_at.map(time),
        read_at: row.read_at.map(time),
        left_at: row.left_at.map(time),
        fate: Fate::Stored,
    };
    ledger.seats.insert((*room, user.clone()), seat);
    Ok(())
}

fn user_row(columns: &mut Columns<'_>) -> Result<UserRow, StoreError> {
    Ok(UserRow {
        number: columns.take()?,
        name: columns.take()?,
        rev: codes::rev(columns.take()?)?,
        locked: false,
        fate: Fate::Stored,
    })
}

fn add_message(
    found: &QueryResult,
    ledger: &mut Ledger<'_>,
) -> Result<(RoomId, realtime_core::seq::Seq), StoreError> {
    let (message, row) = rows::sent_message(&mut Columns::of(found))?;
    let place = (message.room, message.seq);
    let row = MessageRow {
        message: Arc::new(message),
        sender: row.sender_id,
        sent_rev: codes::rev(row.sent_rev)?,
        fingerprint: row.fingerprint,
        fate: Fate::Stored,
    };
    ledger.messages.insert(place, row);
    Ok(place)
}
