//! The words in which the cases are told.

mod words;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

pub(super) use self::words::*;
use crate::{
    change::{
        Actor, Change, Committed, Draft, NewParticipant, NewRoom, Pointer, Rejection, RoomAction,
    },
    event::Topic,
    id::{ClientId, RoomId},
    message::{Message, MessageKind},
    participant::{Participant, Role},
    room::{Metadata, Room},
    seq::{Rev, Seq},
    store::{ChangeSet, HistoryPage, Outcome, RoomQuery, RoomView, SharedBackend, Unread, Window},
    time::Timestamp,
};

/// When every case begins: 2023-11-14T22:13:20.042Z.
const START: i64 = 1_700_000_000_042;
/// Milliseconds between two commits.
const TICK: i64 = 1_000;

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

/// A room of a [`House`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) house: &'a House,
    pub(super) id: RoomId,
}

impl Place<'_> {
    /// A text with a fresh `client_id`.
    pub(super) fn draft(&self, from: Actor, body: &str) -> Draft {
        Draft {
            room: self.id,
            from,
            client_id: self.house.client_id(),
            body: text(body),
            kind: MessageKind::Text,
            reply_to: None,
            metadata: None,
        }
    }

    /// A text with a `client_id` of one's own.
    pub(super) fn named_draft(&self, from: Actor, name: &str, body: &str) -> Draft {
        Draft {
            client_id: client_id(name),
            ..self.draft(from, body)
        }
    }

    pub(super) async fn sends(&self, draft: Draft) -> Message {
        let (message, duplicate) = message_in(&self.house.does(Change::Send(draft)).await);
        assert!(!duplicate, "the message is new");
        message
    }

    pub(super) async fn refuses(&self, draft: Draft) -> Rejection {
        self.house.refuses(Change::Send(draft)).await
    }

    pub(super) async fn says(&self, who: &str, body: &str) -> Message {
        self.sends(self.draft(by(who), body)).await
    }

    /// Sends many short messages in one batch.
    pub(super) async fn says_often(&self, who: &str, times: u64) {
        let drafts = (0..times).map(|number| self.draft(by(who), &format!("{number}")));
        let batch: Vec<Change> = drafts.map(Change::Send).collect();
        for outcome in self.house.commits(&batch).await {
            outcome.unwrap();
        }
    }

    /// Posts a system message.
    pub(super) async fn announces(&self, body: &str) -> Message {
        self.sends(Draft {
            kind: MessageKind::System,
            ..self.draft(Actor::Service, body)
        })
        .await
    }

    pub(super) fn edit(&self, by: Actor, seq: u64, body: &str) -> Change {
        Change::Edit {
            room: self.id,
            seq: Seq::new(seq),
            by,
            body: text(body),
        }
    }

    pub(super) async fn edits(&self, by: Actor, seq: u64, body: &str) -> Committed {
        self.house.does(self.edit(by, seq, body)).await
    }

    pub(super) fn delete(&self, by: Actor, seq: u64) -> Change {
        Change::Delete {
            room: self.id,
            seq: Seq::new(seq),
            by,
        }
    }

    pub(super) async fn deletes(&self, by: Actor, seq: u64) -> Committed {
        self.house.does(self.delete(by, seq)).await
    }

    pub(super) fn mark(&self, who: &str, pointer: Pointer, seq: u64) -> Change {
        Change::Mark {
            room: self.id,
            user: user(who),
            pointer,
            seq: Seq::new(seq),
        }
    }

    pub(super) async fn reads(&self, who: &str, seq: u64) -> Committed {
        self.house.does(self.mark(who, Pointer::Read, seq)).await
    }

    pub(super) async fn receives(&self, who: &str, seq: u64) -> Committed {
        let mark = self.mark(who, Pointer::Delivered, seq);
        self.house.does(mark).await
    }

    pub(super) fn admit(&self, who: &str, role: Role) -> Change {
        Change::Admit {
            room: self.id,
            participant: NewParticipant {
                role,
                ..newcomer(who)
            },
        }
    }

    pub(super) async fn admits(&self, who: &str, role: Role) -> Committed {
        self.house.does(self.admit(who, role)).await
    }

    pub(super) fn remove(&self, who: &str) -> Change {
        Change::Remove {
            room: self.id,
            user: user(who),
        }
    }

    pub(super) async fn removes(&self, who: &str) -> Committed {
        self.house.does(self.remove(who)).await
    }

    pub(super) async fn acts(&self, action: RoomAction) -> Committed {
        let room = self.id;
        self.house.does(Change::Act { room, action }).await
    }

    pub(super) async fn locks(&self) -> Committed {
        self.acts(RoomAction::Lock { at: None }).await
    }

    pub(super) async fn describes(
        &self,
        title: Option<Option<&str>>,
        metadata: Option<Option<Metadata>>,
    ) -> Committed {
        let change = Change::Describe {
            room: self.id,
            title: title.map(|title| title.map(str::to_owned)),
            metadata,
        };
        self.house.does(change).await
    }

    /// The room as it stands.
    pub(super) async fn row(&self) -> Room {
        let room = self.house.store.room(self.id).await.unwrap();
        room.expect("the room is there")
    }

    pub(super) async fn head(&self) -> Rev {
        let topics = [Topic::Room(self.id)];
        self.house.store.heads(&topics).await.unwrap()[0]
    }

    pub(super) async fn person(&self, who: &str) -> Participant {
        let store = &self.house.store;
        let participant = store.participant(self.id, &user(who)).await.unwrap();
        participant.expect("they are known here")
    }

    /// How far somebody has received and read.
    pub(super) async fn pointers(&self, who: &str) -> (u64, u64) {
        let person = self.person(who).await;
        (person.delivered_seq.get(), person.read_seq.get())
    }

    pub(super) async fn history(&self, window: Window, limit: u32) -> HistoryPage {
        let store = &self.house.store;
        store.history(self.id, window, limit).await.unwrap()
    }

    /// The newest messages, which are all in a short room.
    pub(super) async fn messages(&self) -> Vec<Message> {
        self.history(Window::Latest, u32::MAX).await.messages
    }

    /// One message as it stands.
    pub(super) async fn message(&self, seq: u64) -> Message {
        let window = Window::Around(Seq::new(seq));
        let page = self.history(window, 1).await;
        let message = page.messages.into_iter().next();
        let message = message.expect("the message is there");
        assert_eq!(message.seq.get(), seq);
        message
    }

    pub(super) async fn changes(&self, after: u64, limit: u32) -> ChangeSet {
        let store = &self.house.store;
        let after = Rev::new(after);
        store.changes(self.id, after, limit).await.unwrap()
    }

    pub(super) async fn unread(&self, who: &str) -> Unread {
        let store = &self.house.store;
        store.unread(self.id, &user(who)).await.unwrap()
    }

    pub(super) async fn view(&self, who: &str) -> RoomView {
        let store = &self.house.store;
        let mut views = store.views(&user(who), &[self.id]).await.unwrap();
        assert_eq!(views.len(), 1, "the room is seen");
        views.remove(0)
    }

    /// Does something that must not change the room in any way.
    pub(super) async fn stays_as_it_was<T>(&self, action: impl Future<Output = T>) -> T {
        let before = (self.row().await, self.changes(0, 0).await);
        let answer = action.await;
        assert_eq!((self.row().await, self.changes(0, 0).await), before);
        answer
    }

    /// Checks that nothing is missing and nothing is twice: `seq` and `rev` are
    /// dense, and every way of reading tells the same.
    pub(super) async fn is_dense(&self) {
        let row = self.row().await;
        assert_eq!(self.head().await, row.rev);
        let mut seqs = 0;
        let mut after = Seq::ZERO;
        loop {
            let page = self.history(Window::After(after), u32::MAX).await;
            assert!(!page.has_newer || !page.messages.is_empty());
            for message in &page.messages {
                assert!(
                    message.seq.follows(after),
                    "{} follows {after}",
                    message.seq
                );
                after = message.seq;
                seqs += 1;
            }
            if !page.has_newer {
                break;
            }
        }
        assert_eq!(seqs, row.last_seq.get());
    }
}
