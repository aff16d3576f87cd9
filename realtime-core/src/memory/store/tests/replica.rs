//! A client that holds a room, and hears of it by events alone.

use std::collections::BTreeMap;

use crate::{
    conformance::store::script::{Script, Step},
    event::{RoomChange, RoomEvent},
    id::{RoomId, UserId},
    message::{Message, MessageChange},
    participant::Participant,
    seq::{Rev, Seq},
    store::{Backend, ChangeSet},
};

/// Plays a history; whoever held a room before batch `from` catches up at the end.
pub(super) async fn catches_up(store: &dyn Backend, history: &[Vec<Step>], from: usize) {
    let mut script = Script::default();
    let mut replicas: Vec<Replica> = Vec::new();
    for (number, steps) in history.iter().enumerate() {
        if number == from {
            for room in &script.rooms {
                replicas.push(Replica::of(*room, whole(store, *room).await));
            }
        }
        script.ticks(&steps[0]);
        let changes: Vec<_> = steps.iter().map(|step| script.change(step)).collect();
        let outcomes = store.commit(script.now(), &changes).await.unwrap();
        script.learns(&outcomes);
    }
    for mut replica in replicas {
        let set = store.changes(replica.room, replica.rev, u32::MAX).await;
        let (after, set) = (replica.rev, set.unwrap());
        assert!(set.complete);
        let head = set.rev;
        for event in set.into_events(after) {
            replica.hears(event);
        }
        assert_eq!(replica.rev, head);
        let now = Replica::of(replica.room, whole(store, replica.room).await);
        assert_eq!(replica.messages, now.messages);
        let row = store.room(replica.room).await.unwrap().unwrap();
        // A pointer that moved while the room was large is not shown.
        if row.is_small() && !replica.was_large {
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
    rev: Rev,
    messages: BTreeMap<Seq, Message>,
    people: BTreeMap<UserId, Seen>,
    was_large: bool,
}

impl Replica {
    fn of(room: RoomId, set: ChangeSet) -> Self {
        let messages = set.messages.into_iter().map(nameless);
        let people = set.participants.iter();
        Self {
            room,
            rev: set.rev,
            messages: messages.map(|message| (message.seq, message)).collect(),
            people: people.map(|one| (one.user.clone(), seen(one))).collect(),
            was_large: set.participants.len() > 90,
        }
    }

    fn hears(&mut self, event: RoomEvent) {
        assert_eq!((event.room, event.after), (self.room, self.rev));
        assert!(event.rev > event.after, "each rev once");
        self.rev = event.rev;
        match event.change {
            RoomChange::Message(message) => self.hears_message(*message),
            RoomChange::Participant(one) => {
                self.people.insert(one.user.clone(), seen(&one));
            }
            RoomChange::Receipt(receipt) => {
                let known = self.people.get_mut(&receipt.user).unwrap();
                (known.2, known.3) = (receipt.delivered_seq, receipt.read_seq);
            }
            RoomChange::Room(room) => assert_eq!(room.id, self.room),
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
