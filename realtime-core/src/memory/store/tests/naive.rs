//! The contract told a second time, as simply as possible: a list of what was
//! accepted, replayed from the beginning for every question, with flat lists that
//! are searched from end to end.

mod apply;
mod ask;
mod keep;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::{
    change::{Change, Legacy},
    conformance::store::model::Echo,
    event::Topic,
    id::{EventId, IdGenerator, Incarnation, MessageId, RoomId, UserId},
    message::Message,
    participant::Participant,
    room::{Room, Subject},
    seq::{Rev, Seq},
    store::{
        Aged, Catalog, ChangeSet, Edition, ExportCursor, ExportPage, HistoryPage, Outcome,
        RoomQuery, RoomView, Store, StoreError, Tidied, Unread, UnreadTotals, Upkeep, Window,
    },
    time::Timestamp,
};

/// What was accepted, in order, with the ids that were given to it.
#[derive(Debug)]
pub(super) struct Naive {
    ids: Arc<Echo>,
    log: Mutex<Vec<Entry>>,
}

/// Something that made a difference.
#[derive(Debug, Clone)]
enum Entry {
    Change(Accepted),
    Saw(Vec<UserId>, Timestamp),
    Tidied(Timestamp),
}

#[derive(Debug, Clone)]
struct Accepted {
    now: Timestamp,
    change: Change,
    room: RoomId,
    message: MessageId,
}

/// All there is after a replay.
#[derive(Debug, Default)]
struct World {
    rooms: Vec<Room>,
    people: Vec<Participant>,
    messages: Vec<Message>,
    /// Fingerprints of messages by room and place.
    asked: Vec<(RoomId, Seq, i64)>,
    keys: Vec<(EventId, i64, RoomId)>,
    events: Vec<(EventId, i64, RoomId, Option<Seq>)>,
    names: Vec<(UserId, String)>,
    /// Who came into or went out of which room.
    moves: Vec<(UserId, RoomId)>,
    seen: Vec<(UserId, Timestamp)>,
    editions: Vec<(RoomId, Seq, Edition)>,
    resets: Vec<(RoomId, Rev)>,
    /// People who were erased from a room, whose part in it is not tidied.
    gone: Vec<Gone>,
}

#[derive(Debug)]
struct Gone {
    room: RoomId,
    was_active: bool,
    said: Vec<Seq>,
    messages: Legacy,
}

impl Naive {
    pub(super) fn new(ids: Arc<Echo>) -> Self {
        Self {
            ids,
            log: Mutex::default(),
        }
    }

    fn world(&self) -> World {
        let mut world = World::default();
        for entry in self.log.lock().unwrap().iter() {
            match entry {
                Entry::Change(accepted) => drop(world.apply(accepted).unwrap()),
                Entry::Saw(users, at) => world.saw(users, *at),
                Entry::Tidied(now) => drop(world.tidy(*now)),
            }
        }
        world
    }

    fn log(&self, entry: Entry) {
        self.log.lock().unwrap().push(entry);
    }
}

#[async_trait]
impl Store for Naive {
    async fn incarnation(&self) -> Result<Incarnation, StoreError> {
        Ok(Incarnation::from_uuid(uuid::Uuid::nil()))
    }

    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::new();
        for change in changes {
            let mut world = self.world();
            let mut attempt = Accepted {
                now,
                change: change.clone(),
                room: RoomId::from_uuid(uuid::Uuid::nil()),
                message: MessageId::from_uuid(uuid::Uuid::nil()),
            };
            // Which ids it needs is seen by trying it.
            if let Ok(done) = self.world().apply(&attempt) {
                if world.opens(&done) {
                    attempt.room = RoomId::from_uuid(self.ids.uuid());
                }
                if done.posts() {
                    attempt.message = MessageId::from_uuid(self.ids.uuid());
                }
            }
            let outcome = world.apply(&attempt);
            if outcome.is_ok() {
                self.log(Entry::Change(attempt));
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError> {
        let world = self.world();
        Ok(topics.iter().map(|topic| world.head(topic)).collect())
    }

    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError> {
        Ok(self.world().changes(room, after, limit))
    }

    async fn history(
        &self,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, StoreError> {
        Ok(self.world().history(room, window, limit))
    }

    async fn participant(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Participant>, StoreError> {
        Ok(self.world().participant(room, user))
    }

    async fn memberships(
        &self,
        user: &UserId,
        limit: u32,
    ) -> Result<(Vec<RoomId>, Rev), StoreError> {
        let world = self.world();
        let ids = world.rooms_of(user, &RoomQuery::default());
        let ids = ids.into_iter().take(limit as usize).collect();
        Ok((ids, world.head(&Topic::User(user.clone()))))
    }
}

#[async_trait]
impl Catalog for Naive {
    async fn room(&self, room: RoomId) -> Result<Option<Room>, StoreError> {
        Ok(self.world().room(room))
    }

    async fn room_of(&self, subject: &Subject) -> Result<Option<Room>, StoreError> {
        let rooms = self.world().rooms;
        let mut rooms = rooms.into_iter();
        Ok(rooms.find(|room| room.subject.as_ref() == Some(subject)))
    }

    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError> {
        let world = self.world();
        let ids = world.rooms_of(user, query).into_iter();
        let limit = crate::limits::page_rows(query.limit, crate::limits::ROOMS_PAGE);
        let views = ids.filter_map(|room| world.view(room, user));
        Ok(views
            .filter(|view| !query.unread_only || view.unread.count > 0)
            .take(limit as usize)
            .collect())
    }

    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError> {
        let world = self.world();
        let mut views: Vec<RoomView> = Vec::new();
        for room in rooms {
            let new = views.iter().all(|view| view.room.id != *room);
            let people = world.active_in(*room);
            if new && people.iter().any(|one| one.user == *user) {
                views.extend(world.view(*room, user));
            }
        }
        Ok(views)
    }

    async fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, StoreError> {
        let limit = crate::limits::page_rows(limit, crate::limits::PARTICIPANTS_PAGE);
        let people = self.world().active_in(room).into_iter();
        Ok(people
            .filter(|one| after.is_none_or(|after| one.user > *after))
            .take(limit as usize)
            .collect())
    }

    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError> {
        Ok(self.world().unread(room, user))
    }

    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError> {
        let world = self.world();
        let rooms = world.rooms_of(user, &RoomQuery::default());
        let unread: Vec<Unread> = rooms.iter().map(|room| world.unread(*room, user)).collect();
        Ok(UnreadTotals {
            rooms: unread.iter().filter(|one| one.count > 0).count() as u32,
            messages: unread.iter().map(|one| one.count).sum(),
            capped: unread.iter().any(|one| one.capped),
        })
    }

    async fn acquaintances(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, StoreError> {
        let world = self.world();
        let is_in = |room: &Room, who: &UserId| {
            let people = world.active_in(room.id);
            people.iter().any(|one| one.user == *who)
        };
        let mut known: Vec<UserId> = Vec::new();
        for other in others {
            let mut rooms = world.rooms.iter();
            let meet = rooms.any(|room| is_in(room, user) && is_in(room, other));
            if meet && !known.contains(other) {
                known.push(other.clone());
            }
        }
        Ok(known)
    }

    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError> {
        self.log(Entry::Saw(users.to_vec(), at));
        Ok(())
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let world = self.world();
        Ok(users.iter().map(|user| world.last_seen(user)).collect())
    }
}

#[async_trait]
impl Upkeep for Naive {
    async fn editions(
        &self,
        room: RoomId,
        seq: Seq,
        after: Rev,
        limit: u32,
    ) -> Result<Vec<Edition>, StoreError> {
        let limit = crate::limits::page_rows(limit, crate::limits::EDITIONS_PAGE);
        let mut editions = self.world().editions_of(room, seq);
        editions.retain(|edition| edition.rev > after);
        editions.truncate(limit as usize);
        Ok(editions)
    }

    async fn aged(
        &self,
        horizon: Timestamp,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Aged>, StoreError> {
        let limit = crate::limits::page_rows(limit, crate::limits::ROOMS_PAGE);
        let mut aged = self.world().aged(horizon);
        aged.retain(|one| Some(one.room) > after);
        aged.truncate(limit as usize);
        Ok(aged)
    }

    async fn tidy(&self, now: Timestamp) -> Result<Tidied, StoreError> {
        let events = self.world().tidy(now);
        self.log(Entry::Tidied(now));
        Ok(Tidied {
            events,
            more: false,
        })
    }

    /// All of it is one page.
    async fn export(
        &self,
        user: &UserId,
        _: Option<ExportCursor>,
    ) -> Result<Option<ExportPage>, StoreError> {
        let items = self.world().export(user);
        Ok(items.map(|items| ExportPage { items, next: None }))
    }
}
