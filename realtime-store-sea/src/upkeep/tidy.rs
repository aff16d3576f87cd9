//! What retention and erasure left to be done: rows in `rt_chore`, of which each step does
//! a bounded part in a transaction of its own. So it survives a crash, and whoever has
//! claimed a row does it alone.

use std::ops::Range;

use realtime_core::{
    change::Legacy,
    event::RoomEvent,
    id::RoomId,
    seq::Seq,
    store::{StoreError, Tidied},
    time::Timestamp,
};
use sea_orm::{ConnectionTrait, Value};

use crate::{
    SeaStore,
    codes::{self, Code, stored},
    dialect::Rows,
    entity::chore::{self, PURGE, SCRUB},
    error::{damaged, failed},
    query::Query,
    race::Races,
    rows::Columns,
    transaction,
    write::memory::Memory,
};

/// Whether anything is left to be done.
pub(super) async fn is_wanted<C: ConnectionTrait>(
    query: &Query<'_, C>,
) -> Result<bool, StoreError> {
    let sql = "SELECT c.id FROM rt_chore c WHERE c.id > 0 ORDER BY c.id LIMIT 1";
    Ok(query.one(sql, []).await?.is_some())
}

impl SeaStore {
    /// Does the next step, of at most so many messages.
    pub(crate) async fn tidy_by(&self, now: Timestamp, most: u32) -> Result<Tidied, StoreError> {
        let mut races = Races::none();
        loop {
            match self.try_to_tidy(now, most).await {
                Err(error) if races.may_go_on(&error) => races.pause(self.ids()).await,
                done => return done,
            }
        }
    }

    async fn try_to_tidy(&self, now: Timestamp, most: u32) -> Result<Tidied, StoreError> {
        let (connections, dialect) = (self.connections(), self.connections().dialect);
        let mut slot = match self.memory() {
            Some(memory) => Some(memory.lock().await),
            None => None,
        };
        let open = transaction::begin(connections).await?;
        let query = Query { db: &open, dialect };
        match step(&query, now, most).await {
            Ok(Some(tidied)) => {
                if let Some(slot) = &mut slot {
                    // Rows have changed that it would take for what they were.
                    **slot = Memory::default();
                }
                transaction::commit(open, dialect).await?;
                self.tell_keeper();
                Ok(tidied)
            }
            Ok(None) => Ok(Tidied::default()),
            Err(error) => {
                transaction::abandon(open, dialect).await;
                Err(error)
            }
        }
    }
}

/// Something that is left to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chore {
    /// Messages are to go.
    Purge { room: RoomId, range: Range<Seq> },
    /// Somebody is to be taken out of their rooms.
    Scrub(Scrub),
}

/// How far somebody was taken out of their rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scrub {
    /// Of the person.
    pub(super) number: i64,
    pub(super) legacy: Legacy,
    /// The room that is under way, and the `client_id` of the last message that was dealt
    /// with there.
    pub(super) at: Option<(RoomId, String)>,
}

/// What became of a chore.
pub(super) struct Progress {
    /// What is left of it, if anything.
    pub(super) rest: Option<Chore>,
    pub(super) event: Option<RoomEvent>,
}

/// A step under way.
pub(super) struct Step<'a, C> {
    pub(super) query: &'a Query<'a, C>,
    pub(super) now: Timestamp,
    /// Rows that it deals with at most.
    pub(super) most: u32,
}

/// Does the next step of the first chore that nobody else is at; `None`, if there is none.
async fn step<C: ConnectionTrait>(
    query: &Query<'_, C>,
    now: Timestamp,
    most: u32,
) -> Result<Option<Tidied>, StoreError> {
    let Some((id, chore)) = claim(query).await? else {
        return Ok(None);
    };
    let step = Step { query, now, most };
    let progress = match chore {
        Chore::Purge { room, range } => step.purge(room, range).await?,
        Chore::Scrub(scrub) => step.scrub(scrub).await?,
    };
    let more = progress.rest.is_some();
    note(query, id, progress.rest).await?;
    Ok(Some(Tidied {
        events: progress.event.into_iter().collect(),
        more: more || is_wanted(query).await?,
    }))
}

async fn claim<C: ConnectionTrait>(
    query: &Query<'_, C>,
) -> Result<Option<(i64, Chore)>, StoreError> {
    let sql = format!(
        "SELECT {} FROM rt_chore c WHERE c.id > 0 ORDER BY c.id LIMIT 1{}",
        chore::COLUMNS,
        query.dialect.skip_locked()
    );
    let Some(found) = query.one(&sql, []).await? else {
        return Ok(None);
    };
    let row = chore::Model::read(&mut Columns::of(&found)).map_err(failed)?;
    Ok(Some((row.id, Chore::of(row)?)))
}

/// Notes what is left of a chore, or that nothing is.
async fn note<C: ConnectionTrait>(
    query: &Query<'_, C>,
    id: i64,
    rest: Option<Chore>,
) -> Result<(), StoreError> {
    let (sql, values): (_, Vec<Value>) = match rest {
        None => ("DELETE FROM rt_chore WHERE id = ?", vec![id.into()]),
        Some(Chore::Purge { range, .. }) => (
            "UPDATE rt_chore SET from_seq = ? WHERE id = ?",
            vec![stored(range.start.get()).into(), id.into()],
        ),
        Some(Chore::Scrub(scrub)) => {
            let (room, after) = scrub.at.unzip();
            let room = room.map(|room| room.as_uuid());
            (
                "UPDATE rt_chore SET room_id = ?, after_client_id = ? WHERE id = ?",
                vec![room.into(), after.into(), id.into()],
            )
        }
    };
    query.execute(query.dialect.statement(sql, values)).await
}

impl Chore {
    fn of(row: chore::Model) -> Result<Self, StoreError> {
        let room = row.room_id.map(RoomId::from_uuid);
        match row.kind {
            PURGE => Ok(Self::Purge {
                room: known(room)?,
                range: codes::seq(known(row.from_seq)?)?..codes::seq(known(row.to_seq)?)?,
            }),
            SCRUB => Ok(Self::Scrub(Scrub {
                number: known(row.user_id)?,
                legacy: Code::decode(known(row.legacy)?)?,
                at: room.zip(row.after_client_id),
            })),
            kind => Err(damaged(format!("chore {kind} is unknown"))),
        }
    }
}

fn known<T>(value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| damaged("a chore does not say what is to be done"))
}

impl<C: ConnectionTrait> Step<'_, C> {
    /// Deletes messages that nobody sees any more; nobody can change them either, so that
    /// the room need not wait.
    async fn purge(&self, room: RoomId, mut range: Range<Seq>) -> Result<Progress, StoreError> {
        let end = range.start.plus(u64::from(self.most)).min(range.end);
        let last = stored(end.previous().get());
        let sql = "SELECT e.seq, e.rev FROM rt_message_edit e \
                   WHERE e.room_id = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq, e.rev LIMIT ?";
        let first: Value = stored(range.start.get()).into();
        let values = [
            room.as_uuid().into(),
            first.clone(),
            last.into(),
            self.one_more().into(),
        ];
        let found = self.query.all(sql, values).await?;
        if self.delete_editions(room, &found).await? {
            let sql = "DELETE FROM rt_message WHERE room_id = ? AND seq BETWEEN ? AND ?";
            let values = [room.as_uuid().into(), first, last.into()];
            let statement = self.query.dialect.statement(sql, values);
            self.query.execute(statement).await?;
            range.start = end;
        }
        let rest = (range.start < range.end).then_some(Chore::Purge { room, range });
        Ok(Progress { rest, event: None })
    }

    /// Deletes editions of which the `seq` and `rev` were found, but no more than a step
    /// may. Answers whether these were all.
    pub(super) async fn delete_editions(
        &self,
        room: RoomId,
        found: &[sea_orm::QueryResult],
    ) -> Result<bool, StoreError> {
        let mut gone = Rows::new(["room_id", "seq", "rev"]);
        for row in found.iter().take(self.most as usize) {
            let mut columns = Columns::of(row);
            let (seq, rev): (i64, i64) = (columns.take()?, columns.take()?);
            gone.push([room.as_uuid().into(), seq.into(), rev.into()]);
        }
        for statement in self.query.dialect.delete("rt_message_edit", gone) {
            self.query.execute(statement).await?;
        }
        Ok(found.len() <= self.most as usize)
    }

    /// How many rows to look for, to know whether there are too many for one step.
    pub(super) fn one_more(&self) -> i64 {
        i64::from(self.most) + 1
    }
}
