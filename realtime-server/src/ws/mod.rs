//! WebSocket connections: the handshake, one task for each, and how they end.

mod chat;
mod closing;
mod driver;
mod follow;
mod handshake;
mod meter;
mod origin;
mod outgoing;
mod peer;
mod settings;
mod socket;

pub(crate) use self::{chat::Chat, handshake::has_token};
pub use self::{
    handshake::{Handshake, Refusal},
    origin::Origins,
    outgoing::Outgoing,
    peer::{Inbound, Peer, Work},
    settings::{Budget, Settings},
};
