//! A client that holds a room, and hears of it by events alone.

use std::collections::BTreeMap;

use crate::{
    conformance::store::{
        model::tidy,
        script::{Script, Step, tidies},
    },
    event::{RoomChange, RoomEvent},
    id::{RoomId, UserId},
    message::{Message, MessageChange},
    participant::Participant,
    seq::{Rev, Seq},
    store::{Backend, ChangeSet},
};

/// How a client catches up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// So many revisions in a page.
    pub(super) page: u32,
    /// From which batch on it holds the rooms.
    pub(super) from: usize,
    /// After every so many batches, and at the end.
    pub(super) every: usize,
}

/// Plays a history; whoever held a room before a batch, and catches up now and then,
/// holds at the end what somebody has who comes anew.
pub(super) async fn catches_up(store: &dyn Backend, history: &[Vec<Step>], way: Way) {
    let mut script = Script::default();
    let mut replicas: Vec<Replica> = Vec::new();
    for (number, steps) in history.iter().enumerate() {
        if number == way.from {
            for room in &script.rooms {
                replicas.push(Replica::of(*room, whole(store, *room).await));
            }
        }
        script.ticks(&steps[0]);
        let changes: Vec<_> = steps.iter().map(|step| script.change(step)).collect();
        let outcomes = store.commit(script.now(), &changes).await.unwrap();
        script.learns(&outcomes);
        if tidies(&steps[0]) {
            tidy(store, script.now()).await;
        }
        if number.is_multiple_of(way.every) {
            for replica in &mut replicas {
                replica.catches_up(store, way.page).await;
            }
        }
    }
    tidy(store, script.now()).await;
    for mut replica in replicas {
        let (before, read) = (replica.resets, replica.read);
        let told = replica.catches_up(store, way.page).await;
        let row = store.room(replica.room).await.unwrap().unwrap();
        assert_eq!(replica.read, row.rev);
        if replica.resets == before && replica.read > read {
            assert_eq!(told, row.rev, "the head is told by what it changed");
        }
        let now = Replica::of(replica.room, whole(store, replica.room).await);
        assert_eq!(replica.messages, now.messages);
        assert_eq!(replica.roles(), now.roles());
        // A pointer that moved while the room was large is not shown, and one that moved
        // between two pages is shown with the next receipt.
        if row.is_small() && !replica.was_large && way.page == u32::MAX {
            assert_eq!(replica.people, now.people, "{:?}", replica.room);
        }
    }
}

async fn whole(store: &dyn Backend, room: RoomId) -> ChangeSet {
    let set = store.changes(room, Rev::ZERO, u32::MAX).await.unwrap();
    assert!(set.complete);
    set
}

/// What others see of a participant: active or not, role, both pointers.
type Seen = (bool, crate::participant::Role, Seq, Seq);

struct Replica {
    room: RoomId,
    /// Up to where the changes were read.
    read: Rev,
    messages: BTreeMap<Seq, Message>,
    people: BTreeMap<UserId, Seen>,
    was_large: bool,
    /// How often it came anew.
    resets: usize,
}

impl Replica {
    fn of(room: RoomId, set: ChangeSet) -> Self {
        let messages = set.messages.into_iter().map(nameless);
        let people = set.participants.iter();
        Self {
            room,
            read: set.rev,
            messages: messages.map(|message| (message.seq, message)).collect(),
            people: people.map(|one| (one.user.clone(), seen(one))).collect(),
            was_large: set.participants.len() > 90,
            resets: 0,
        }
    }

    /// Active or not, and the role, of everybody.
    fn roles(&self) -> Vec<(&UserId, bool, crate::participant::Role)> {
        let people = self.people.iter();
        people.map(|(user, one)| (user, one.0, one.1)).collect()
    }

    /// Reads page after page; answers the newest `rev` that was told.
    async fn catches_up(&mut self, store: &dyn Backend, page: u32) -> Rev {
        let mut told = self.read;
        loop {
            let set = store.changes(self.room, self.read, page).await.unwrap();
            let (end, complete, reset) = (set.rev, set.complete, set.reset);
            assert!(end >= self.read, "a page leads further, or nothing is new");
            let events = set.into_events(self.room, self.read);
            if reset {
                let only: Vec<&RoomChange> = events.iter().map(|event| &event.change).collect();
                assert_eq!(only, [&RoomChange::Reset]);
                let anew = whole(store, self.room).await;
                *self = Self {
                    resets: self.resets + 1,
                    was_large: self.was_large,
                    ..Self::of(self.room, anew)
                };
                return self.read;
            }
            let mut after = self.read;
            for event in events {
                assert_eq!((event.room, event.after), (self.room, after));
                assert!(event.rev > event.after, "each rev once");
                (after, told) = (event.rev, event.rev);
                self.hears(event);
            }
            assert!(after <= end);
            self.read = end;
            if complete {
                return told;
            }
        }
    }

    fn hears(&mut self, event: RoomEvent) {
        match event.change {
            RoomChange::Message(message) => self.hears_message(*message),
            RoomChange::Participant(one) => {
                self.people.insert(one.user.clone(), seen(&one));
            }
            RoomChange::Receipt(receipt) => {
                let known = self.people.get_mut(&receipt.user).unwrap();
                (known.2, known.3) = (receipt.delivered_seq, receipt.read_seq);
            }
            RoomChange::Room(room) => {
                assert_eq!(room.id, self.room);
                self.messages.retain(|seq, _| *seq >= room.first_seq);
            }
            RoomChange::Reset => panic!("a reset is not told among other changes"),
        }
    }

    /// A message told as it was sent moves its sender's pointers along, as the store does.
    fn hears_message(&mut self, message: Message) {
        let new = message.change() == MessageChange::Sent;
        let sender = message.sender.user();
        if let Some(sender) = sender.and_then(|sender| self.people.get_mut(sender))
            && new
            && message.seq.follows(sender.3)
        {
            (sender.2, sender.3) = (message.seq, message.seq);
        }
        self.messages.insert(message.seq, nameless(message));
    }
}

fn seen(one: &Participant) -> Seen {
    (one.is_active(), one.role, one.delivered_seq, one.read_seq)
}

/// Names change without a `rev`.
fn nameless(mut message: Message) -> Message {
    if let crate::message::Sender::User { name, .. } = &mut message.sender {
        *name = None;
    }
    message
}
