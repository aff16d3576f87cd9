//! Questions, answered by searching everything.

use super::World;
use crate::{
    event::Topic,
    id::{RoomId, UserId},
    limits::{CHANGES_PAGE, HISTORY_PAGE, page_rows},
    message::{Message, MessageKind, Sender},
    participant::{Participant, ParticipantState},
    room::{Room, RoomState},
    seq::{Rev, Seq},
    store::{ChangeSet, HistoryPage, RoomQuery, RoomView, Unread, Window},
};

impl World {
    pub(super) fn room(&self, room: RoomId) -> Option<Room> {
        self.rooms.iter().find(|one| one.id == room).cloned()
    }

    pub(super) fn name(&self, user: &UserId) -> Option<String> {
        let mut names = self.names.iter().rev();
        names
            .find(|(one, _)| one == user)
            .map(|(_, name)| name.clone())
    }

    pub(super) fn participant(&self, room: RoomId, user: &UserId) -> Option<Participant> {
        let mut people = self.people.iter();
        let one = people.find(|one| one.room == room && one.user == *user)?;
        Some(Participant {
            name: self.name(user),
            ..one.clone()
        })
    }

    pub(super) fn everybody_in(&self, room: RoomId) -> Vec<Participant> {
        let mut users: Vec<&UserId> = self
            .people
            .iter()
            .filter(|one| one.room == room)
            .map(|one| &one.user)
            .collect();
        users.sort();
        let people = users.into_iter();
        people
            .filter_map(|user| self.participant(room, user))
            .collect()
    }

    pub(super) fn active_in(&self, room: RoomId) -> Vec<Participant> {
        let mut people = self.everybody_in(room);
        people.retain(|one| one.state == ParticipantState::Active);
        people
    }

    pub(super) fn messages_in(&self, room: RoomId) -> Vec<Message> {
        let messages = self.messages.iter();
        messages
            .filter(|one| one.room == room && self.keeps(room, one.seq))
            .map(|message| self.named(message))
            .collect()
    }

    pub(super) fn named(&self, message: &Message) -> Message {
        let mut message = message.clone();
        if let Sender::User { id, name } = &mut message.sender {
            *name = self.name(id);
        }
        message
    }

    pub(super) fn head(&self, topic: &Topic) -> Rev {
        match topic {
            Topic::Room(room) => self.room(*room).map(|room| room.rev).unwrap_or_default(),
            Topic::User(user) => {
                let moves = self.moves.iter().filter(|(one, _)| one == user);
                Rev::new(moves.count() as u64)
            }
        }
    }

    pub(super) fn changes(&self, room: RoomId, after: Rev, limit: u32) -> ChangeSet {
        let head = self.head(&Topic::Room(room));
        let limit = u64::from(page_rows(limit, CHANGES_PAGE));
        let end = after.get().saturating_add(limit).min(head.get());
        let told = |rev: Rev| rev > after && rev.get() <= end;
        let mut resets = self.resets.iter().filter(|(one, _)| *one == room);
        if after > Rev::ZERO && resets.any(|(_, reset)| *reset > after) {
            return ChangeSet {
                reset: true,
                rev: head,
                complete: true,
                ..ChangeSet::default()
            };
        }
        let mut set = ChangeSet {
            reset: false,
            messages: self.messages_in(room),
            participants: self.everybody_in(room),
            room: self.room(room).filter(|room| told(room.meta_rev)),
            rev: Rev::new(end),
            complete: end == head.get(),
        };
        set.messages.retain(|one| told(one.rev));
        set.messages.sort_by_key(|one| one.rev);
        set.participants
            .retain(|one| told(one.rev) || (one.member_rev.get() > 1 && told(one.member_rev)));
        set.participants.sort_by_key(|one| one.rev);
        set
    }

    pub(super) fn history(&self, room: RoomId, window: Window, limit: u32) -> HistoryPage {
        let all = self.messages_in(room);
        let limit = page_rows(limit, HISTORY_PAGE) as usize;
        let count_before = |seq: Seq| all.iter().filter(|one| one.seq < seq).count();
        let range = match window {
            Window::Latest => all.len().saturating_sub(limit)..all.len(),
            Window::Before(seq) => {
                let end = count_before(seq);
                end.saturating_sub(limit)..end
            }
            Window::After(seq) => {
                let start = count_before(seq.next());
                start..all.len().min(start + limit)
            }
            Window::Around(seq) => {
                let middle = count_before(seq);
                let start = middle.saturating_sub(limit / 2);
                start..all.len().min(middle + limit - limit / 2)
            }
        };
        HistoryPage {
            has_older: range.start > 0,
            has_newer: range.end < all.len(),
            last_seq: self.room(room).map(|row| row.last_seq).unwrap_or_default(),
            rev: self.head(&Topic::Room(room)),
            messages: all[range].to_vec(),
        }
    }

    pub(super) fn unread(&self, room: RoomId, user: &UserId) -> Unread {
        let reader = self.participant(room, user);
        let Some(reader) = reader.filter(Participant::is_active) else {
            return Unread::default();
        };
        let mut messages = self.messages_in(room);
        messages.retain(|one| one.seq > reader.read_seq);
        messages.retain(|one| one.kind == MessageKind::Text && one.body.is_some());
        messages.retain(|one| one.sender.user() != Some(user));
        Unread {
            count: messages.len().min(100) as u32,
            capped: messages.len() > 100,
        }
    }

    /// Of a room that they are in, or have left, only what they may see.
    pub(super) fn view(&self, room: RoomId, user: &UserId) -> Option<RoomView> {
        let me = self.participant(room, user)?;
        let mut row = self.room(room)?;
        let mut messages = self.messages_in(room);
        let mut participants = self.active_in(room);
        if row.participant_count > 100 {
            participants.clear();
        }
        match (me.state, me.visible_to) {
            (ParticipantState::Active, _) => {}
            (ParticipantState::Left, Some(to)) => {
                participants.retain(|one| one.visible_from <= to);
                for one in &mut participants {
                    one.read_seq = one.read_seq.min(to);
                    one.delivered_seq = one.delivered_seq.min(to);
                }
                messages.retain(|one| one.seq <= to && one.seq >= me.visible_from);
                row.rev = row.rev.min(me.member_rev);
                row.last_seq = row.last_seq.min(to);
            }
            (ParticipantState::Left | ParticipantState::Removed, _) => return None,
        }
        messages.retain(|one| one.seq >= me.visible_from);
        row.first_seq = row.first_seq.max(me.visible_from);
        Some(RoomView {
            room: row,
            unread: self.unread(room, user),
            participants,
            last_message: messages.pop(),
            me,
        })
    }

    /// Newest activity first, of a state, after a cursor; nothing else of the query.
    pub(super) fn rooms_of(&self, user: &UserId, query: &RoomQuery) -> Vec<RoomId> {
        let mut places: Vec<_> = self
            .rooms
            .iter()
            .filter(|room| match query.state {
                None => room.state != RoomState::Archived,
                Some(state) => room.state == state,
            })
            .filter(|room| {
                let one = self.participant(room.id, user);
                let wanted = if query.left {
                    ParticipantState::Left
                } else {
                    ParticipantState::Active
                };
                one.is_some_and(|one| one.state == wanted)
            })
            .map(|room| (room.last_message_at.unwrap_or(room.created_at), room.id))
            .collect();
        if let Some(cursor) = query.after {
            places.retain(|place| *place < (cursor.activity, cursor.room));
        }
        places.sort();
        places.reverse();
        places.into_iter().map(|(_, room)| room).collect()
    }
}
