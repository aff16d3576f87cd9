//! Reads what a batch named into its ledger, one statement a kind.

use std::sync::Arc;

use realtime_core::{
    id::{EventId, RoomId, UserId},
    room::Subject,
    store::StoreError,
};
use sea_orm::{ConnectionTrait, QueryResult};

use super::{
    gather::Wanted,
    ledger::{EventRow, Fate, Ledger, MessageRow, RoomRow, Seat, UserRow},
};
use crate::{
    codes::{self, stored},
    dialect::{Dialect, Rows},
    entity::{
        event::{self, EVENT, KEY},
        message, participant, room,
        user::{self, PLATFORM},
    },
    error::{damaged, failed},
    query::Query,
    rows::{self, Columns, single, time},
};

/// Loads in the order in which one thing leads to another: a key to its room, a
/// user to their number, that to what they sent.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    mut wanted: Wanted,
    ledger: &mut Ledger<'_>,
) -> Result<(), StoreError> {
    let loader = Loader(Query { db, dialect });
    loader.events(&wanted, ledger).await?;
    let rooms_of_events = ledger.events.values().chain(ledger.keys.values());
    wanted.rooms.extend(rooms_of_events.map(|row| row.room));
    loader.rooms(&wanted.rooms, ledger).await?;
    loader.subjects(&wanted.subjects, ledger).await?;
    loader.seats(&wanted.seats, ledger).await?;
    loader.people(&wanted.people, ledger).await?;
    loader.sent(&wanted, ledger).await?;
    loader.messages(&wanted, ledger).await
}

struct Loader<'a, C>(Query<'a, C>);

impl<C: ConnectionTrait> Loader<'_, C> {
    async fn events(&self, wanted: &Wanted, ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        let mut names = Rows::new(["kind", "id"]);
        for (kind, ids) in [(EVENT, &wanted.events), (KEY, &wanted.keys)] {
            for id in ids {
                names.push([kind.into(), id.as_str().into()]);
            }
        }
        let from = "rt_event e ON e.kind = v.kind AND e.id = v.id";
        for found in self.0.find(names, event::COLUMNS, from).await? {
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
        for found in self.0.find(ids, room::COLUMNS, from).await? {
            add_room(&found, ledger)?;
        }
        Ok(())
    }

    async fn subjects(
        &self,
        wanted: &[Subject],
        ledger: &mut Ledger<'_>,
    ) -> Result<(), StoreError> {
        let mut names = Rows::new(["kind", "id"]);
        for subject in wanted {
            names.push([subject.kind.as_str().into(), subject.id.as_str().into()]);
        }
        let from = "rt_room r ON r.subject_type = v.kind AND r.subject_id = v.id";
        for found in self.0.find(names, room::COLUMNS, from).await? {
            let (id, subject) = add_room(&found, ledger)?;
            if let Some(subject) = subject {
                ledger.subjects.insert(subject, id);
            }
        }
        Ok(())
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
        let from = "rt_user u ON u.external_id = v.external_id \
                    LEFT JOIN rt_participant p ON p.room_id = v.room_id AND p.user_id = u.id";
        for found in self.0.find(seats, &columns, from).await? {
            add_seat(&found, wanted, ledger)?;
        }
        Ok(())
    }

    async fn people(&self, wanted: &[UserId], ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        let mut users = Rows::new(["external_id"]);
        for unknown in wanted
            .iter()
            .filter(|user| !ledger.users.contains_key(*user))
        {
            users.push([unknown.as_str().into()]);
        }
        if users.len() == 0 {
            return Ok(());
        }
        let last = self.0.one(self.0.dialect.last_user(), []).await?;
        ledger.last_user = single(last)?.unwrap_or_default();
        let from = "rt_user u ON u.external_id = v.external_id";
        for found in self.0.find(users, user::COLUMNS, from).await? {
            let row = user::Model::read(&mut Columns::of(&found)).map_err(failed)?;
            let id = rows::user_id(row.external_id.as_deref())?;
            let row = UserRow {
                number: row.id,
                name: row.display_name,
                rev: codes::rev(row.last_rev)?,
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
        for found in self.find_messages(names, by_name).await? {
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
        for found in self.find_messages(places, by_place).await? {
            add_message(&found, ledger)?;
        }
        Ok(())
    }

    async fn find_messages<const N: usize>(
        &self,
        wanted: Rows<N>,
        from: &str,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let columns = format!("{}, u.external_id, u.display_name", message::COLUMNS);
        let from = format!("{from} LEFT JOIN rt_user u ON u.id = m.sender_id");
        self.0.find(wanted, &columns, &from).await
    }
}

fn add_room(
    found: &QueryResult,
    ledger: &mut Ledger<'_>,
) -> Result<(RoomId, Option<Subject>), StoreError> {
    let row = room::Model::read(&mut Columns::of(found)).map_err(failed)?;
    let receipt_rev = codes::rev(row.receipt_rev)?;
    let room = rows::room(row)?;
    let (id, subject) = (room.id, room.subject.clone());
    let row = RoomRow {
        room,
        receipt_rev,
        fate: Fate::Stored,
    };
    ledger.rooms.insert(id, row);
    Ok((id, subject))
}

fn add_seat(
    found: &QueryResult,
    wanted: &[(RoomId, UserId)],
    ledger: &mut Ledger<'_>,
) -> Result<(), StoreError> {
    let mut columns = Columns::of(found);
    let index: i64 = columns.take()?;
    let (room, user) = usize::try_from(index)
        .ok()
        .and_then(|index| wanted.get(index))
        .ok_or_else(|| damaged("an answer to no question"))?;
    let row = user_row(&mut columns)?;
    ledger.users.insert(user.clone(), row);
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
