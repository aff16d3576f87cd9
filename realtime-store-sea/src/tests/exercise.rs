//! Everything that can be asked of a store, and every change.

use realtime_core::{
    change::{Actor, Change, DomainEvent, NewRoom, Pointer, RoomAction},
    event::Topic,
    id::{EventId, RoomId},
    message::Body,
    room::{RoomState, Subject},
    seq::{Rev, Seq},
    store::{Catalog, RoomCursor, RoomQuery, Store, Window},
};

use super::fixture::{Fixture, NOW, commit, group, newcomer, read, send, user};

/// A change of every kind, and a repeat of those that can be repeated.
pub(super) async fn writes(fixture: &Fixture, room: RoomId) {
    let by = Actor::user(user("ann"));
    let body = Body::parse("edited".to_owned(), 10).unwrap();
    let seq = Seq::FIRST;
    let changes = vec![
        send(room, "ann", "1"),
        read(room, "ben", 1),
        Change::Mark {
            room,
            user: user("cleo"),
            pointer: Pointer::Delivered,
            seq,
        },
        Change::Edit {
            room,
            seq,
            by: by.clone(),
            body,
            sent_after: None,
        },
        Change::Delete {
            room,
            seq,
            by,
            sent_after: None,
        },
        Change::Open(opening()),
        Change::Describe {
            room,
            title: Some(Some("title".to_owned())),
            metadata: None,
        },
        Change::Act {
            room,
            action: RoomAction::Reopen,
        },
        Change::Admit {
            room,
            participant: newcomer("emil"),
            history: realtime_core::change::History::All,
        },
        Change::Remove {
            room,
            user: user("cleo"),
            keeps_history: false,
        },
        event(),
    ];
    // The second time around some are refused, which takes statements, too.
    for _ in 0..2 {
        commit(&fixture.store, &changes).await.unwrap();
    }
    let seen = [user("ann"), user("ben")];
    fixture.store.saw(&seen, NOW).await.unwrap();
}

fn opening() -> NewRoom {
    NewRoom {
        subject: Some(Subject::parse("job", "8").unwrap()),
        key: Some(EventId::parse("key").unwrap()),
        ..group(["ann", "dora"])
    }
}

fn event() -> Change {
    Change::Apply(Box::new(DomainEvent {
        id: EventId::parse("event").unwrap(),
        fingerprint: 1,
        subject: Subject::parse("job", "7").unwrap(),
        open: Some(group(["ann", "ben"])),
        message: None,
        roster: Vec::new(),
        action: Some(RoomAction::Lock { at: Some(NOW) }),
    }))
}

/// Every question of both ports, in every form.
pub(super) async fn reads(fixture: &Fixture, room: RoomId) {
    let store = &fixture.store;
    let (ann, ben) = (user("ann"), user("ben"));
    let topics = [Topic::Room(room), Topic::User(ann.clone())];
    store.heads(&topics).await.unwrap();
    for after in 0..8 {
        store.changes(room, Rev::new(after), 2).await.unwrap();
    }
    for window in [
        Window::Latest,
        Window::Before(Seq::new(2)),
        Window::After(Seq::ZERO),
        Window::Around(Seq::FIRST),
    ] {
        store.history(room, window, 2).await.unwrap();
    }
    store.participant(room, &ann).await.unwrap();
    store.memberships(&ann, 5).await.unwrap();
    store.room(room).await.unwrap();
    store
        .room_of(&Subject::parse("job", "7").unwrap())
        .await
        .unwrap();
    let after = Some(RoomCursor {
        activity: NOW,
        room,
    });
    for (state, unread_only, left, after) in [
        (None, false, false, None),
        (Some(RoomState::Open), true, false, after),
        (None, true, false, None),
        (Some(RoomState::Locked), false, false, after),
        (None, false, true, None),
        (None, false, true, after),
    ] {
        let query = RoomQuery {
            state,
            unread_only,
            left,
            after,
            limit: 5,
        };
        store.rooms(&ben, &query).await.unwrap();
    }
    store.views(&ben, &[room]).await.unwrap();
    store.participants(room, Some(&ann), 5).await.unwrap();
    store.unread(room, &ben).await.unwrap();
    store.unread_totals(&ben).await.unwrap();
    store
        .acquaintances(&ann, std::slice::from_ref(&ben))
        .await
        .unwrap();
    store.last_seen(&[ben]).await.unwrap();
}
