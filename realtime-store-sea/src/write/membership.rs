//! Participants: admitted, removed, and how far they have read.

use realtime_core::{
    change::{Answer, Committed, History, NewParticipant, Pointer, Rejection, Roster},
    event::{Receipt, RoomChange},
    id::{RoomId, UserId},
    participant::{Participant, ParticipantState},
    seq::{Rev, Seq},
    store::Outcome,
    time::Timestamp,
};

use super::{
    changed,
    ledger::{Fate, Ledger, Seat, event, require_writer},
    unchanged,
};

/// Who is to be replaced has gone, and their place is somebody else's.
const GONE: Rejection = Rejection::Conflict {
    reason: "they are no longer in the room",
};

impl Ledger<'_> {
    pub(super) fn admit(
        &mut self,
        room: RoomId,
        new: &NewParticipant,
        history: History,
    ) -> Outcome {
        let last_seq = self.room(room)?.last_seq;
        let now = self.now;
        let renamed = self.rename(&new.user, new.name.as_ref());
        let seat = self
            .seats
            .entry((room, new.user.clone()))
            .or_insert_with(|| Seat::outside(room, new, now));
        let joins = !seat.participant.is_active();
        if !joins && !renamed && seat.participant.role == new.role {
            return self.participant_unchanged(room, &new.user);
        }
        seat.participant.role = new.role;
        if joins {
            seat.participant.state = ParticipantState::Active;
            seat.participant.joined_at = now;
            seat.participant.visible_to = None;
            seat.participant.visible_from = match history {
                History::All => Seq::FIRST,
                History::FromNow => last_seq.next(),
            };
            seat.left_at = None;
            seat.advance(Pointer::Read, last_seq, now);
        }
        self.member_changed(room, &new.user, joins.then_some(1))
    }

    pub(super) fn remove(&mut self, room: RoomId, user: &UserId, keeps_history: bool) -> Outcome {
        let last_seq = self.room(room)?.last_seq;
        let now = self.now;
        let seat = self
            .seats
            .get_mut(&(room, user.clone()))
            .ok_or(Rejection::NotFound)?;
        let goes = seat.participant.is_active();
        let loses = !keeps_history && seat.participant.visible().is_some();
        if !goes && !loses {
            return self.participant_unchanged(room, user);
        }
        (seat.participant.state, seat.participant.visible_to) = if keeps_history {
            (ParticipantState::Left, Some(last_seq))
        } else {
            (ParticipantState::Removed, None)
        };
        if goes {
            seat.left_at = Some(now);
        }
        self.member_changed(room, user, goes.then_some(-1))
    }

    pub(super) fn replace(
        &mut self,
        room: RoomId,
        leaves: &UserId,
        comes: &NewParticipant,
        history: History,
    ) -> Outcome {
        self.room(room)?;
        if !self.seats.contains_key(&(room, leaves.clone())) {
            return Err(Rejection::NotFound);
        }
        if *leaves == comes.user {
            return Err(Rejection::Invalid {
                field: "user",
                reason: "nobody replaces themselves",
            });
        }
        if self.active(room, leaves).is_err() && self.active(room, &comes.user).is_err() {
            return Err(GONE);
        }
        let mut gone = self.remove(room, leaves, true)?;
        let come = self.admit(room, comes, history)?;
        gone.answer = come.answer;
        gone.events.extend(come.events);
        gone.users.extend(come.users);
        Ok(gone)
    }

    /// Changes who is in a room as far as it can be done.
    pub(super) fn enrol(&mut self, room: RoomId, roster: &Roster) -> Option<Committed> {
        match roster {
            Roster::Admit {
                participant,
                history,
            } => self.admit(room, participant, *history).ok(),
            Roster::Remove {
                user,
                keeps_history,
            } => self.remove(room, user, *keeps_history).ok(),
            Roster::Replace {
                leaves,
                comes,
                history,
            } => match self.replace(room, leaves, comes, *history) {
                Ok(committed) => Some(committed),
                Err(GONE) => None,
                // Nobody to go: who comes, comes.
                Err(_) => self.admit(room, comes, *history).ok(),
            },
        }
    }

    /// Numbers a change of membership; `moves` says whether they came (1) or went (-1).
    fn member_changed(&mut self, room: RoomId, user: &UserId, moves: Option<i32>) -> Outcome {
        let row = self.room_mut(room)?;
        let rev = row.advance();
        if let Some(by) = moves {
            row.room.participant_count = row.room.participant_count.saturating_add_signed(by);
        }
        let seat = self
            .seats
            .get_mut(&(room, user.clone()))
            .ok_or(Rejection::NotFound)?;
        seat.participant.rev = rev;
        seat.participant.member_rev = rev;
        seat.fate.at_least(Fate::Changed);
        let users = moves.map(|_| self.tell(user, room));
        let participant = self.seat(room, user)?;
        let change = RoomChange::Participant(Box::new(participant.clone()));
        let answer = Answer::Participant {
            participant: Box::new(participant),
            rev,
        };
        Ok(changed(
            answer,
            event(room, rev, change),
            users.into_iter().collect(),
        ))
    }

    fn participant_unchanged(&self, room: RoomId, user: &UserId) -> Outcome {
        Ok(unchanged(Answer::Participant {
            participant: Box::new(self.seat(room, user)?),
            rev: self.room(room)?.rev,
        }))
    }

    fn seat(&self, room: RoomId, user: &UserId) -> Result<Participant, Rejection> {
        self.seats
            .get(&(room, user.clone()))
            .map(|seat| self.named(&seat.participant))
            .ok_or(Rejection::NotFound)
    }

    pub(super) fn mark(
        &mut self,
        room: RoomId,
        user: &UserId,
        pointer: Pointer,
        seq: Seq,
    ) -> Outcome {
        self.room(room)?;
        require_writer(Some(self.active(room, user)?))?;
        let now = self.now;
        let seat = self.seats.get_mut(&(room, user.clone()));
        let row = self.rooms.get_mut(&room);
        let (Some(seat), Some(row)) = (seat, row) else {
            return Err(Rejection::NotFound);
        };
        let moved = seat.advance(pointer, seq.min(row.room.last_seq), now);
        let told = moved && row.room.is_small();
        if told {
            seat.participant.rev = row.advance();
            row.receipt_rev = seat.participant.rev;
        }
        let rev = row.room.rev;
        let receipt = Receipt {
            user: user.clone(),
            delivered_seq: seat.participant.delivered_seq,
            read_seq: seat.participant.read_seq,
        };
        let answer = Answer::Pointers {
            receipt: receipt.clone(),
            rev,
            last_seq: row.room.last_seq,
        };
        if !told {
            return Ok(unchanged(answer));
        }
        let event = event(room, rev, RoomChange::Receipt(receipt));
        Ok(changed(answer, event, Vec::new()))
    }
}

impl Seat {
    /// Somebody who is there from the opening on. Their pointers stand before the
    /// first message.
    pub(super) fn founding(room: RoomId, new: &NewParticipant, now: Timestamp) -> Self {
        Self {
            participant: Participant {
                room,
                user: new.user.clone(),
                name: None,
                role: new.role,
                state: ParticipantState::Active,
                delivered_seq: Seq::ZERO,
                read_seq: Seq::ZERO,
                muted_until: None,
                rev: Rev::FIRST,
                member_rev: Rev::FIRST,
                joined_at: now,
                visible_from: Seq::FIRST,
                visible_to: None,
            },
            delivered_at: None,
            read_at: None,
            left_at: None,
            fate: Fate::New,
        }
    }

    /// Somebody who was never in the room, about to be let in.
    fn outside(room: RoomId, new: &NewParticipant, now: Timestamp) -> Self {
        let mut seat = Self::founding(room, new, now);
        seat.participant.state = ParticipantState::Removed;
        seat
    }

    /// Moves a pointer forward; answers whether anything moved.
    fn advance(&mut self, pointer: Pointer, seq: Seq, now: Timestamp) -> bool {
        let one = &mut self.participant;
        let reads = match pointer {
            Pointer::Delivered => false,
            Pointer::Read => one.read_seq < seq,
        };
        let receives = one.delivered_seq < seq;
        if reads {
            one.read_seq = seq;
            self.read_at = Some(now);
        }
        if receives {
            one.delivered_seq = seq;
            self.delivered_at = Some(now);
        }
        if reads || receives {
            self.fate.at_least(Fate::Moved);
        }
        reads || receives
    }
}
