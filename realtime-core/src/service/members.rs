//! Who is in a room: put in, taken out, one for another. The platform's, as
//! opening rooms is.

use std::collections::HashMap;

use super::{Realtime, mismatch, rooms::check_name};
use crate::{
    change::{Answer, Change, Committed, DomainEvent, History, NewParticipant, Rejection, Roster},
    error::Error,
    id::{RoomId, UserId},
    participant::Participant,
    seq::Rev,
};

impl Realtime {
    /// Puts somebody into a room, or into another role; `history` says what of before
    /// they see, if they were not in. Answers with the room's head.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn admit(
        &self,
        room: RoomId,
        participant: NewParticipant,
        history: History,
    ) -> Result<(Participant, Rev), Error> {
        check_name("name", participant.name.as_deref())?;
        self.check_room_has_place(room, [Move::Comes(&participant.user)])
            .await?;
        participant_of(
            self.commit(Change::Admit {
                room,
                participant,
                history,
            })
            .await?,
        )
    }

    /// Takes somebody out of a room. With `keeps_history` they have left, and go on
    /// reading what was said up to now; otherwise they see nothing any more. Answers
    /// with the room's head.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn remove(
        &self,
        room: RoomId,
        user: &UserId,
        keeps_history: bool,
    ) -> Result<(Participant, Rev), Error> {
        participant_of(
            self.commit(Change::Remove {
                room,
                user: user.clone(),
                keeps_history,
            })
            .await?,
        )
    }

    /// Hands a room over: `leaves` has left, and goes on reading what was said up to
    /// now; `comes` is put in, and sees of before what `history` says. Answers with who
    /// came, and the room's head.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn replace(
        &self,
        room: RoomId,
        leaves: &UserId,
        comes: NewParticipant,
        history: History,
    ) -> Result<(Participant, Rev), Error> {
        check_name("name", comes.name.as_deref())?;
        self.check_room_has_place(room, [Move::Goes(leaves), Move::Comes(&comes.user)])
            .await?;
        participant_of(
            self.commit(Change::Replace {
                room,
                leaves: leaves.clone(),
                comes,
                history,
            })
            .await?,
        )
    }

    /// Checks who comes and goes by an event.
    pub(super) async fn check_roster(&self, event: &DomainEvent) -> Result<(), Error> {
        for one in event.roster.iter().filter_map(comes) {
            check_name("name", one.name.as_deref())?;
        }
        let moves = event.roster.iter().flat_map(moves);
        if event.roster.is_empty() {
            return Ok(());
        }
        match self.inner().backend.room_of(&event.subject).await? {
            Some(room) => self.check_room_has_place(room.id, moves).await,
            None => {
                let opened = event.open.iter().flat_map(|open| &open.participants);
                let opened = opened.map(|one| Move::Comes(&one.user));
                let mut people = HashMap::new();
                let mut count = Count::default();
                for step in opened.chain(moves) {
                    let was_in = people.insert(step.user(), step.comes());
                    count.take(&step, was_in.unwrap_or(false));
                }
                self.check_count(count.most)
            }
        }
    }

    /// Whether a room takes those who come, if those go who go. Not under the lock of
    /// the transaction: a few too many do no harm.
    async fn check_room_has_place<'a>(
        &self,
        id: RoomId,
        moves: impl IntoIterator<Item = Move<'a>>,
    ) -> Result<(), Error> {
        let backend = &self.inner().backend;
        let moves: Vec<Move<'_>> = moves.into_iter().collect();
        let room = backend.room(id).await?.ok_or(Error::NOT_FOUND)?;
        let count = i64::from(room.participant_count);
        let coming = moves.iter().filter(|step| step.comes()).count() as u64;
        // Who is in already is only asked for when it matters.
        if self
            .check_count(count.saturating_add_unsigned(coming))
            .is_ok()
        {
            return Ok(());
        }
        let mut people = HashMap::new();
        let mut count = Count {
            now: count,
            most: 0,
        };
        for step in &moves {
            let was_in = match people.insert(step.user(), step.comes()) {
                Some(was_in) => was_in,
                None => {
                    let old = backend.participant(id, step.user()).await?;
                    old.is_some_and(|old| old.is_active())
                }
            };
            count.take(step, was_in);
        }
        self.check_count(count.most)
    }

    fn check_count(&self, count: i64) -> Result<(), Error> {
        let max = u64::try_from(self.limits().participants).unwrap_or(u64::MAX);
        if u64::try_from(count).unwrap_or(0) <= max {
            return Ok(());
        }
        let what = "participants";
        Err(Rejection::LimitExceeded { what, max }.into())
    }
}

/// A step of a roster.
enum Move<'a> {
    Comes(&'a UserId),
    Goes(&'a UserId),
}

impl<'a> Move<'a> {
    const fn user(&self) -> &'a UserId {
        match self {
            Self::Comes(user) | Self::Goes(user) => user,
        }
    }

    const fn comes(&self) -> bool {
        match self {
            Self::Comes(_) => true,
            Self::Goes(_) => false,
        }
    }
}

/// How many are in a room, step by step.
#[derive(Default)]
struct Count {
    now: i64,
    /// The most there were when somebody had come.
    most: i64,
}

impl Count {
    fn take(&mut self, step: &Move<'_>, was_in: bool) {
        match (was_in, step.comes()) {
            (false, true) => {
                self.now += 1;
                self.most = self.most.max(self.now);
            }
            (true, false) => self.now -= 1,
            (true, true) | (false, false) => {}
        }
    }
}

fn comes(roster: &Roster) -> Option<&NewParticipant> {
    match roster {
        Roster::Admit { participant, .. } => Some(participant),
        Roster::Replace { comes, .. } => Some(comes),
        Roster::Remove { .. } => None,
    }
}

fn moves(roster: &Roster) -> impl Iterator<Item = Move<'_>> {
    let goes = match roster {
        Roster::Admit { .. } => None,
        Roster::Remove { user, .. } => Some(user),
        Roster::Replace { leaves, .. } => Some(leaves),
    };
    let comes = comes(roster).map(|one| Move::Comes(&one.user));
    goes.map(Move::Goes).into_iter().chain(comes)
}

fn participant_of(committed: Committed) -> Result<(Participant, Rev), Error> {
    match committed.answer {
        Answer::Participant { participant, rev } => Ok((*participant, rev)),
        other @ (Answer::Message { .. }
        | Answer::Pointers { .. }
        | Answer::Room { .. }
        | Answer::Event { .. }
        | Answer::Erased { .. }) => Err(mismatch(&other)),
    }
}
