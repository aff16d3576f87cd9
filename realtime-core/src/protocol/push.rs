//! From changes to text. A change is encoded once, however many listen.

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;

use super::{MessageView, ParticipantView, ReceiptView, RoomSummary, WireError};
use crate::{
    event::{RoomChange, RoomEvent, Signal},
    id::{RoomId, UserId},
    message::MessageChange,
    participant::{ParticipantState, Role},
    seq::{Rev, Seq},
    time::Timestamp,
};

/// One JSON object of a frame. Shared: a thousand mailboxes hold the same bytes.
pub type Line = Arc<str>;

/// Encodes anything of ours.
pub fn line(value: &impl Serialize) -> Line {
    // Our own views have string keys and no failing `Serialize`; if one ever did
    // fail, an error frame is the honest thing to send.
    serde_json::to_string(value)
        .unwrap_or_else(|_| r#"{"error":{"code":"internal","message":"unencodable"}}"#.to_owned())
        .into()
}

/// The answer to the command `id`.
pub fn answer(id: u32, ok: &impl Serialize) -> Line {
    #[derive(Serialize)]
    struct Answer<'a, T> {
        id: u32,
        ok: &'a T,
    }
    line(&Answer { id, ok })
}

/// The refusal of the command `id`, or of a frame that had none.
pub fn failure(id: Option<u32>, error: &WireError) -> Line {
    #[derive(Serialize)]
    struct Failure<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u32>,
        error: &'a WireError,
    }
    line(&Failure { id, error })
}

/// A push under its word.
pub fn push(word: &'static str, body: &impl Serialize) -> Line {
    struct Push<'a, T>(&'static str, &'a T);
    impl<T: Serialize> Serialize for Push<'_, T> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(self.0, self.1)])
        }
    }
    line(&Push(word, body))
}

/// What a change means for who is in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the hub must act on each")]
pub enum Membership {
    /// Somebody is in, with this role, and sees the messages from this one on.
    In(UserId, Role, Seq),
    /// Somebody is out.
    Out(UserId),
}

/// A durable change, ready to be handed out.
#[derive(Debug)]
#[non_exhaustive]
pub struct Encoded {
    /// The number of the change.
    pub rev: Rev,
    /// The change before it in this telling.
    pub after: Rev,
    /// For everybody …
    pub public: Line,
    /// … but its sender, who is told the `client_id`.
    pub own: Option<(UserId, Line)>,
    /// What it means for who is in the room.
    pub membership: Option<Membership>,
    /// For those to whom it must be told in another way.
    event: RoomEvent,
    at: Timestamp,
}

impl Encoded {
    /// Encodes a change.
    pub fn new(event: &RoomEvent, now: Timestamp) -> Self {
        let line = |viewer| tell(event, viewer, Seq::FIRST, now);
        let own = sender(event).map(|sender| (sender.clone(), line(Some(sender))));
        Self {
            rev: event.rev,
            after: event.after,
            public: line(None),
            own,
            membership: membership(event),
            event: event.clone(),
            at: now,
        }
    }

    /// The line for one user who sees all messages and was told the change before it.
    pub fn for_user(&self, user: &UserId) -> &Line {
        match &self.own {
            Some((sender, line)) if sender == user => line,
            Some(_) | None => &self.public,
        }
    }

    /// The line for one user who sees the messages from `from` on, and to whom `told`
    /// was the last that was told; `None` if it is nothing for them. Most are told the
    /// same bytes.
    pub fn for_reader(&self, user: &UserId, from: Seq, told: Rev) -> Option<Cow<'_, Line>> {
        if !self.shows_to(from) {
            return None;
        }
        if self.after == told && self.is_whole_to(from) {
            return Some(Cow::Borrowed(self.for_user(user)));
        }
        let event = RoomEvent {
            after: told,
            ..self.event.clone()
        };
        Some(Cow::Owned(tell(&event, Some(user), from, self.at)))
    }

    /// Whether it may be told to somebody who sees the messages from `from` on.
    pub fn shows_to(&self, from: Seq) -> bool {
        match &self.event.change {
            RoomChange::Message(message) => message.seq >= from,
            RoomChange::Receipt(_)
            | RoomChange::Participant(_)
            | RoomChange::Room(_)
            | RoomChange::Reset => true,
        }
    }

    /// Whether it is a new message, which moves its sender's pointers without saying so.
    pub fn is_new_message(&self) -> bool {
        match &self.event.change {
            RoomChange::Message(message) => message.change() == MessageChange::Sent,
            RoomChange::Receipt(_)
            | RoomChange::Participant(_)
            | RoomChange::Room(_)
            | RoomChange::Reset => false,
        }
    }

    /// Whether it tells to load the room anew.
    pub fn is_reset(&self) -> bool {
        matches!(self.event.change, RoomChange::Reset)
    }

    /// Whether what `earlier` told must not be told any more: it was given up, or may
    /// name somebody who was erased.
    pub fn voids(&self, earlier: &Self) -> bool {
        match &self.event.change {
            RoomChange::Room(room) => !earlier.shows_to(room.first_seq),
            RoomChange::Reset => true,
            RoomChange::Message(_) | RoomChange::Receipt(_) | RoomChange::Participant(_) => false,
        }
    }

    fn is_whole_to(&self, from: Seq) -> bool {
        match &self.event.change {
            RoomChange::Room(room) => room.first_seq >= from,
            RoomChange::Message(_)
            | RoomChange::Receipt(_)
            | RoomChange::Participant(_)
            | RoomChange::Reset => true,
        }
    }

    /// What it means for whether this user is in the room.
    pub fn membership_of(&self, user: &UserId) -> Option<&Membership> {
        self.membership
            .as_ref()
            .filter(|membership| match membership {
                Membership::In(who, ..) | Membership::Out(who) => who == user,
            })
    }

    /// How many bytes it holds; what it was encoded from takes about as much.
    pub fn bytes(&self) -> usize {
        2 * self.public.len() + self.own.as_ref().map_or(0, |(_, line)| line.len())
    }
}

/// Encodes a change for one user who may see it, and who sees the messages from `from`
/// on: senders are told their own `client_id`.
pub(crate) fn tell(event: &RoomEvent, viewer: Option<&UserId>, from: Seq, now: Timestamp) -> Line {
    let (rev, after) = (event.rev, event.after);
    match &event.change {
        RoomChange::Message(message) => push(
            "message",
            &MessageView::seen_by(message, viewer).following(after),
        ),
        RoomChange::Receipt(receipt) => push(
            "receipt",
            &ReceiptView::following(event.room, receipt, rev, after),
        ),
        RoomChange::Participant(participant) => push(
            "participant",
            &ParticipantView::whole(participant).following(rev, after),
        ),
        RoomChange::Room(room) => push(
            "room",
            &RoomSummary::bare(room, now)
                .beginning(from)
                .following(rev, after),
        ),
        RoomChange::Reset => reset(event.room, rev),
    }
}

/// Who is told more of a change than everybody else.
fn sender(event: &RoomEvent) -> Option<&UserId> {
    match &event.change {
        RoomChange::Message(message) => {
            message.client_id.as_ref()?;
            message.sender.user()
        }
        RoomChange::Receipt(_)
        | RoomChange::Participant(_)
        | RoomChange::Room(_)
        | RoomChange::Reset => None,
    }
}

/// What a change means for who is in the room.
pub(crate) fn membership(event: &RoomEvent) -> Option<Membership> {
    match &event.change {
        RoomChange::Participant(participant) => {
            let user = participant.user.clone();
            Some(match participant.state {
                ParticipantState::Active => {
                    Membership::In(user, participant.role, participant.visible_from)
                }
                ParticipantState::Left | ParticipantState::Removed => Membership::Out(user),
            })
        }
        RoomChange::Message(_)
        | RoomChange::Receipt(_)
        | RoomChange::Room(_)
        | RoomChange::Reset => None,
    }
}

/// A signal of a room, as a push.
pub fn signal(room: RoomId, signal: &Signal) -> Line {
    #[derive(Serialize)]
    struct TypingView<'a> {
        room: RoomId,
        user: &'a UserId,
        active: bool,
    }
    match signal {
        Signal::Typing { user, active } => push(
            "typing",
            &TypingView {
                room,
                user,
                active: *active,
            },
        ),
        Signal::Presence(state) => push("presence", state),
    }
}

/// Tells that the rest is too much: load the room anew.
pub fn reset(room: RoomId, rev: Rev) -> Line {
    #[derive(Serialize)]
    struct ResetView {
        room: RoomId,
        rev: Rev,
    }
    push("reset", &ResetView { room, rev })
}

/// Tells that a room is no longer listened to.
pub fn unsubscribed(room: RoomId, code: super::ErrorCode) -> Line {
    #[derive(Serialize)]
    struct UnsubscribedView {
        room: RoomId,
        code: super::ErrorCode,
    }
    push("unsubscribed", &UnsubscribedView { room, code })
}
