//! Opening rooms, and their life. These are the platform's; the transport checks that
//! it is the platform who asks.

use super::{Realtime, mismatch};
use crate::{
    change::{Actor, Answer, Change, Committed, DomainEvent, NewRoom, RoomAction},
    error::Error,
    id::{RoomId, UserId},
    limits::{NAME_CHARS, PARTICIPANTS_PAGE, SMALL_ROOM},
    participant::Participant,
    protocol::RoomSummary,
    room::{Metadata, Room, Subject},
    seq::{Rev, Seq},
    store::{RoomView, Unread, Window},
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
    /// A room; for who has left it, as it was then.
    ///
    /// # Errors
    /// Not found, for rooms of which `by` may see nothing; [`Error::Busy`] without a store.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn room(&self, by: &Actor, room: RoomId) -> Result<RoomSeen, Error> {
        match by {
            Actor::User { id, .. } => {
                let view = match self.view(id, room).await? {
                    Some(view) => Some(view),
                    None => self.view_of_who_left(id, room).await?,
                };
                let view = view.ok_or(Error::NOT_FOUND)?;
                Ok(RoomSeen::Mine(Box::new(view)))
            }
            Actor::Service => {
                let found = self.inner().backend.room(room).await?;
                self.bare(found.ok_or(Error::NOT_FOUND)?).await
            }
        }
    }

    async fn view(&self, user: &UserId, room: RoomId) -> Result<Option<RoomView>, Error> {
        let views = self.inner().backend.views(user, &[room]).await?;
        Ok(views.into_iter().next())
    }

    async fn view_of_who_left(&self, user: &UserId, id: RoomId) -> Result<Option<RoomView>, Error> {
        let backend = &self.inner().backend;
        let Some(me) = backend.participant(id, user).await? else {
            return Ok(None);
        };
        let Some(visible) = me.visible() else {
            return Ok(None);
        };
        // Who came back between the two looks.
        let Some(to) = visible.to else {
            return self.view(user, id).await;
        };
        let Some(room) = backend.room(id).await? else {
            return Ok(None);
        };
        let participants = if room.is_small() {
            backend.participants(id, None, SMALL_ROOM).await?
        } else {
            Vec::new()
        };
        let last = backend.history(id, Window::Before(to.next()), 1).await?;
        let last = last.messages.into_iter().next();
        Ok(RoomView::of(
            room,
            me,
            Unread::default(),
            participants,
            last,
        ))
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
        self.check_roster(&event).await?;
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
            | Answer::Participant { .. }
            | Answer::Erased { .. }) => Err(mismatch(&other)),
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
}

/// Whether somebody may be called so.
pub(crate) fn is_name(name: &str) -> bool {
    check_name("name", Some(name)).is_ok()
}

pub(super) fn check_name(field: &'static str, name: Option<&str>) -> Result<(), Error> {
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

pub(super) fn room(committed: Committed) -> Result<(Room, bool), Error> {
    match committed.answer {
        Answer::Room { room, created } => Ok((*room, created)),
        other @ (Answer::Message { .. }
        | Answer::Pointers { .. }
        | Answer::Participant { .. }
        | Answer::Event { .. }
        | Answer::Erased { .. }) => Err(mismatch(&other)),
    }
}
