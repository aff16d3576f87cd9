//! How things look on the wire.

use std::borrow::Cow;

use serde::Serialize;

use crate::{
    change::Answer,
    event::Receipt,
    id::{ClientId, Incarnation, MessageId, RoomId, SessionId, UserId},
    limits::Limits,
    message::{Message, MessageChange, MessageKind, Sender},
    participant::{Participant, ParticipantState, Role},
    presence::PresenceState,
    room::{Metadata, Room, RoomKind, RoomState, Subject},
    seq::{Rev, Seq},
    store::{ChangeSet, HistoryPage, RoomView, Unread},
    time::Timestamp,
};

/// A message as it is now.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct MessageView<'a> {
    room: RoomId,
    rev: Rev,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_rev: Option<Rev>,
    seq: Seq,
    id: MessageId,
    change: &'static str,
    sender: &'a Sender,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a ClientId>,
    kind: MessageKind,
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    sent_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
}

impl<'a> MessageView<'a> {
    /// As everybody sees it.
    pub fn public(message: &'a Message) -> Self {
        Self {
            room: message.room,
            rev: message.rev,
            after_rev: None,
            seq: message.seq,
            id: message.id,
            change: match message.change() {
                MessageChange::Sent => "sent",
                MessageChange::Edited => "edited",
                MessageChange::Deleted => "deleted",
            },
            sender: &message.sender,
            client_id: None,
            kind: message.kind,
            body: message.body.as_deref(),
            reply_to: message.reply_to,
            metadata: message.metadata.as_ref(),
            sent_at: message.sent_at,
            edited_at: message.edited_at,
            deleted_at: message.deleted_at,
        }
    }

    /// As `viewer` sees it: senders are told their own `client_id`.
    pub fn seen_by(message: &'a Message, viewer: Option<&UserId>) -> Self {
        let own = viewer.is_some() && message.sender.user() == viewer;
        let client_id = if own {
            message.client_id.as_ref()
        } else {
            None
        };
        Self {
            client_id,
            ..Self::public(message)
        }
    }

    /// The same, as a push that follows on `after`.
    #[must_use]
    pub const fn following(mut self, after: Rev) -> Self {
        self.after_rev = if self.rev.follows(after) {
            None
        } else {
            Some(after)
        };
        self
    }
}

/// A participant.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ParticipantView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<Rev>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_rev: Option<Rev>,
    user: &'a UserId,
    role: Role,
    state: ParticipantState,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    delivered_seq: Seq,
    read_seq: Seq,
}

impl<'a> ParticipantView<'a> {
    /// As an entry of a list.
    pub fn entry(participant: &'a Participant) -> Self {
        Self {
            room: None,
            rev: None,
            after_rev: None,
            user: &participant.user,
            role: participant.role,
            state: participant.state,
            name: participant.name.as_deref(),
            delivered_seq: participant.delivered_seq,
            read_seq: participant.read_seq,
        }
    }

    /// On its own, with the room and `rev`.
    pub fn whole(participant: &'a Participant) -> Self {
        Self {
            room: Some(participant.room),
            rev: Some(participant.rev),
            ..Self::entry(participant)
        }
    }

    /// The same, as a push that follows on `after`.
    #[must_use]
    pub fn following(mut self, rev: Rev, after: Rev) -> Self {
        self.rev = Some(rev);
        self.after_rev = if rev.follows(after) {
            None
        } else {
            Some(after)
        };
        self
    }
}

/// Pointers that moved, as a push.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ReceiptView<'a> {
    room: RoomId,
    rev: Rev,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_rev: Option<Rev>,
    user: &'a UserId,
    delivered_seq: Seq,
    read_seq: Seq,
}

impl<'a> ReceiptView<'a> {
    /// As a push that follows on `after`.
    pub fn following(room: RoomId, receipt: &'a Receipt, rev: Rev, after: Rev) -> Self {
        Self {
            room,
            rev,
            after_rev: if rev.follows(after) {
                None
            } else {
                Some(after)
            },
            user: &receipt.user,
            delivered_seq: receipt.delivered_seq,
            read_seq: receipt.read_seq,
        }
    }
}

/// What a room is to the one who looks.
#[derive(Debug, Serialize)]
struct MeView {
    role: Role,
    /// Left out for who is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<ParticipantState>,
    read_seq: Seq,
    delivered_seq: Seq,
    /// Left out where everything before may be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    visible_from_seq: Option<Seq>,
    /// Left out where whatever comes may be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    visible_to_seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    muted_until: Option<Timestamp>,
}

impl MeView {
    fn of(me: &Participant) -> Self {
        Self {
            role: me.role,
            state: Some(me.state).filter(|_| !me.is_active()),
            read_seq: me.read_seq,
            delivered_seq: me.delivered_seq,
            visible_from_seq: Some(me.visible_from).filter(|from| *from > Seq::FIRST),
            visible_to_seq: me.visible().and_then(|visible| visible.to),
            muted_until: me.muted_until,
        }
    }
}

/// A room summary. Seen by nobody in particular (a push to all, a service), it has
/// no `unread` and no `me`.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct RoomSummary<'a> {
    id: RoomId,
    kind: RoomKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    state: RoomState,
    #[serde(skip_serializing_if = "Option::is_none")]
    locks_at: Option<Timestamp>,
    rev: Rev,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_rev: Option<Rev>,
    last_seq: Seq,
    first_seq: Seq,
    participant_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<Unread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    me: Option<MeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<ParticipantView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<MessageView<'a>>,
}

impl<'a> RoomSummary<'a> {
    /// The room itself, for nobody in particular.
    pub fn bare(room: &'a Room, now: Timestamp) -> Self {
        Self {
            id: room.id,
            kind: room.kind,
            subject: room.subject.as_ref(),
            title: room.title.as_deref(),
            state: room.state_at(now),
            locks_at: room.locks_at,
            rev: room.rev,
            after_rev: None,
            last_seq: room.last_seq,
            first_seq: room.first_seq,
            participant_count: room.participant_count,
            metadata: room.metadata.as_ref(),
            created_at: room.created_at,
            unread: None,
            me: None,
            participants: None,
            last_message: None,
        }
    }

    /// The same, for somebody who sees its messages from `from` on.
    #[must_use]
    pub fn beginning(mut self, from: Seq) -> Self {
        self.first_seq = self.first_seq.max(from);
        self
    }

    /// The room as a service sees it.
    pub fn with_participants(
        room: &'a Room,
        participants: &'a [Participant],
        now: Timestamp,
    ) -> Self {
        let entries = participants.iter().map(ParticipantView::entry).collect();
        Self {
            participants: Some(entries),
            ..Self::bare(room, now)
        }
    }

    /// The room as one participant sees it.
    pub fn of(view: &'a RoomView, now: Timestamp) -> Self {
        let viewer = Some(&view.me.user);
        Self {
            unread: Some(view.unread),
            me: Some(MeView::of(&view.me)),
            last_message: view
                .last_message
                .as_ref()
                .map(|last| MessageView::seen_by(last, viewer)),
            ..Self::with_participants(&view.room, &view.participants, now)
        }
    }

    /// The same, as a push of the change `rev` that follows on `after`.
    #[must_use]
    pub fn following(mut self, rev: Rev, after: Rev) -> Self {
        self.rev = rev;
        self.after_rev = if rev.follows(after) {
            None
        } else {
            Some(after)
        };
        self
    }
}

/// The answer to a message sent, edited or deleted.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct SentView<'a> {
    room: RoomId,
    seq: Seq,
    rev: Rev,
    id: MessageId,
    sent_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a ClientId>,
    duplicate: bool,
}

impl<'a> SentView<'a> {
    /// From the store's answer; `None` when it is not about a message.
    pub fn of(answer: &'a Answer) -> Option<Self> {
        let Answer::Message { message, duplicate } = answer else {
            return None;
        };
        Some(Self {
            room: message.room,
            seq: message.seq,
            rev: message.rev,
            id: message.id,
            sent_at: message.sent_at,
            client_id: message.client_id.as_ref(),
            duplicate: *duplicate,
        })
    }
}

/// The answer to a pointer moved.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct PointersView {
    /// The read pointer.
    pub read_seq: Seq,
    /// The delivered pointer.
    pub delivered_seq: Seq,
    /// The room's head after the change.
    pub rev: Rev,
    /// What is left to read; only told when the read pointer was meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
}

/// A page of messages.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct HistoryView<'a> {
    messages: Vec<MessageView<'a>>,
    has_older: bool,
    has_newer: bool,
    last_seq: Seq,
    rev: Rev,
}

impl<'a> HistoryView<'a> {
    /// As `viewer` sees it.
    pub fn seen_by(page: &'a HistoryPage, viewer: Option<&UserId>) -> Self {
        Self {
            messages: page
                .messages
                .iter()
                .map(|m| MessageView::seen_by(m, viewer))
                .collect(),
            has_older: page.has_older,
            has_newer: page.has_newer,
            last_seq: page.last_seq,
            rev: page.rev,
        }
    }
}

/// What changed in a room.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ChangesView<'a> {
    messages: Vec<MessageView<'a>>,
    participants: Vec<ParticipantView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomSummary<'a>>,
    rev: Rev,
    complete: bool,
    /// Left out unless the room must be loaded anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reset: bool,
}

impl<'a> ChangesView<'a> {
    /// As `viewer` sees it.
    pub fn seen_by(set: &'a ChangeSet, viewer: Option<&UserId>, now: Timestamp) -> Self {
        Self {
            messages: set
                .messages
                .iter()
                .map(|m| MessageView::seen_by(m, viewer))
                .collect(),
            participants: set
                .participants
                .iter()
                .map(ParticipantView::whole)
                .collect(),
            room: set.room.as_ref().map(|room| RoomSummary::bare(room, now)),
            rev: set.rev,
            complete: set.complete,
            reset: set.reset,
        }
    }
}

/// Who is online.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct PresenceView<'a> {
    /// In the order of the question.
    pub users: &'a [PresenceState],
}

/// Who the connection speaks for.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct UserView<'a> {
    /// Who.
    pub id: &'a UserId,
    /// What the token says they are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
}

/// What the client has to keep to.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct LimitsView {
    frame_bytes: usize,
    body_bytes: usize,
    rooms: usize,
    messages_per_second: u32,
}

impl LimitsView {
    /// From the limits in force.
    pub const fn of(limits: &Limits) -> Self {
        Self {
            frame_bytes: limits.frame_bytes,
            body_bytes: limits.body_bytes,
            rooms: limits.rooms,
            messages_per_second: limits.messages_per_second,
        }
    }
}

/// The range of the first pause before a client reconnects.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ReconnectView {
    /// At least this long, in milliseconds.
    pub min_ms: u64,
    /// At most this long, in milliseconds.
    pub max_ms: u64,
}

/// How the feed stands.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct NotificationsView {
    /// The feed's head.
    pub rev: Rev,
    /// How many are unread.
    pub unread: u32,
    /// How many are unseen.
    pub unseen: u32,
}

/// The answer to `connect`.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ConnectedView<'a> {
    /// This connection's name, for logs.
    pub session: SessionId,
    /// Who it speaks for.
    pub user: Cow<'a, UserId>,
    /// The server's clock.
    pub server_time: Timestamp,
    /// How often the server pings.
    pub ping_interval_ms: u64,
    /// When the token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Which life of the database this is.
    pub incarnation: Incarnation,
    /// What the client has to keep to.
    pub limits: LimitsView,
    /// How to come back.
    pub reconnect: ReconnectView,
    /// The rooms that are listened to.
    pub rooms: Vec<RoomSummary<'a>>,
    /// How the feed stands.
    pub notifications: NotificationsView,
}
