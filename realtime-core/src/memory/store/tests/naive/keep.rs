//! What is kept of messages and people, and for how long.

use super::{Gone, World};
use crate::{
    change::{Answer, Change, Committed, Legacy, Rejection},
    event::{RoomChange, RoomEvent},
    id::{RoomId, UserId},
    message::{Message, Sender},
    room::Room,
    seq::{Rev, Seq},
    store::{Aged, Edition, Exported, Outcome},
    time::Timestamp,
};

impl World {
    /// Whether a message is kept for its readers, though its row may still be there.
    pub(super) fn keeps(&self, room: RoomId, seq: Seq) -> bool {
        let room = self.rooms.iter().find(|one| one.id == room);
        room.is_some_and(|room| room.first_seq <= seq)
    }

    /// Notes what a message says before it is changed.
    pub(super) fn keep_edition(&mut self, message: &Message, now: Timestamp) {
        if let Some(body) = &message.body {
            let edition = Edition {
                rev: message.rev,
                body: body.clone(),
                metadata: message.metadata.clone(),
                written_at: message.edited_at.unwrap_or(message.sent_at),
                replaced_at: now,
            };
            self.editions.push((message.room, message.seq, edition));
        }
    }

    pub(super) fn editions_of(&self, room: RoomId, seq: Seq) -> Vec<Edition> {
        let all = self.editions.iter();
        let own = all.filter(|(one, place, _)| *one == room && *place == seq);
        let mut own: Vec<Edition> = own.map(|(.., edition)| edition.clone()).collect();
        own.retain(|_| self.keeps(room, seq));
        own
    }

    pub(super) fn aged(&self, horizon: Timestamp) -> Vec<Aged> {
        let mut rooms: Vec<&Room> = self.rooms.iter().collect();
        rooms.sort_by_key(|room| room.id);
        let mut aged = Vec::new();
        for room in rooms {
            let mut keep_from = room.first_seq;
            for message in self.messages_in(room.id) {
                if message.sent_at >= horizon {
                    break;
                }
                keep_from = message.seq.next();
            }
            if keep_from > room.first_seq {
                let room = room.id;
                aged.push(Aged { room, keep_from });
            }
        }
        aged
    }

    pub(super) fn knows(&self, user: &UserId) -> bool {
        self.people.iter().any(|one| one.user == *user)
    }

    pub(super) fn saw(&mut self, users: &[UserId], at: Timestamp) {
        for user in users {
            if self.knows(user) {
                self.seen.push((user.clone(), at));
            }
        }
    }

    pub(super) fn last_seen(&self, user: &UserId) -> Option<Timestamp> {
        let own = self.seen.iter().filter(|(one, _)| one == user);
        own.map(|(_, at)| *at).max()
    }

    pub(super) fn erase(&mut self, change: &Change) -> Outcome {
        let Change::Erase {
            user,
            messages: legacy,
            once,
        } = change
        else {
            panic!("not an erasure");
        };
        if let Some(once) = once {
            if let Some((_, first, ..)) = self.events.iter().find(|(id, ..)| *id == once.id) {
                let duplicate = *first == once.fingerprint;
                return if duplicate {
                    Ok(Committed {
                        answer: Answer::Erased { duplicate },
                        events: Vec::new(),
                        users: Vec::new(),
                    })
                } else {
                    Err(Rejection::KeyReused)
                };
            }
            let row = (once.id.clone(), once.fingerprint, RoomId::NIL, None);
            self.events.push(row);
        } else if !self.knows(user) {
            return Err(Rejection::NotFound);
        }
        for one in self.people.iter().filter(|one| one.user == *user) {
            let here = |message: &&mut Message| {
                message.room == one.room && message.sender.user() == Some(user)
            };
            let mut said = Vec::new();
            for message in self.messages.iter_mut().filter(here) {
                message.sender = Sender::Erased;
                message.client_id = None;
                said.push(message.seq);
            }
            self.gone.push(Gone {
                room: one.room,
                was_active: one.is_active(),
                said,
                messages: *legacy,
            });
        }
        self.people.retain(|one| one.user != *user);
        self.names.retain(|(one, _)| one != user);
        self.moves.retain(|(one, _)| one != user);
        self.seen.retain(|(one, _)| one != user);
        Ok(Committed {
            answer: Answer::Erased { duplicate: false },
            events: Vec::new(),
            users: Vec::new(),
        })
    }

    /// Everything at once: who was erased, and what is no longer kept.
    pub(super) fn tidy(&mut self, now: Timestamp) -> Vec<RoomEvent> {
        let mut events = Vec::new();
        for gone in std::mem::take(&mut self.gone) {
            if gone.messages == Legacy::Tombstone {
                self.bury(&gone, now);
            }
            let row = self.rooms.iter_mut().find(|one| one.id == gone.room);
            let row = row.unwrap();
            row.participant_count -= u32::from(gone.was_active);
            row.rev = row.rev.next();
            row.meta_rev = row.rev;
            self.resets.push((row.id, row.rev));
            events.push(RoomEvent {
                room: row.id,
                rev: row.rev,
                after: Rev::new(row.rev.get() - 1),
                change: RoomChange::Reset,
            });
        }
        let rooms = self.rooms.clone();
        let kept = |room: RoomId, seq: Seq| {
            let mut rooms = rooms.iter();
            rooms.any(|one| one.id == room && one.first_seq <= seq)
        };
        self.messages.retain(|one| kept(one.room, one.seq));
        self.editions.retain(|(room, seq, _)| kept(*room, *seq));
        events
    }

    fn bury(&mut self, gone: &Gone, now: Timestamp) {
        for message in &mut self.messages {
            if message.room == gone.room && gone.said.contains(&message.seq) {
                message.body = None;
                message.metadata = None;
                message.deleted_at = message.deleted_at.or(Some(now));
            }
        }
        let theirs = |room: RoomId, seq: &Seq| room == gone.room && gone.said.contains(seq);
        self.editions.retain(|(room, seq, _)| !theirs(*room, seq));
    }

    pub(super) fn export(&self, user: &UserId) -> Option<Vec<Exported>> {
        if !self.knows(user) {
            return None;
        }
        let mut items = vec![Exported::Person {
            id: user.clone(),
            name: self.name(user),
            last_seen_at: self.last_seen(user),
        }];
        let mut rooms: Vec<&Room> = self.rooms.iter().collect();
        rooms.sort_by_key(|room| room.id);
        for room in rooms {
            let Some(participant) = self.participant(room.id, user) else {
                continue;
            };
            items.push(Exported::Room {
                id: room.id,
                subject: room.subject.clone(),
                title: room.title.clone(),
                participant: Box::new(participant),
            });
            for message in self.messages_in(room.id) {
                if message.sender.user() == Some(user) {
                    let (room, seq) = (message.room, message.seq);
                    items.push(Exported::Message(Box::new(message)));
                    let editions = self.editions_of(room, seq).into_iter();
                    items.extend(editions.map(|edition| Exported::Edition { room, seq, edition }));
                }
            }
        }
        Some(items)
    }
}
