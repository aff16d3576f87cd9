//! The words in which the cases are told.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::Rig;
use crate::{
    change::{Actor, Answer, Change, Committed, Draft, History, Legacy, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::RoomKind,
    search::{Hit, SearchCursor, SearchPage, SearchQuery, SearchText},
    seq::Seq,
    time::Timestamp,
};

/// When every case begins.
const START: i64 = 1_700_000_000_042;
/// Milliseconds between two commits.
const TICK: i64 = 1_000;
/// Steps of indexing in which everything of a case must be done.
const STEPS: usize = 10_000;

pub(super) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn by(name: &str) -> Actor {
    Actor::user(user(name))
}

fn body(text: &str) -> Body {
    Body::parse(text.to_owned(), usize::MAX).unwrap()
}

fn newcomer(who: &str) -> NewParticipant {
    NewParticipant {
        user: user(who),
        role: Role::Member,
        name: None,
    }
}

pub(super) fn asking(text: &str) -> SearchQuery {
    SearchQuery {
        text: SearchText::parse(text).unwrap(),
        room: None,
        before: None,
        limit: 0,
    }
}

/// A database with its index, and a clock that ticks with every commit.
#[derive(Debug)]
pub(super) struct House {
    pub(super) rig: Rig,
    clock: AtomicI64,
    client_ids: AtomicU64,
}

impl House {
    pub(super) fn new(rig: Rig) -> Self {
        Self {
            rig,
            clock: AtomicI64::new(START),
            client_ids: AtomicU64::new(0),
        }
    }

    pub(super) fn tick(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.fetch_add(TICK, Ordering::Relaxed) + TICK)
    }

    /// Sets the clock back, by commits.
    pub(super) fn steps_back(&self, ticks: i64) {
        self.clock.fetch_sub(ticks * TICK, Ordering::Relaxed);
    }

    pub(super) async fn commits(&self, changes: &[Change]) -> Vec<Committed> {
        let outcomes = self.rig.store.commit(self.tick(), changes).await.unwrap();
        outcomes.into_iter().map(Result::unwrap).collect()
    }

    pub(super) async fn does(&self, change: Change) -> Committed {
        self.commits(&[change]).await.remove(0)
    }

    pub(super) fn opening(people: &[&str]) -> Change {
        Change::Open(NewRoom {
            kind: RoomKind::Group,
            subject: None,
            key: None,
            title: None,
            metadata: None,
            participants: people.iter().map(|who| newcomer(who)).collect(),
        })
    }

    pub(super) async fn opens(&self, people: &[&str]) -> RoomId {
        opened(&self.does(Self::opening(people)).await)
    }

    pub(super) fn saying(&self, room: RoomId, who: &str, text: &str) -> Change {
        let number = self.client_ids.fetch_add(1, Ordering::Relaxed);
        Change::Send(Draft {
            room,
            from: by(who),
            client_id: ClientId::parse(&format!("c-{number}")).unwrap(),
            body: body(text),
            kind: MessageKind::Text,
            reply_to: None,
            metadata: None,
        })
    }

    pub(super) async fn says(&self, room: RoomId, who: &str, text: &str) -> Seq {
        said(&self.does(self.saying(room, who, text)).await)
    }

    /// Sends many messages, some hundred in a commit.
    pub(super) async fn says_all(
        &self,
        room: RoomId,
        who: &str,
        texts: impl Iterator<Item = String>,
    ) {
        let drafts: Vec<Change> = texts.map(|text| self.saying(room, who, &text)).collect();
        for batch in drafts.chunks(256) {
            self.commits(batch).await;
        }
    }

    pub(super) async fn announces(&self, room: RoomId, text: &str) -> Seq {
        let mut change = self.saying(room, "nobody", text);
        if let Change::Send(draft) = &mut change {
            draft.from = Actor::Service;
            draft.kind = MessageKind::System;
        }
        said(&self.does(change).await)
    }

    pub(super) fn editing(room: RoomId, who: &str, seq: Seq, text: &str) -> Change {
        Change::Edit {
            room,
            seq,
            by: by(who),
            body: body(text),
            sent_after: None,
        }
    }

    pub(super) async fn edits(&self, room: RoomId, who: &str, seq: Seq, text: &str) {
        self.does(Self::editing(room, who, seq, text)).await;
    }

    pub(super) fn deleting(room: RoomId, who: &str, seq: Seq) -> Change {
        Change::Delete {
            room,
            seq,
            by: by(who),
            sent_after: None,
        }
    }

    pub(super) async fn deletes(&self, room: RoomId, who: &str, seq: Seq) {
        self.does(Self::deleting(room, who, seq)).await;
    }

    pub(super) fn admitting(room: RoomId, who: &str, history: History) -> Change {
        Change::Admit {
            room,
            participant: newcomer(who),
            history,
        }
    }

    pub(super) async fn admits(&self, room: RoomId, who: &str, history: History) {
        self.does(Self::admitting(room, who, history)).await;
    }

    pub(super) fn removing(room: RoomId, who: &str, keeps_history: bool) -> Change {
        Change::Remove {
            room,
            user: user(who),
            keeps_history,
        }
    }

    pub(super) async fn removes(&self, room: RoomId, who: &str, keeps_history: bool) {
        self.does(Self::removing(room, who, keeps_history)).await;
    }

    pub(super) async fn retains(&self, room: RoomId, from: Seq) {
        self.does(Change::Retain { room, from }).await;
    }

    pub(super) async fn erases(&self, who: &str, messages: Legacy) {
        let user = user(who);
        self.does(Change::Erase {
            user,
            messages,
            once: None,
        })
        .await;
    }

    pub(super) async fn tidies(&self) {
        for _ in 0..STEPS {
            if !self.rig.store.tidy(self.tick()).await.unwrap().more {
                return;
            }
        }
        panic!("tidying never ends");
    }

    /// The rooms that lack something.
    pub(super) async fn behind(&self) -> Vec<RoomId> {
        let (mut rooms, mut after) = (Vec::new(), None);
        for _ in 0..STEPS {
            let behind = self.rig.search.behind(after).await.unwrap();
            assert!(after < behind.next || behind.next.is_none(), "it goes on");
            rooms.extend(behind.rooms);
            after = behind.next;
            if after.is_none() {
                return rooms;
            }
        }
        panic!("the rooms never end");
    }

    /// Fills the index as [`Search::behind`](crate::search::Search::behind) says.
    pub(super) async fn indexes(&self) {
        let mut rooms = self.behind().await;
        for _ in 0..STEPS {
            if rooms.is_empty() {
                let missed = self.behind().await;
                assert!(missed.is_empty(), "all of {missed:?} was indexed");
                return;
            }
            rooms = self.rig.search.index(&rooms).await.unwrap().rest;
        }
        panic!("indexing never ends");
    }

    pub(super) async fn page(&self, who: &str, query: &SearchQuery) -> SearchPage {
        let page = self.rig.search.search(&user(who), query).await.unwrap();
        let order: Vec<SearchCursor> = page.hits.iter().map(at).collect();
        assert!(order.is_sorted_by(|a, b| a > b), "newest first: {order:?}");
        let before = |cursor: &SearchCursor| query.before.is_none_or(|before| *cursor < before);
        assert!(
            order.iter().chain(&page.next).all(before),
            "each page goes on"
        );
        page
    }

    /// The hits of all pages.
    pub(super) async fn all(&self, who: &str, query: &SearchQuery) -> Vec<Hit> {
        let (mut hits, mut query) = (Vec::new(), query.clone());
        for _ in 0..STEPS {
            let page = self.page(who, &query).await;
            hits.extend(page.hits);
            query.before = page.next;
            if page.next.is_none() {
                return hits;
            }
        }
        panic!("the pages never end");
    }

    /// The texts of all hits.
    pub(super) async fn finds(&self, who: &str, text: &str) -> Vec<String> {
        let hits = self.all(who, &asking(text)).await;
        hits.into_iter()
            .filter_map(|hit| hit.message.body)
            .collect()
    }

    pub(super) async fn finds_in(&self, room: RoomId, who: &str, text: &str) -> Vec<u64> {
        let query = SearchQuery {
            room: Some(room),
            ..asking(text)
        };
        let hits = self.all(who, &query).await;
        assert!(hits.iter().all(|hit| hit.message.room == room));
        hits.iter().map(|hit| hit.message.seq.get()).collect()
    }
}

pub(super) fn at(hit: &Hit) -> SearchCursor {
    SearchCursor::of(&hit.message)
}

pub(super) fn opened(committed: &Committed) -> RoomId {
    let Answer::Room { room, .. } = &committed.answer else {
        panic!("{:?} is no room", committed.answer);
    };
    room.id
}

pub(super) fn said(committed: &Committed) -> Seq {
    let Answer::Message { message, .. } = &committed.answer else {
        panic!("{:?} is no message", committed.answer);
    };
    message.seq
}
