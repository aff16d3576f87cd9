//! What is said.

use realtime_core::{
    change::{Actor, Draft},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
};

/// Bytes of a message's text: a short sentence, and what the load generator sends.
const BODY_BYTES: usize = 64;

/// The message number `turn` of a sender, as a client names it: with as many
/// characters as a UUID.
pub(crate) fn draft(room: RoomId, from: &UserId, turn: u64) -> Draft {
    let client_id = ClientId::parse(&format!("{turn:036}"));
    let body = Body::parse("x".repeat(BODY_BYTES), BODY_BYTES);
    Draft {
        room,
        from: Actor::user(from.clone()),
        client_id: client_id.expect("36 digits are a client id"),
        body: body.expect("64 letters are a text"),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    }
}
