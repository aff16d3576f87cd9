//! Rooms, messages, and what the database says about them itself.

use std::sync::atomic::{AtomicU64, Ordering};

use realtime_core::{
    change::{Actor, Answer, Change, Draft, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::{RoomKind, Subject},
    store::{Outcome, Store, StoreError},
    time::{Clock, SystemClock},
};
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database::{Console, Database, Product, mariadb, postgres};

/// The type of the subjects of all rooms here.
pub(crate) const SUBJECT: &str = "fault";

/// A server for tests that leave it alone.
pub(crate) fn shared(product: Product) -> &'static Database {
    match product {
        Product::Postgres => postgres(),
        Product::MariaDb => mariadb(),
    }
}

pub(crate) async fn connect(url: &str) -> SeaStore {
    let store = SeaStore::connect(url, SeaOptions::default()).await;
    store.unwrap_or_else(|error| panic!("{url}: {error:?}"))
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// A group room of these people, the only one of its subject.
pub(crate) fn opening(subject: &str, people: &[&str]) -> NewRoom {
    let member = |name: &&str| NewParticipant {
        user: user(name),
        role: Role::Member,
        name: None,
    };
    NewRoom {
        kind: RoomKind::Group,
        subject: Some(Subject::parse(SUBJECT, subject).unwrap()),
        key: None,
        title: None,
        metadata: None,
        participants: people.iter().map(member).collect(),
    }
}

pub(crate) async fn open(store: &SeaStore, subject: &str, people: &[&str]) -> RoomId {
    let open = Change::Open(opening(subject, people));
    room_of(commit(store, &[open]).await.unwrap().remove(0))
}

pub(crate) fn room_of(outcome: Outcome) -> RoomId {
    let Answer::Room { room, .. } = outcome.unwrap().answer else {
        panic!("a room was asked for");
    };
    room.id
}

/// A message that says what it is called.
pub(crate) fn draft(room: RoomId, from: &str, client_id: &str) -> Draft {
    Draft {
        room,
        from: Actor::user(user(from)),
        client_id: ClientId::parse(client_id).unwrap(),
        body: Body::parse(text_of(client_id), 100).unwrap(),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    }
}

pub(crate) fn text_of(client_id: &str) -> String {
    format!("text of {client_id}")
}

pub(crate) fn say(room: RoomId, from: &str, client_id: &str) -> Change {
    Change::Send(draft(room, from, client_id))
}

pub(crate) async fn commit(
    store: &SeaStore,
    changes: &[Change],
) -> Result<Vec<Outcome>, StoreError> {
    store.commit(SystemClock.now(), changes).await
}

/// The number of a message, and whether it had been stored before.
pub(crate) fn stored(outcome: Outcome) -> (u64, bool) {
    let Answer::Message { message, duplicate } = outcome.unwrap().answer else {
        panic!("a message was sent");
    };
    (message.seq.get(), duplicate)
}

/// A name that nobody else uses.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How often a message is stored, by the database's own word.
pub(crate) fn rows(console: &mut Console, client_id: &str) -> u64 {
    let count = console.run(&format!(
        "SELECT count(*) FROM rt_message WHERE client_id = '{client_id}'"
    ));
    count.parse().unwrap()
}

/// In every room `seq` and `rev` run without a hole, up to the room's heads. Only for
/// rooms in which nothing happened but sending.
pub(crate) fn is_dense(console: &mut Console) {
    let holes = console.run(
        "SELECT count(*) FROM (SELECT room_id FROM rt_message GROUP BY room_id \
         HAVING min(seq) <> 1 OR max(seq) <> count(*) OR min(rev) <> 2 \
         OR max(rev) <> count(*) + 1 OR count(DISTINCT rev) <> count(*)) AS holes",
    );
    assert_eq!(holes, "0", "rooms with holes");
    let wrong = console.run(
        "SELECT count(*) FROM rt_room r WHERE last_rev <> last_seq + 1 OR last_seq <> \
         (SELECT count(*) FROM rt_message m WHERE m.room_id = r.id)",
    );
    assert_eq!(wrong, "0", "rooms with wrong heads");
}
