//! Writing the index: what was read goes into it in one short transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use realtime_core::{id::RoomId, search::Indexed, store::StoreError};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{
    index::{Part, Place, Read},
    term,
};
use crate::{
    SeaStore,
    dialect::{Rows, search::Entry},
    limits::SLOT_SEQS,
    query::Query,
    race::Races,
    rows::Columns,
    transaction,
};

/// A slot's room and place in it.
type Address = (Uuid, i64);

/// A slot as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    id: i64,
    /// Between which times its messages were sent.
    sent: (i64, i64),
}

impl SeaStore {
    pub(super) async fn fill(&self, read: Read) -> Result<Indexed, StoreError> {
        let mut races = Races::none();
        loop {
            match self.try_to_fill(&read).await {
                Err(error) if races.may_go_on(&error) => races.pause(self.ids()).await,
                done => return done,
            }
        }
    }

    async fn try_to_fill(&self, read: &Read) -> Result<Indexed, StoreError> {
        let mut indexed = Indexed {
            messages: 0,
            rest: read.rest.clone(),
        };
        if read.parts.is_empty() {
            return Ok(indexed);
        }
        let (connections, dialect) = (self.connections(), self.connections().dialect);
        let open = transaction::begin(connections).await?;
        let query = Query { db: &open, dialect };
        match fill(&query, &read.parts, &mut indexed).await {
            Ok(()) => {
                transaction::commit(open, dialect).await?;
                self.tell_keeper();
                Ok(indexed)
            }
            Err(error) => {
                transaction::abandon(open, dialect).await;
                Err(error)
            }
        }
    }
}

async fn fill<C: ConnectionTrait>(
    query: &Query<'_, C>,
    parts: &[Part],
    indexed: &mut Indexed,
) -> Result<(), StoreError> {
    let places = places(query, parts).await?;
    // Where another server was faster, what was read is not the next part any more.
    let is_next = |part: &&Part| places.get(&part.room) == Some(&part.was);
    let (next, raced): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(is_next);
    let unfinished = next.iter().filter(|part| part.more).chain(&raced);
    indexed
        .rest
        .extend(unfinished.map(|part| RoomId::from_uuid(part.room)));
    let slots = slots(query, &next).await?;
    for part in &next {
        purge(query, part, &slots).await?;
    }
    let (mut gone, mut entries) = (Vec::new(), Vec::new());
    for (part, told) in next
        .iter()
        .flat_map(|part| part.told.iter().map(move |told| (part, told)))
    {
        let Some(slot) = slots.get(&(part.room, told.seq / SLOT_SEQS)) else {
            continue;
        };
        gone.push((slot.id, told.seq));
        let terms = told
            .body
            .as_deref()
            .and_then(|body| term::entry(slot.id, body));
        entries.extend(terms.map(|terms| Entry {
            slot: slot.id,
            seq: told.seq,
            sent_at: told.sent_at,
            terms,
        }));
        indexed.messages += 1;
    }
    for statement in query.dialect.remove_entries(&gone) {
        query.execute(statement).await?;
    }
    for statement in query.dialect.add_entries(entries) {
        query.execute(statement).await?;
    }
    note(query, &next).await
}

/// Where the rooms stand, whose rows stay locked.
async fn places<C: ConnectionTrait>(
    query: &Query<'_, C>,
    parts: &[Part],
) -> Result<HashMap<Uuid, Place>, StoreError> {
    let mut new = Rows::new(["room_id"]);
    for part in parts.iter().filter(|part| part.was.rev == 0) {
        new.push([part.room.into()]);
    }
    for statement in query.dialect.add_search_rooms(new) {
        query.execute(statement).await?;
    }
    let mut keys = Rows::new(["room_id"]);
    for part in parts {
        keys.push([part.room.into()]);
    }
    let columns = "s.room_id, s.rev, s.next_seq, s.first_seq";
    let from = "rt_search_room s ON s.room_id = v.room_id";
    let found = query.lock(keys, columns, from, ("s", "room_id")).await?;
    let place = found.iter().map(|row| {
        let mut columns = Columns::of(row);
        let room = columns.take()?;
        let place = Place {
            rev: columns.take()?,
            next_seq: columns.take()?,
            first_seq: columns.take()?,
        };
        Ok((room, place))
    });
    place.collect()
}

/// The slots of everything that is told, as wide as they must be now. A slot that is not
/// there holds nothing that could be taken out.
async fn slots<C: ConnectionTrait>(
    query: &Query<'_, C>,
    parts: &[&Part],
) -> Result<HashMap<Address, Slot>, StoreError> {
    let mut wanted: BTreeSet<Address> = BTreeSet::new();
    let mut sent: BTreeMap<Address, (i64, i64)> = BTreeMap::new();
    for part in parts {
        let given_up = part.was.first_seq / SLOT_SEQS..=part.becomes.first_seq / SLOT_SEQS;
        if part.was.rev > 0 && part.was.first_seq < part.becomes.first_seq {
            wanted.extend(given_up.map(|bucket| (part.room, bucket)));
        }
        for told in &part.told {
            let address = (part.room, told.seq / SLOT_SEQS);
            wanted.insert(address);
            if told.body.is_some() {
                let span = sent.entry(address).or_insert((told.sent_at, told.sent_at));
                *span = (span.0.min(told.sent_at), span.1.max(told.sent_at));
            }
        }
    }
    let mut slots = stored_slots(query, wanted.into_iter()).await?;
    let mut new = Rows::new(["room_id", "bucket", "oldest_at", "newest_at"]);
    let mut missing = Vec::new();
    let mut wider = Rows::new(["id", "oldest_at", "newest_at"]);
    for (address, span) in sent {
        let Some(slot) = slots.get_mut(&address) else {
            missing.push(address);
            new.push([
                address.0.into(),
                address.1.into(),
                span.0.into(),
                span.1.into(),
            ]);
            continue;
        };
        let all = (slot.sent.0.min(span.0), slot.sent.1.max(span.1));
        if all != slot.sent {
            slot.sent = all;
            wider.push([slot.id.into(), all.0.into(), all.1.into()]);
        }
    }
    for statement in query.dialect.update("rt_search_slot", 1, wider) {
        query.execute(statement).await?;
    }
    for statement in query.dialect.insert("rt_search_slot", new) {
        query.execute(statement).await?;
    }
    slots.extend(stored_slots(query, missing.into_iter()).await?);
    Ok(slots)
}

async fn stored_slots<C: ConnectionTrait>(
    query: &Query<'_, C>,
    addresses: impl Iterator<Item = Address>,
) -> Result<HashMap<Address, Slot>, StoreError> {
    let mut keys = Rows::new(["room_id", "bucket"]);
    for (room, bucket) in addresses {
        keys.push([room.into(), bucket.into()]);
    }
    let columns = "s.room_id, s.bucket, s.id, s.oldest_at, s.newest_at";
    let from = "rt_search_slot s ON s.room_id = v.room_id AND s.bucket = v.bucket";
    let found = query.find(keys, columns, from).await?;
    let slot = found.iter().map(|row| {
        let mut columns = Columns::of(row);
        let address = (columns.take()?, columns.take()?);
        let slot = Slot {
            id: columns.take()?,
            sent: (columns.take()?, columns.take()?),
        };
        Ok((address, slot))
    });
    slot.collect()
}

/// Takes out what was given up since.
async fn purge<C: ConnectionTrait>(
    query: &Query<'_, C>,
    part: &Part,
    slots: &HashMap<Address, Slot>,
) -> Result<(), StoreError> {
    let (from, to) = (part.was.first_seq, part.becomes.first_seq);
    if part.was.rev == 0 || from >= to {
        return Ok(());
    }
    // A part gives up messages of one slot, see `index::part`.
    let bucket = from / SLOT_SEQS;
    let Some(slot) = slots.get(&(part.room, bucket)) else {
        return Ok(());
    };
    let removal = query.dialect.remove_range(slot.id, from, to - 1);
    query.execute(removal).await?;
    if to == (bucket + 1) * SLOT_SEQS {
        let sql = "DELETE FROM rt_search_slot WHERE id = ?";
        let removal = query.dialect.statement(sql, [slot.id.into()]);
        query.execute(removal).await?;
    }
    Ok(())
}

async fn note<C: ConnectionTrait>(query: &Query<'_, C>, parts: &[&Part]) -> Result<(), StoreError> {
    let mut rows = Rows::new(["room_id", "rev", "next_seq", "first_seq"]);
    for part in parts {
        let place = part.becomes;
        rows.push([
            part.room.into(),
            place.rev.into(),
            place.next_seq.into(),
            place.first_seq.into(),
        ]);
    }
    for statement in query.dialect.update("rt_search_room", 1, rows) {
        query.execute(statement).await?;
    }
    Ok(())
}
