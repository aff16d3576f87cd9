//! What lists and questions read: rooms as their participants see them, unread, people.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
    ops::Bound,
};

use super::rows::{RoomRows, Rows};
use crate::{
    id::{RoomId, UserId},
    limits::{PARTICIPANTS_PAGE, ROOMS_PAGE, page_rows},
    participant::Participant,
    room::{Room, RoomState, Subject},
    store::{RoomQuery, RoomView, Unread, UnreadTotals},
    time::Timestamp,
};

impl Rows {
    pub(super) fn room(&self, room: RoomId) -> Option<Room> {
        self.rooms.get(&room).map(|rows| rows.room.clone())
    }

    pub(super) fn room_of(&self, subject: &Subject) -> Option<Room> {
        self.room(*self.by_subject.get(subject)?)
    }

    pub(super) fn rooms(&self, user: &UserId, query: &RoomQuery) -> Vec<RoomView> {
        let of: Vec<&RoomRows> = if query.left {
            self.left_rooms(user).collect()
        } else {
            self.active_rooms(user).collect()
        };
        let mut rooms: Vec<&RoomRows> = of
            .into_iter()
            .filter(|rows| query.lists(rows.room.state))
            .filter(|rows| {
                query
                    .after
                    .is_none_or(|after| rows.place() < (after.activity, after.room))
            })
            .collect();
        rooms.sort_by_key(|rows| Reverse(rows.place()));
        rooms
            .into_iter()
            .filter(|rows| !query.unread_only || rows.unread(user).count > 0)
            .take(page_rows(query.limit, ROOMS_PAGE) as usize)
            .filter_map(|rows| self.view(rows, rows.participants.get(user)?))
            .collect()
    }

    pub(super) fn views(&self, user: &UserId, rooms: &[RoomId]) -> Vec<RoomView> {
        let mut told = HashSet::new();
        rooms
            .iter()
            .filter(|room| told.insert(**room))
            .filter_map(|room| {
                let rows = self.rooms.get(room)?;
                self.view(rows, rows.active(user)?)
            })
            .collect()
    }

    /// Found by looking at every room: there is no list of them.
    fn left_rooms(&self, user: &UserId) -> impl Iterator<Item = &RoomRows> {
        self.rooms.values().filter(|rows| {
            let one = rows.participants.get(user);
            one.is_some_and(|one| !one.is_active() && one.visible().is_some())
        })
    }

    fn view(&self, rows: &RoomRows, me: &Participant) -> Option<RoomView> {
        let shown = rows.room.is_small().then(|| rows.active_participants());
        let participants = shown
            .into_iter()
            .flatten()
            .map(|participant| self.named_participant(participant))
            .collect();
        let last = rows.newest(me.visible()?.to);
        RoomView::of(
            rows.room.clone(),
            self.named_participant(me),
            rows.unread(&me.user),
            participants,
            last.map(|row| self.named_message(&row.message)),
        )
    }

    pub(super) fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Vec<Participant> {
        let Some(rows) = self.rooms.get(&room) else {
            return Vec::new();
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        rows.participants
            .range::<UserId, _>((start, Bound::Unbounded))
            .map(|(_, participant)| participant)
            .filter(|participant| participant.is_active())
            .take(page_rows(limit, PARTICIPANTS_PAGE) as usize)
            .map(|participant| self.named_participant(participant))
            .collect()
    }

    pub(super) fn unread(&self, room: RoomId, user: &UserId) -> Unread {
        let rows = self.rooms.get(&room);
        rows.map(|rows| rows.unread(user)).unwrap_or_default()
    }

    pub(super) fn unread_totals(&self, user: &UserId) -> UnreadTotals {
        let mut totals = UnreadTotals::default();
        for rows in self.active_rooms(user) {
            if rows.room.state == RoomState::Archived {
                continue;
            }
            let unread = rows.unread(user);
            totals.rooms += u32::from(unread.count > 0);
            totals.messages = totals.messages.saturating_add(unread.count);
            totals.capped |= unread.capped;
        }
        totals
    }

    pub(super) fn acquaintances(&self, user: &UserId, others: &[UserId]) -> Vec<UserId> {
        let none = BTreeSet::new();
        let rooms = |user| self.users.get(user).map_or(&none, |row| &row.rooms);
        let mine = rooms(user);
        let mut told = HashSet::new();
        others
            .iter()
            .filter(|other| told.insert(*other))
            .filter(|other| !mine.is_disjoint(rooms(other)))
            .cloned()
            .collect()
    }

    pub(super) fn saw(&mut self, users: &[UserId], at: Timestamp) {
        for user in users {
            if let Some(row) = self.users.get_mut(user) {
                row.last_seen = row.last_seen.max(Some(at));
            }
        }
    }

    pub(super) fn last_seen(&self, users: &[UserId]) -> Vec<Option<Timestamp>> {
        users
            .iter()
            .map(|user| self.users.get(user).and_then(|row| row.last_seen))
            .collect()
    }
}

impl RoomQuery {
    fn lists(&self, state: RoomState) -> bool {
        match self.state {
            Some(wanted) => state == wanted,
            None => state != RoomState::Archived,
        }
    }
}
