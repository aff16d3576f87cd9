//! The words in which the cases are told.

mod place;
mod words;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

pub(super) use self::{place::Place, words::*};
use crate::{
    change::{Answer, Change, Committed, Legacy, NewRoom, Rejection},
    event::{RoomEvent, Topic},
    id::{ClientId, RoomId},
    seq::Rev,
    store::{ExportCursor, Exported, Outcome, RoomQuery, RoomView, SharedBackend},
    time::Timestamp,
};

/// When every case begins: 2023-11-14T22:13:20.042Z.
const START: i64 = 1_700_000_000_042;
/// Milliseconds between two commits.
const TICK: i64 = 1_000;
/// More steps than any case leaves to be tidied, or pages to be exported.
const STEPS: usize = 100;

/// A database, and a clock that ticks with every commit.
#[derive(Debug)]
pub(super) struct House {
    pub(super) store: SharedBackend,
    clock: AtomicI64,
    client_ids: AtomicU64,
}

impl House {
    pub(super) fn new(store: SharedBackend) -> Self {
        Self {
            store,
            clock: AtomicI64::new(START),
            client_ids: AtomicU64::new(0),
        }
    }

    /// The time of the newest commit.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::Relaxed))
    }

    /// A time that `ticks` commits from now will have; negative: that they had.
    pub(super) fn in_ticks(&self, ticks: i64) -> Timestamp {
        Timestamp::from_millis(self.now().as_millis() + ticks * TICK)
    }

    fn tick(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.fetch_add(TICK, Ordering::Relaxed) + TICK)
    }

    pub(super) fn client_id(&self) -> ClientId {
        let number = self.client_ids.fetch_add(1, Ordering::Relaxed);
        client_id(&format!("c-{number}"))
    }

    /// Commits a batch.
    pub(super) async fn commits(&self, changes: &[Change]) -> Vec<Outcome> {
        let outcomes = self.store.commit(self.tick(), changes).await.unwrap();
        assert_eq!(outcomes.len(), changes.len(), "an answer for each change");
        outcomes
    }

    /// Commits one change.
    pub(super) async fn tries(&self, change: Change) -> Outcome {
        self.commits(&[change]).await.remove(0)
    }

    /// Commits one change, which is accepted.
    pub(super) async fn does(&self, change: Change) -> Committed {
        let told = format!("{change:?}");
        self.tries(change)
            .await
            .unwrap_or_else(|rejection| panic!("refused as {rejection:?}: {told}"))
    }

    /// Commits one change, which is refused.
    pub(super) async fn refuses(&self, change: Change) -> Rejection {
        let told = format!("{change:?}");
        match self.tries(change).await {
            Err(rejection) => rejection,
            Ok(committed) => panic!("accepted with {committed:?}: {told}"),
        }
    }

    /// Erases a person.
    pub(super) async fn erases(&self, who: &str, messages: Legacy) {
        let user = user(who);
        let committed = self
            .does(Change::Erase {
                user,
                messages,
                once: None,
            })
            .await;
        assert_eq!(committed.answer, Answer::Erased { duplicate: false });
        is_silent(&committed);
    }

    /// Does all that is left to be done, each step at one and the same time; answers
    /// what each of the steps told.
    pub(super) async fn tidies_in_steps(&self) -> Vec<Vec<RoomEvent>> {
        let now = self.tick();
        let mut steps = Vec::new();
        while steps.len() < STEPS {
            let tidied = self.store.tidy(now).await.unwrap();
            steps.push(tidied.events);
            if !tidied.more {
                return steps;
            }
        }
        panic!("there is always more to do");
    }

    /// Does all that is left to be done; answers what was told.
    pub(super) async fn tidies(&self) -> Vec<RoomEvent> {
        self.tidies_in_steps().await.into_iter().flatten().collect()
    }

    /// A page of what is known of somebody.
    pub(super) async fn exports_a_page(
        &self,
        who: &str,
        after: Option<ExportCursor>,
    ) -> Option<(Vec<Exported>, Option<ExportCursor>)> {
        let page = self.store.export(&user(who), after).await.unwrap();
        page.map(|page| (page.items, page.next))
    }

    /// All that is known of somebody after a position, page by page.
    pub(super) async fn exports(
        &self,
        who: &str,
        mut after: Option<ExportCursor>,
    ) -> Vec<Vec<Exported>> {
        let mut pages = Vec::new();
        while pages.len() < STEPS {
            let page = self.exports_a_page(who, after).await;
            let (items, next) = page.expect("they are known");
            pages.push(items);
            let Some(next) = next else { return pages };
            after = Some(next);
        }
        panic!("there is always more to export");
    }

    /// Opens a room that was not there.
    pub(super) async fn opens(&self, new: NewRoom) -> Place<'_> {
        let (room, created) = room_in(&self.does(Change::Open(new)).await);
        assert!(created, "the room is new");
        self.place(room.id)
    }

    /// Opens a group room.
    pub(super) async fn group(&self, people: &[&str]) -> Place<'_> {
        self.opens(group(people)).await
    }

    pub(super) const fn place(&self, id: RoomId) -> Place<'_> {
        Place { house: self, id }
    }

    /// The newest `rev` of a user's stream.
    pub(super) async fn user_head(&self, who: &str) -> Rev {
        let topics = [Topic::User(user(who))];
        self.store.heads(&topics).await.unwrap()[0]
    }

    /// A page of the user's room list.
    pub(super) async fn rooms(&self, who: &str, query: &RoomQuery) -> Vec<RoomView> {
        self.store.rooms(&user(who), query).await.unwrap()
    }

    /// The ids of the user's room list.
    pub(super) async fn room_ids(&self, who: &str, query: &RoomQuery) -> Vec<RoomId> {
        let views = self.rooms(who, query).await;
        views.into_iter().map(|view| view.room.id).collect()
    }
}
