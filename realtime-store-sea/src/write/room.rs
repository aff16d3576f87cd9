//! Rooms as a whole: described, locked, reopened, archived, cut at the beginning.

use realtime_core::{
    change::{Answer, RoomAction},
    event::{RoomChange, RoomEvent},
    id::RoomId,
    room::{Metadata, Room, RoomState},
    seq::Seq,
    store::Outcome,
    time::Timestamp,
};

use super::{
    Ruling, changed,
    ledger::{Fate, Ledger, event},
    unchanged,
};

impl Ledger<'_> {
    pub(super) fn describe(
        &mut self,
        room: RoomId,
        title: Option<&Option<String>>,
        metadata: Option<&Option<Metadata>>,
    ) -> Outcome {
        let event = self.touch_room(room, |room| {
            if let Some(title) = title {
                room.title.clone_from(title);
            }
            if let Some(metadata) = metadata {
                room.metadata.clone_from(metadata);
            }
        })?;
        self.room_answer(room, event)
    }

    pub(super) fn act(&mut self, room: RoomId, action: RoomAction) -> Outcome {
        let now = self.now;
        let event = self.touch_room(room, |room| act_on(room, action, now))?;
        self.room_answer(room, event)
    }

    /// Raises the first message that is kept; the rows before it are left to be removed.
    pub(super) fn retain(&mut self, room: RoomId, from: Seq) -> Outcome {
        let before = self.room(room)?.first_seq;
        let event = self.touch_room(room, |room| {
            room.first_seq = from.min(room.last_seq.next()).max(room.first_seq);
        })?;
        if event.is_some() {
            let end = self.room(room)?.first_seq;
            let purge = self.purges.entry(room).or_insert(before..end);
            purge.end = end;
        }
        self.room_answer(room, event)
    }

    fn room_answer(&self, room: RoomId, event: Option<RoomEvent>) -> Outcome {
        let answer = Answer::Room {
            room: Box::new(self.room(room)?.clone()),
            created: false,
        };
        Ok(match event {
            Some(event) => changed(answer, event, Vec::new()),
            None => unchanged(answer),
        })
    }

    /// Changes the row of a room, and numbers that if it made a difference.
    pub(super) fn touch_room(
        &mut self,
        room: RoomId,
        change: impl FnOnce(&mut Room),
    ) -> Ruling<Option<RoomEvent>> {
        let row = self.room_mut(room)?;
        let mut after = row.room.clone();
        change(&mut after);
        if after == row.room {
            return Ok(None);
        }
        row.room = after;
        let rev = row.advance();
        row.room.meta_rev = rev;
        row.fate.at_least(Fate::Changed);
        let change = RoomChange::Room(Box::new(row.room.clone()));
        Ok(Some(event(room, rev, change)))
    }
}

pub(super) fn act_on(room: &mut Room, action: RoomAction, now: Timestamp) {
    match action {
        RoomAction::Lock { at } => lock(room, at.filter(|at| *at > now), now),
        RoomAction::Reopen => {
            room.state = RoomState::Open;
            room.locks_at = None;
        }
        RoomAction::Archive => {
            room.state = RoomState::Archived;
            room.locks_at = None;
        }
    }
}

/// A lock never opens: one for later leaves a room alone that is locked by now.
fn lock(room: &mut Room, later: Option<Timestamp>, now: Timestamp) {
    match (room.state, later) {
        (RoomState::Open, None) => {
            room.state = RoomState::Locked;
            room.locks_at = None;
        }
        (RoomState::Open, Some(_)) if room.state_at(now) == RoomState::Open => {
            room.locks_at = later;
        }
        (RoomState::Open | RoomState::Locked | RoomState::Archived, _) => {}
    }
}
