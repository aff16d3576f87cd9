//! A store of one's own: here a wrapper that notes every change that was asked for and
//! what became of it, over the store in memory. A new database is built the same way.
//!
//! ```sh
//! cargo run -p realtime-examples --example own_store      # shows the notes
//! cargo test -p realtime-examples                         # holds it to the contract
//! ```
//!
//! One sees a line for each change. The test at the end runs the conformance suite: a
//! store that passes it keeps every promise of `realtime_core::store`.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use realtime_core::{
    Realtime,
    change::Change,
    event::Topic,
    id::{Incarnation, RoomId, UserId},
    memory::MemoryStore,
    participant::Participant,
    room::{Room, Subject},
    seq::{Rev, Seq},
    store::{
        Aged, Catalog, ChangeSet, Edition, ExportCursor, ExportPage, HistoryPage, Outcome,
        RoomQuery, RoomView, Store, StoreError, Tidied, Unread, UnreadTotals, Upkeep, Window,
    },
    time::Timestamp,
};
use realtime_examples::{Client, Failure, job_room};
use serde_json::json;

/// Notes that are kept; older ones are forgotten, so that memory is bounded.
const NOTES: usize = 10_000;

/// A store, and notes of what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    store: MemoryStore,
    notes: Mutex<VecDeque<String>>,
}

impl Audited {
    fn note(&self, changes: &[Change], outcomes: &[Outcome]) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for (change, outcome) in changes.iter().zip(outcomes) {
            let asked = match change.room() {
                Some(room) => format!("a change in {room}"),
                None => "a room, or an event".to_owned(),
            };
            let became = match outcome {
                Ok(committed) => format!("{} events", committed.events.len()),
                Err(rejection) => format!("refused: {rejection}"),
            };
            notes.push_back(format!("{asked}: {became}"));
        }
        let surplus = notes.len().saturating_sub(NOTES);
        notes.drain(..surplus);
    }
}

#[async_trait]
#[rustfmt::skip]
#[deny(clippy::missing_trait_methods)]
impl Store for Audited {
    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        let outcomes = self.store.commit(now, changes).await?;
        self.note(changes, &outcomes);
        Ok(outcomes)
    }

    // The rest goes straight through.
    async fn incarnation(&self) -> Result<Incarnation, StoreError> { self.store.incarnation().await }
    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError> { self.store.heads(topics).await }
    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError> { self.store.changes(room, after, limit).await }
    async fn history(&self, room: RoomId, window: Window, limit: u32) -> Result<HistoryPage, StoreError> { self.store.history(room, window, limit).await }
    async fn participant(&self, room: RoomId, user: &UserId) -> Result<Option<Participant>, StoreError> { self.store.participant(room, user).await }
    async fn memberships(&self, user: &UserId, limit: u32) -> Result<(Vec<RoomId>, Rev), StoreError> { self.store.memberships(user, limit).await }
}

#[async_trait]
#[rustfmt::skip]
#[deny(clippy::missing_trait_methods)]
impl Catalog for Audited {
    async fn room(&self, room: RoomId) -> Result<Option<Room>, StoreError> { self.store.room(room).await }
    async fn room_of(&self, subject: &Subject) -> Result<Option<Room>, StoreError> { self.store.room_of(subject).await }
    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError> { self.store.rooms(user, query).await }
    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError> { self.store.views(user, rooms).await }
    async fn participants(&self, room: RoomId, after: Option<&UserId>, limit: u32) -> Result<Vec<Participant>, StoreError> { self.store.participants(room, after, limit).await }
    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError> { self.store.unread(room, user).await }
    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError> { self.store.unread_totals(user).await }
    async fn acquaintances(&self, user: &UserId, others: &[UserId]) -> Result<Vec<UserId>, StoreError> { self.store.acquaintances(user, others).await }
    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError> { self.store.saw(users, at).await }
    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> { self.store.last_seen(users).await }
}

#[rustfmt::skip] // forwards, one line each, as above
#[async_trait]
impl Upkeep for Audited {
    async fn editions(&self, room: RoomId, seq: Seq, after: Rev, limit: u32) -> Result<Vec<Edition>, StoreError> { self.store.editions(room, seq, after, limit).await }
    async fn aged(&self, horizon: Timestamp, after: Option<RoomId>, limit: u32) -> Result<Vec<Aged>, StoreError> { self.store.aged(horizon, after, limit).await }
    async fn tidy(&self, now: Timestamp) -> Result<Tidied, StoreError> { self.store.tidy(now).await }
    async fn export(&self, user: &UserId, after: Option<ExportCursor>) -> Result<Option<ExportPage>, StoreError> { self.store.export(user, after).await }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    run().await?;
    Ok(())
}

/// Answers with the notes.
pub(crate) async fn run() -> Result<Vec<String>, Failure> {
    let store = Arc::new(Audited::default());
    let realtime = Realtime::builder(store.clone()).start().await?;
    let room = realtime
        .open(job_room("7421", ["ann", "ben"])?)
        .await?
        .room
        .id;
    let (mut ann, _) = Client::connect(&realtime, "ann", json!({})).await?;
    ann.ask(
        "send",
        json!({"room": room, "client_id": "1", "body": "Hello!"}),
    )
    .await?;
    ann.ask(
        "send",
        json!({"room": room, "client_id": "1", "body": "Hello again!"}),
    )
    .await
    .err();
    ann.ask("read", json!({"room": room, "seq": 1})).await?;
    let notes = store.notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.iter().for_each(|note| println!("{note}"));
    Ok(notes.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use realtime_core::store::SharedBackend;

    realtime_core::store_conformance!(Arc::new(Audited::default()) as SharedBackend);
}
