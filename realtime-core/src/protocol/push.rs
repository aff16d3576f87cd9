//! From changes to text. A change is encoded once, however many listen.

use std::sync::Arc;

use serde::Serialize;

use super::{MessageView, ParticipantView, ReceiptView, RoomSummary, WireError};
use crate::{
    event::{RoomChange, RoomEvent, Signal},
    id::{RoomId, UserId},
    participant::{ParticipantState, Role},
    seq::Rev,
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
    /// Somebody is in, with this role.
    In(UserId, Role),
    /// Somebody is out.
    Out(UserId),
}

/// A durable change, ready to be handed out.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "made here, read by the hub")]
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
}

impl Encoded {
    /// Encodes a change.
    pub fn new(event: &RoomEvent, now: Timestamp) -> Self {
        let (rev, after) = (event.rev, event.after);
        let (mut own, mut membership) = (None, None);
        let public = match &event.change {
            RoomChange::Message(message) => {
                let view = |viewer| MessageView::seen_by(message, viewer).following(after);
                if let (Some(sender), Some(_)) = (message.sender.user(), &message.client_id) {
                    own = Some((sender.clone(), push("message", &view(Some(sender)))));
                }
                push("message", &view(None))
            }
            RoomChange::Receipt(receipt) => push(
                "receipt",
                &ReceiptView::following(event.room, receipt, rev, after),
            ),
            RoomChange::Participant(participant) => {
                let user = participant.user.clone();
                membership = Some(match participant.state {
                    ParticipantState::Active => Membership::In(user, participant.role),
                    ParticipantState::Left | ParticipantState::Removed => Membership::Out(user),
                });
                push(
                    "participant",
                    &ParticipantView::whole(participant).following(rev, after),
                )
            }
            RoomChange::Room(room) => {
                push("room", &RoomSummary::bare(room, now).following(rev, after))
            }
        };
        Self {
            rev,
            after,
            public,
            own,
            membership,
        }
    }

    /// The line for one user.
    pub fn for_user(&self, user: &UserId) -> &Line {
        match &self.own {
            Some((sender, line)) if sender == user => line,
            Some(_) | None => &self.public,
        }
    }

    /// What it means for whether this user is in the room.
    pub fn membership_of(&self, user: &UserId) -> Option<&Membership> {
        self.membership
            .as_ref()
            .filter(|membership| match membership {
                Membership::In(who, _) | Membership::Out(who) => who == user,
            })
    }

    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.public.len() + self.own.as_ref().map_or(0, |(_, line)| line.len())
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
