//! Who talks, and where.

use realtime_core::{
    Realtime,
    change::{NewParticipant, NewRoom},
    id::{RoomId, UserId},
    participant::Role,
    room::RoomKind,
};

/// Users by number.
pub(crate) fn users(count: usize) -> Vec<UserId> {
    let named = |number| UserId::parse(&format!("user-{number}"));
    (0..count)
        .map(|number| named(number).expect("a short name is a user id"))
        .collect()
}

/// Opens a room with these people in it.
pub(crate) async fn open(realtime: &Realtime, people: &[UserId]) -> RoomId {
    let member = |user: &UserId| NewParticipant {
        user: user.clone(),
        role: Role::Member,
        name: None,
    };
    let room = NewRoom {
        kind: RoomKind::Group,
        subject: None,
        key: None,
        title: None,
        metadata: None,
        participants: people.iter().map(member).collect(),
    };
    let opened = realtime.open(room).await;
    opened.expect("the store takes a room").room.id
}
