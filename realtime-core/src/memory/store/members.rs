//! Participants: admitted, removed, and how far they have read.

use super::{
    commit::{Commit, changed, require_writer, unchanged},
    rows::event,
};
use crate::{
    change::{Answer, Committed, History, NewParticipant, Pointer, Rejection, Roster},
    event::{Receipt, RoomChange},
    id::{RoomId, UserId},
    participant::{Participant, ParticipantState},
    seq::{Rev, Seq},
    store::Outcome,
    time::Timestamp,
};

/// Who is to be replaced has gone, and their place is somebody else's.
const GONE: Rejection = Rejection::Conflict {
    reason: "they are no longer in the room",
};

impl Commit<'_> {
    pub(super) fn admit(
        &mut self,
        room: RoomId,
        new: &NewParticipant,
        history: History,
    ) -> Outcome {
        let rows = self.rows.require(room)?;
        let last_seq = rows.room.last_seq;
        let before = rows.participants.get(&new.user).cloned();
        let joins = !before.as_ref().is_some_and(Participant::is_active);
        let changes_role = before.as_ref().is_none_or(|one| one.role != new.role);
        let renamed = self.rows.rename(&new.user, new.name.as_ref());
        if let Some(before) = &before
            && !joins
            && !changes_role
            && !renamed
        {
            return self.participant_unchanged(room, before);
        }
        let mut participant = before.unwrap_or_else(|| newcomer(room, new, self.now));
        participant.role = new.role;
        if joins {
            participant.state = ParticipantState::Active;
            participant.joined_at = self.now;
            participant.advance(Pointer::Read, last_seq);
            participant.advance(Pointer::Delivered, last_seq);
            participant.visible_to = None;
            participant.visible_from = match history {
                History::All => Seq::FIRST,
                History::FromNow => last_seq.next(),
            };
        }
        self.put_member(participant, joins, 1)
    }

    pub(super) fn remove(&mut self, room: RoomId, user: &UserId, keeps_history: bool) -> Outcome {
        let rows = self.rows.require(room)?;
        let last_seq = rows.room.last_seq;
        let before = rows.participants.get(user).ok_or(Rejection::NotFound)?;
        let goes = before.is_active();
        let loses = before.visible().is_some() && !keeps_history;
        if !goes && !loses {
            return self.participant_unchanged(room, before);
        }
        let mut participant = before.clone();
        if keeps_history {
            participant.state = ParticipantState::Left;
            participant.visible_to = Some(last_seq);
        } else {
            participant.state = ParticipantState::Removed;
            participant.visible_to = None;
        }
        self.put_member(participant, goes, -1)
    }

    pub(super) fn replace(
        &mut self,
        room: RoomId,
        leaves: &UserId,
        comes: &NewParticipant,
        history: History,
    ) -> Outcome {
        let rows = self.rows.require(room)?;
        if !rows.participants.contains_key(leaves) {
            return Err(Rejection::NotFound);
        }
        if *leaves == comes.user {
            return Err(Rejection::Invalid {
                field: "user",
                reason: "nobody replaces themselves",
            });
        }
        if rows.active(leaves).is_none() && rows.active(&comes.user).is_none() {
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

    /// Stores a change of membership; `moves` says whether they came or went.
    fn put_member(&mut self, mut participant: Participant, moves: bool, by: i32) -> Outcome {
        let (room, user) = (participant.room, participant.user.clone());
        let rows = self.rows.require_mut(room)?;
        let rev = rows.next_rev();
        participant.rev = rev;
        participant.member_rev = rev;
        if moves {
            rows.room.participant_count = rows.room.participant_count.saturating_add_signed(by);
        }
        rows.put_participant(participant.clone());
        let active = participant.is_active();
        let users = moves.then(|| self.rows.tell(&user, room, active));
        let participant = self.rows.named_participant(&participant);
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

    fn participant_unchanged(&self, room: RoomId, participant: &Participant) -> Outcome {
        Ok(unchanged(Answer::Participant {
            participant: Box::new(self.rows.named_participant(participant)),
            rev: self.rows.require(room)?.room.rev,
        }))
    }

    pub(super) fn mark(
        &mut self,
        room: RoomId,
        user: &UserId,
        pointer: Pointer,
        seq: Seq,
    ) -> Outcome {
        let rows = self.rows.require_mut(room)?;
        let reader = rows.active(user).ok_or(Rejection::NotFound)?;
        require_writer(Some(reader))?;
        let mut reader = reader.clone();
        let moved = reader.advance(pointer, seq.min(rows.room.last_seq));
        let told = moved && rows.room.is_small();
        if told {
            reader.rev = rows.next_rev();
        }
        if moved {
            rows.put_participant(reader.clone());
        }
        let rev = rows.room.rev;
        let receipt = Receipt {
            user: reader.user,
            delivered_seq: reader.delivered_seq,
            read_seq: reader.read_seq,
        };
        let answer = Answer::Pointers {
            receipt: receipt.clone(),
            rev,
            last_seq: rows.room.last_seq,
        };
        if !told {
            return Ok(unchanged(answer));
        }
        let event = event(room, rev, RoomChange::Receipt(receipt));
        Ok(changed(answer, event, Vec::new()))
    }
}

impl Participant {
    /// Moves a pointer forward; answers whether anything moved.
    fn advance(&mut self, pointer: Pointer, seq: Seq) -> bool {
        let before = (self.delivered_seq, self.read_seq);
        match pointer {
            Pointer::Delivered => {}
            Pointer::Read => self.read_seq = self.read_seq.max(seq),
        }
        self.delivered_seq = self.delivered_seq.max(seq);
        before != (self.delivered_seq, self.read_seq)
    }
}

/// Somebody who was never in the room. Their pointers stand before the first message.
pub(super) fn newcomer(room: RoomId, new: &NewParticipant, now: Timestamp) -> Participant {
    Participant {
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
    }
}
