//! The wire contract `rt.v1.json`: what a client may rely on, in any language.
//!
//! A frame from a client holds one or more JSON objects, one a line. An object with
//! a command and an `id` is answered under that `id`; what the server says unasked
//! is a push and has no `id`. Inside a room, durable pushes come in `rev` order,
//! each once. `docs/protocol.md` tells the whole of it; the golden frames in
//! `docs/protocol/frames` hold both sides to it.

mod code;
mod command;
mod push;
mod view;

pub use code::{CloseCode, ErrorCode};
pub use command::{
    ChangesOf, Command, Connect, Edit, HistoryOf, Mark, NamedRoom, NotificationsOf,
    NotificationsRead, Pong, Preferences, PresenceOf, Refresh, Request, RoomAt, Send, SeqIn,
    Subscribe, SubscribeTo, Typing, Unsubscribe, WireError, decode,
};
pub use push::{
    Encoded, Line, Membership, answer, failure, line, push, reset, signal, unsubscribed,
};
pub(crate) use push::{membership, tell};
pub use view::{
    ChangesView, ConnectedView, HistoryView, LimitsView, MessageView, NotificationsView,
    ParticipantView, PointersView, PresenceView, ReceiptView, ReconnectView, RoomSummary, SentView,
    UserView,
};
