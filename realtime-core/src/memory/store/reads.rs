//! What delivery reads: heads, changes, history, membership.

use std::{cmp::Reverse, ops::Bound};

use super::rows::{MessageRow, RoomRows, Rows};
use crate::{
    event::Topic,
    id::{RoomId, UserId},
    limits::{CHANGES_PAGE, HISTORY_PAGE, page_rows},
    message::Message,
    participant::Participant,
    room::RoomState,
    seq::{Rev, Seq},
    store::{ChangeSet, HistoryPage, Window},
    time::Timestamp,
};

impl Rows {
    pub(super) fn head(&self, topic: &Topic) -> Rev {
        match topic {
            Topic::Room(room) => self.rooms.get(room).map(|rows| rows.room.rev),
            Topic::User(user) => self.users.get(user).map(|row| row.rev),
        }
        .unwrap_or_default()
    }

    pub(super) fn changes(&self, room: RoomId, after: Rev, limit: u32) -> ChangeSet {
        let Some(rows) = self.rooms.get(&room) else {
            return ChangeSet {
                complete: true,
                ..ChangeSet::default()
            };
        };
        let head = rows.room.rev;
        let limit = page_rows(limit, CHANGES_PAGE);
        let end = head.min(after.plus(u64::from(limit)));
        let mut set = ChangeSet {
            rev: end,
            complete: end == head,
            ..ChangeSet::default()
        };
        if after >= end {
            return set;
        }
        if Rev::ZERO < after && after < rows.reset_rev {
            return ChangeSet {
                rev: head,
                complete: true,
                reset: true,
                ..ChangeSet::default()
            };
        }
        let range = (Bound::Excluded(after), Bound::Included(end));
        set.messages = rows
            .message_at
            .range(range)
            .filter(|(_, seq)| **seq >= rows.room.first_seq)
            .filter_map(|(_, seq)| rows.messages.get(seq))
            .map(|row| self.named_message(&row.message))
            .collect();
        let told = |rev: Rev| after < rev && rev <= end;
        set.participants = rows
            .participants_at
            .range((Bound::Excluded(after), Bound::Unbounded))
            .flat_map(|(_, users)| users)
            .filter_map(|user| rows.participants.get(user))
            .filter(|one| told(one.rev) || (told(one.member_rev) && one.member_rev > Rev::FIRST))
            .map(|participant| self.named_participant(participant))
            .collect();
        let room_changed = after < rows.room.meta_rev && rows.room.meta_rev <= end;
        set.room = room_changed.then(|| rows.room.clone());
        set
    }

    pub(super) fn history(&self, room: RoomId, window: Window, limit: u32) -> HistoryPage {
        let Some(rows) = self.rooms.get(&room) else {
            return HistoryPage {
                messages: Vec::new(),
                has_older: false,
                has_newer: false,
                last_seq: Seq::ZERO,
                rev: Rev::ZERO,
            };
        };
        let limit = page_rows(limit, HISTORY_PAGE) as usize;
        // The page is what lies before `middle`, nearest last, and what lies from it on.
        let (middle, before, from) = match window {
            Window::Latest => (rows.room.last_seq.next(), limit, 0),
            Window::Before(seq) => (seq, limit, 0),
            Window::After(seq) => (seq.next(), 0, limit),
            Window::Around(seq) => (seq, limit / 2, limit - limit / 2),
        };
        // Before the first that is kept nothing exists, though its rows may still.
        let floor = rows.room.first_seq;
        let kept = |row: &(&Seq, &MessageRow)| *row.0 >= floor;
        let mut messages: Vec<Message> = rows
            .messages
            .range(..middle)
            .rev()
            .take_while(kept)
            .take(before)
            .map(|(_, row)| self.named_message(&row.message))
            .collect();
        messages.reverse();
        let later = rows.messages.range(middle.max(floor)..).take(from);
        messages.extend(later.map(|(_, row)| self.named_message(&row.message)));
        let first = messages.first().map_or(middle, |message| message.seq);
        let end = messages.last().map_or(middle, |message| message.seq.next());
        HistoryPage {
            has_older: rows
                .messages
                .range(..first)
                .next_back()
                .is_some_and(|row| kept(&row)),
            has_newer: rows.messages.range(end.max(floor)..).next().is_some(),
            messages,
            last_seq: rows.room.last_seq,
            rev: rows.room.rev,
        }
    }

    pub(super) fn participant(&self, room: RoomId, user: &UserId) -> Option<Participant> {
        let participant = self.rooms.get(&room)?.participants.get(user)?;
        Some(self.named_participant(participant))
    }

    pub(super) fn memberships(&self, user: &UserId, limit: u32) -> (Vec<RoomId>, Rev) {
        let mut rooms: Vec<&RoomRows> = self
            .active_rooms(user)
            .filter(|rows| rows.room.state != RoomState::Archived)
            .collect();
        rooms.sort_by_key(|rows| Reverse(rows.place()));
        let rooms = rooms.iter().take(limit as usize).map(|rows| rows.room.id);
        (rooms.collect(), self.head(&Topic::User(user.clone())))
    }

    pub(super) fn active_rooms(&self, user: &UserId) -> impl Iterator<Item = &RoomRows> {
        let rooms = self.users.get(user).map(|row| &row.rooms);
        rooms
            .into_iter()
            .flatten()
            .filter_map(|room| self.rooms.get(room))
    }
}

impl RoomRows {
    /// By what lists are sorted, newest first.
    pub(super) fn place(&self) -> (Timestamp, RoomId) {
        (self.activity(), self.room.id)
    }

    /// The newest message that is kept, up to `to`.
    pub(super) fn newest(&self, to: Option<Seq>) -> Option<&MessageRow> {
        let end = to.unwrap_or(self.room.last_seq);
        let (seq, row) = self.messages.range(..=end).next_back()?;
        (*seq >= self.room.first_seq).then_some(row)
    }
}
