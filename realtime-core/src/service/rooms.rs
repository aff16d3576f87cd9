//! Opening rooms, and their life. These are the platform's; the transport checks that
//! it is the platform who asks.

use super::{Realtime, mismatch};
use crate::{
    change::{Actor, Answer, Change, Committed, DomainEvent, NewParticipant, NewRoom, RoomAction},
    error::Error,
    id::{RoomId, UserId},
    limits::{NAME_CHARS, PARTICIPANTS_PAGE},
    participant::Participant,
    protocol::RoomSummary,
    room::{Metadata, Room, Subject},
    seq::{Rev, Seq},
    store::RoomView,
    time::Timestamp,
};

/// A room, as who asked may see it.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a participant or the platform")]
pub enum RoomSeen {
    /// As a participant.
    Mine(Box<RoomView>),
    /// As the platform.
    Bare {
        /// The room.
        room: Box<Room>,
        /// The first page of its active participants.
        participants: Vec<Participant>,
    },
}

impl RoomSeen {
    /// As it looks on the wire.
    pub fn summary(&self, now: Timestamp) -> RoomSummary<'_> {
        match self {
            Self::Mine(view) => RoomSummary::of(view, now),
            Self::Bare { room, participants } => {
                RoomSummary::with_participants(room, participants, now)
            }
        }
    }

    /// The room's head.
    pub fn rev(&self) -> Rev {
        match self {
            Self::Mine(view) => view.room.rev,
            Self::Bare { room, .. } => room.rev,
        }
    }
}

/// A room that was asked for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Opened {
    /// The room as it stands.
    pub room: Room,
    /// Whether it did not exist before.
    pub created: bool,
}

/// What an event of the host's led to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Applied {
    /// The room of the subject, as it stands.
    pub room: Room,
    /// Whether the event opened it.
    pub created: bool,
    /// The message that was posted.
    pub seq: Option<Seq>,
    /// Whether the event had been applied before.
    pub duplicate: bool,
}

impl Realtime {
    /// A room.
    ///
    /// # Errors
    /// Not found, for rooms that `by` is not in; [`Error::Busy`] without a store.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn room(&self, by: &Actor, room: RoomId) -> Result<RoomSeen, Error> {
        match by {
            Actor::User { id, .. } => {
                let mut views = self.inner().backend.views(id, &[room]).await?;
                views
                    .pop()
                    .map(|view| RoomSeen::Mine(Box::new(view)))
                    .ok_or(Error::NOT_FOUND)
            }
            Actor::Service => {
                let found = self.inner().backend.room(room).await?;
                self.bare(found.ok_or(Error::NOT_FOUND)?).await
            }
        }
    }

    /// The room of a subject.
    ///
    /// # Errors
    /// As [`room`](Self::room).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn room_of(&self, by: &Actor, subject: &Subject) -> Result<RoomSeen, Error> {
        let found = self
            .inner()
            .backend
            .room_of(subject)
            .await?
            .ok_or(Error::NOT_FOUND)?;
        match by {
            Actor::User { .. } => self.room(by, found.id).await,
            Actor::Service => self.bare(found).await,
        }
    }

    async fn bare(&self, room: Room) -> Result<RoomSeen, Error> {
        let participants = self
            .inner()
            .backend
            .participants(room.id, None, PARTICIPANTS_PAGE.1)
            .await?;
        Ok(RoomSeen::Bare {
            room: Box::new(room),
            participants,
        })
    }

    /// Opens a room, or answers with the one that the subject or key has already.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn open(&self, new: NewRoom) -> Result<Opened, Error> {
        self.check_room(&new)?;
        let (room, created) = room(self.commit(Change::Open(new)).await?)?;
        Ok(Opened { room, created })
    }

    /// Changes what a room is called and what the host keeps there. `None` leaves,
    /// `Some(None)` removes.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn describe(
        &self,
        id: RoomId,
        title: Option<Option<String>>,
        metadata: Option<Option<Metadata>>,
    ) -> Result<Room, Error> {
        check_name("title", title.as_ref().and_then(Option::as_deref))?;
        self.check_metadata(metadata.as_ref().and_then(Option::as_ref))?;
        let change = Change::Describe {
            room: id,
            title,
            metadata,
        };
        Ok(room(self.commit(change).await?)?.0)
    }

    /// Locks, reopens or archives a room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn act(&self, id: RoomId, action: RoomAction) -> Result<Room, Error> {
        Ok(room(self.commit(Change::Act { room: id, action }).await?)?.0)
    }

    /// Puts somebody into a room, or into another role. Answers with the room's head.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn admit(
        &self,
        id: RoomId,
        participant: NewParticipant,
    ) -> Result<(Participant, Rev), Error> {
        check_name("name", participant.name.as_deref())?;
        self.check_room_has_place(id, &participant.user).await?;
        participant_of(
            self.commit(Change::Admit {
                room: id,
                participant,
            })
            .await?,
        )
    }

    /// Takes somebody out of a room. Answers with the room's head.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn remove(&self, id: RoomId, user: &UserId) -> Result<(Participant, Rev), Error> {
        participant_of(
            self.commit(Change::Remove {
                room: id,
                user: user.clone(),
            })
            .await?,
        )
    }

    /// Applies an event of the host's, all of it or nothing.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn apply(&self, event: DomainEvent) -> Result<Applied, Error> {
        if let Some(new) = &event.open {
            self.check_room(new)?;
        }
        if let Some(message) = &event.message {
            self.check_body(&message.body)?;
            self.check_metadata(message.metadata.as_ref())?;
        }
        let committed = self.commit(Change::Apply(Box::new(event))).await?;
        match committed.answer {
            Answer::Event {
                room,
                created,
                seq,
                duplicate,
            } => Ok(Applied {
                room: *room,
                created,
                seq,
                duplicate,
            }),
            other @ (Answer::Message { .. }
            | Answer::Pointers { .. }
            | Answer::Room { .. }
            | Answer::Participant { .. }) => Err(mismatch(&other)),
        }
    }

    fn check_room(&self, new: &NewRoom) -> Result<(), Error> {
        let max = self.limits().participants;
        if new.participants.len() > max {
            let reason = format!("at most {max}");
            return Err(Error::Invalid {
                field: "participants",
                reason,
            });
        }
        check_name("title", new.title.as_deref())?;
        for participant in &new.participants {
            check_name("name", participant.name.as_deref())?;
        }
        self.check_metadata(new.metadata.as_ref())
    }

    /// Not under the lock of the transaction: a few too many do no harm.
    async fn check_room_has_place(&self, id: RoomId, user: &UserId) -> Result<(), Error> {
        let max = self.limits().participants;
        let backend = &self.inner().backend;
        let room = backend.room(id).await?.ok_or(Error::NOT_FOUND)?;
        if usize::try_from(room.participant_count).unwrap_or(usize::MAX) < max
            || backend
                .participant(id, user)
                .await?
                .is_some_and(|old| old.is_active())
        {
            return Ok(());
        }
        let max = u64::try_from(max).unwrap_or(u64::MAX);
        Err(crate::change::Rejection::LimitExceeded {
            what: "participants",
            max,
        }
        .into())
    }
}

fn check_name(field: &'static str, name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let reason = if name.chars().count() > NAME_CHARS {
        format!("must have at most {NAME_CHARS} characters")
    } else if name.chars().any(char::is_control) {
        "must not have control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Invalid { field, reason })
}

fn room(committed: Committed) -> Result<(Room, bool), Error> {
    match committed.answer {
        Answer::Room { room, created } => Ok((*room, created)),
        other @ (Answer::Message { .. }
        | Answer::Pointers { .. }
        | Answer::Participant { .. }
        | Answer::Event { .. }) => Err(mismatch(&other)),
    }
}

fn participant_of(committed: Committed) -> Result<(Participant, Rev), Error> {
    match committed.answer {
        Answer::Participant { participant, rev } => Ok((*participant, rev)),
        other @ (Answer::Message { .. }
        | Answer::Pointers { .. }
        | Answer::Room { .. }
        | Answer::Event { .. }) => Err(mismatch(&other)),
    }
}
