//! What keeping rooms for years needs: earlier versions, retention, erasure, export.

use std::{collections::VecDeque, ops::Bound};

use super::{
    commit::{Commit, unchanged},
    rows::{AppliedRow, Chore, RoomRows, Rows, Scrub, event},
};
use crate::{
    change::{Answer, Legacy, Once, Rejection},
    event::{RoomChange, RoomEvent},
    id::{RoomId, UserId},
    limits::{AGED_MESSAGES, EDITIONS_PAGE, ROOMS_PAGE, TIDY_MESSAGES, page_rows},
    message::Sender,
    seq::{Rev, Seq},
    store::{Aged, Edition, ExportCursor, ExportPage, Exported, Outcome, Tidied},
    time::Timestamp,
};

impl Commit<'_> {
    /// Found by looking at every room, in the order in which they are then tidied.
    pub(super) fn erase(
        &mut self,
        user: &UserId,
        messages: Legacy,
        once: Option<&Once>,
    ) -> Outcome {
        if let Some(first) = once.and_then(|once| self.rows.applied.get(&once.id)) {
            if once.is_some_and(|once| once.fingerprint != first.fingerprint) {
                return Err(Rejection::KeyReused);
            }
            return Ok(unchanged(Answer::Erased { duplicate: true }));
        }
        if self.rows.users.remove(user).is_none() && once.is_none() {
            return Err(Rejection::NotFound);
        }
        if let Some(once) = once {
            let row = AppliedRow {
                fingerprint: once.fingerprint,
                room: RoomId::NIL,
                seq: None,
            };
            self.rows.applied.insert(once.id.clone(), row);
        }
        let mut left: Vec<Scrub> = self
            .rows
            .rooms
            .values_mut()
            .filter_map(|rows| rows.take_out(user, messages))
            .collect();
        left.sort_unstable_by_key(|scrub| scrub.room);
        self.rows.chores.extend(left.into_iter().map(Chore::Scrub));
        Ok(unchanged(Answer::Erased { duplicate: false }))
    }
}

impl RoomRows {
    /// Makes somebody unknown, and what they said nobody's.
    fn take_out(&mut self, user: &UserId, messages: Legacy) -> Option<Scrub> {
        let gone = self.take_participant(user)?;
        let theirs = |sender: &Option<UserId>| sender.as_ref() == Some(user);
        self.by_client_id.retain(|(sender, _), _| !theirs(sender));
        let mut said = VecDeque::new();
        for (seq, row) in &mut self.messages {
            if row.message.sender.user() == Some(user) {
                row.message.sender = Sender::Erased;
                row.message.client_id = None;
                said.push_back(*seq);
            }
        }
        Some(Scrub {
            room: self.room.id,
            said,
            was_active: gone.is_active(),
            messages,
        })
    }

    /// Deals with some of the messages of somebody who was erased; answers whether with
    /// all that there are.
    fn scrub(&mut self, left: &mut Scrub, now: Timestamp) -> bool {
        match left.messages {
            Legacy::Keep => return true,
            Legacy::Tombstone => {}
        }
        let part = left.said.len().min(TIDY_MESSAGES as usize);
        for seq in left.said.drain(..part) {
            if let Some(row) = self.messages.get_mut(&seq) {
                row.message.body = None;
                row.message.metadata = None;
                row.message.deleted_at.get_or_insert(now);
                row.editions.clear();
            }
        }
        left.said.is_empty()
    }

    /// Ends the membership of somebody who was erased.
    fn reset(&mut self, was_active: bool) -> RoomEvent {
        let count = self.room.participant_count;
        self.room.participant_count = count.saturating_sub(u32::from(was_active));
        let rev = self.next_rev();
        self.room.meta_rev = rev;
        self.reset_rev = rev;
        event(self.room.id, rev, RoomChange::Reset)
    }

    /// Removes some of the rows that are no longer kept; answers whether all of them.
    fn purge(&mut self) -> bool {
        let below = self.messages.range(..self.room.first_seq);
        let gone: Vec<Seq> = below
            .take(TIDY_MESSAGES as usize)
            .map(|(seq, _)| *seq)
            .collect();
        for row in gone.iter().filter_map(|seq| self.messages.remove(seq)) {
            self.message_at.remove(&row.message.rev);
            if let Some(client_id) = row.message.client_id {
                let sender = row.message.sender.user().cloned();
                self.by_client_id.remove(&(sender, client_id));
            }
        }
        self.messages.range(..self.room.first_seq).next().is_none()
    }
}

impl Rows {
    pub(super) fn editions(&self, room: RoomId, seq: Seq, after: Rev, limit: u32) -> Vec<Edition> {
        let rows = self.rooms.get(&room);
        let rows = rows.filter(|rows| seq >= rows.room.first_seq);
        let row = rows.and_then(|rows| rows.messages.get(&seq));
        row.into_iter()
            .flat_map(|row| &row.editions)
            .filter(|edition| edition.rev > after)
            .take(page_rows(limit, EDITIONS_PAGE) as usize)
            .cloned()
            .collect()
    }

    pub(super) fn aged(&self, horizon: Timestamp, after: Option<RoomId>, limit: u32) -> Vec<Aged> {
        let mut rooms: Vec<&RoomRows> = self.rooms.values().collect();
        rooms.sort_unstable_by_key(|rows| rows.room.id);
        rooms
            .into_iter()
            .filter(|rows| after.is_none_or(|after| rows.room.id > after))
            .filter_map(|rows| {
                let first = rows.room.first_seq;
                let old = rows
                    .messages
                    .range(first..)
                    .take(AGED_MESSAGES as usize)
                    .take_while(|(_, row)| row.message.sent_at < horizon)
                    .count() as u64;
                (old > 0).then(|| Aged {
                    room: rows.room.id,
                    keep_from: first.plus(old),
                })
            })
            .take(page_rows(limit, ROOMS_PAGE) as usize)
            .collect()
    }

    pub(super) fn tidy(&mut self, now: Timestamp) -> Tidied {
        let events = match self.chores.pop_front() {
            Some(Chore::Purge(room)) => {
                let rows = self.rooms.get_mut(&room);
                if rows.is_some_and(|rows| !rows.purge()) {
                    self.chores.push_front(Chore::Purge(room));
                }
                Vec::new()
            }
            Some(Chore::Scrub(scrub)) => self.tidy_after(scrub, now).into_iter().collect(),
            None => Vec::new(),
        };
        Tidied {
            events,
            more: !self.chores.is_empty(),
        }
    }

    /// Goes on with what somebody who was erased left behind; it is told when it is done.
    fn tidy_after(&mut self, mut scrub: Scrub, now: Timestamp) -> Option<RoomEvent> {
        let rows = self.rooms.get_mut(&scrub.room)?;
        if rows.scrub(&mut scrub, now) {
            return Some(rows.reset(scrub.was_active));
        }
        self.chores.push_front(Chore::Scrub(scrub));
        None
    }

    pub(super) fn export(&self, user: &UserId, after: Option<ExportCursor>) -> Option<ExportPage> {
        let person = self.users.get(user)?;
        let mut page = ExportPage::default();
        if after.is_none() {
            page.items.push(Exported::Person {
                id: user.clone(),
                name: person.name.clone(),
                last_seen_at: person.last_seen,
            });
        }
        let mut rooms = self.rooms_known_to(user).into_iter();
        let found = rooms.find(|rows| after.is_none_or(|after| rows.room.id >= after.room));
        let Some(rows) = found else {
            return Some(page);
        };
        // A cursor before the first message names a room that was not told yet.
        let looked_at = after.filter(|after| after.room == rows.room.id && !after.seq.is_zero());
        if looked_at.is_none() {
            page.items.extend(self.exported_room(rows, user));
        }
        let first = rows.room.first_seq.previous();
        let start = looked_at.map_or(first, |after| after.seq.max(first));
        let end = start.plus(u64::from(TIDY_MESSAGES));
        self.export_messages(rows, user, (start, end), &mut page.items);
        page.next = if end < rows.room.last_seq {
            let room = rows.room.id;
            Some(ExportCursor { room, seq: end })
        } else {
            rooms.next().map(|next| ExportCursor {
                room: next.room.id,
                seq: Seq::ZERO,
            })
        };
        Some(page)
    }

    /// The rooms that somebody is or was in, by id.
    fn rooms_known_to(&self, user: &UserId) -> Vec<&RoomRows> {
        let rooms = self.rooms.values();
        let mut rooms: Vec<&RoomRows> = rooms
            .filter(|rows| rows.participants.contains_key(user))
            .collect();
        rooms.sort_unstable_by_key(|rows| rows.room.id);
        rooms
    }

    /// What somebody said in `(start, end]`, and what it said before.
    fn export_messages(
        &self,
        rows: &RoomRows,
        user: &UserId,
        (start, end): (Seq, Seq),
        items: &mut Vec<Exported>,
    ) {
        let range = (Bound::Excluded(start), Bound::Included(end));
        let all = rows.messages.range(range).map(|(_, row)| row);
        for row in all.filter(|row| row.message.sender.user() == Some(user)) {
            let message = self.named_message(&row.message);
            items.push(Exported::Message(Box::new(message)));
            let editions = row.editions.iter().map(|edition| Exported::Edition {
                room: rows.room.id,
                seq: row.message.seq,
                edition: edition.clone(),
            });
            items.extend(editions);
        }
    }

    fn exported_room(&self, rows: &RoomRows, user: &UserId) -> Option<Exported> {
        let participant = self.named_participant(rows.participants.get(user)?);
        Some(Exported::Room {
            id: rows.room.id,
            subject: rows.room.subject.clone(),
            title: rows.room.title.clone(),
            participant: Box::new(participant),
        })
    }
}
