//! A store, and short ways to say what happens in it.

use std::sync::{Arc, Mutex};

use realtime_core::{
    change::{Actor, Answer, Change, Draft, NewParticipant, NewRoom, Pointer},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::RoomKind,
    seq::Seq,
    store::{Outcome, Store, StoreError},
    time::Timestamp,
};
use realtime_testkit::database::{self, Console};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tempfile::TempDir;

use crate::{SeaOptions, SeaStore, connect::Connections, dialect::Dialect};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A store on a database of its own.
pub(super) struct Fixture {
    pub(super) store: SeaStore,
    url: String,
    /// Of an SQLite file.
    folder: Option<TempDir>,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        Self::with(SeaOptions::default()).await
    }

    pub(super) async fn with(options: SeaOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("realtime.db").display());
        let fixture = Self::at(url, options).await;
        Self {
            folder: Some(folder),
            ..fixture
        }
    }

    pub(super) async fn postgres() -> Self {
        Self::at(database::postgres().fresh_url(), SeaOptions::default()).await
    }

    pub(super) async fn mariadb() -> Self {
        Self::at(database::mariadb().fresh_url(), SeaOptions::default()).await
    }

    /// One of each.
    pub(super) async fn each() -> [Self; 3] {
        let [postgres, mariadb] = Self::servers().await;
        [Self::new().await, postgres, mariadb]
    }

    /// One of each on which several write at once.
    pub(super) async fn servers() -> [Self; 2] {
        [Self::postgres().await, Self::mariadb().await]
    }

    async fn at(url: String, options: SeaOptions) -> Self {
        Self {
            store: SeaStore::connect(&url, options).await.unwrap(),
            url,
            folder: None,
        }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// Another store on the same database, as another server has.
    pub(super) async fn another(&self) -> SeaStore {
        SeaStore::connect(&self.url, SeaOptions::default())
            .await
            .unwrap()
    }

    /// A session with the database that is none of ours.
    pub(super) fn console(&self) -> Console {
        let name = self.url.rsplit('/').next().unwrap();
        let name = name.split('?').next().unwrap();
        match self.dialect() {
            Dialect::Sqlite => panic!("a file has no sessions"),
            Dialect::Postgres => database::postgres().console(name),
            Dialect::MySql => database::mariadb().console(name),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.connections().dialect
    }

    pub(super) fn connections(&self) -> &Connections {
        self.store.connections()
    }

    pub(super) fn writer(&self) -> &DatabaseConnection {
        &self.connections().writer
    }

    /// Bytes of the write-ahead log's file.
    pub(super) fn log_bytes(&self) -> u64 {
        let folder = self.folder.as_ref().unwrap();
        let log = folder.path().join("realtime.db-wal");
        std::fs::metadata(log).unwrap().len()
    }

    pub(super) async fn sql(&self, sql: &str) {
        self.writer().execute_unprepared(sql).await.unwrap();
    }

    /// The statements that are run from now on.
    pub(super) fn listen(&mut self) -> Heard {
        let heard = Heard::default();
        let connections = self.store.connections_mut();
        for connection in [&mut connections.writer, &mut connections.readers.db] {
            let heard = heard.clone();
            connection.set_metric_callback(move |told| {
                heard.0.lock().unwrap().push(told.statement.clone());
            });
        }
        heard
    }
}

/// What was run.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<Statement>>>);

impl Heard {
    pub(super) fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub(super) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(super) fn group<'a>(people: impl IntoIterator<Item = &'a str>) -> NewRoom {
    NewRoom {
        kind: RoomKind::Group,
        subject: None,
        key: None,
        title: None,
        metadata: None,
        participants: people.into_iter().map(newcomer).collect(),
    }
}

pub(super) fn newcomer(name: &str) -> NewParticipant {
    NewParticipant {
        user: user(name),
        role: Role::Member,
        name: Some(name.to_uppercase()),
    }
}

pub(super) async fn open(store: &SeaStore, room: NewRoom) -> RoomId {
    let mut outcomes = store.commit(NOW, &[Change::Open(room)]).await.unwrap();
    match outcomes.remove(0).unwrap().answer {
        Answer::Room { room, .. } => room.id,
        answer @ (Answer::Message { .. }
        | Answer::Pointers { .. }
        | Answer::Participant { .. }
        | Answer::Event { .. }
        | Answer::Erased { .. }) => panic!("a room was asked for: {answer:?}"),
    }
}

pub(super) fn send(room: RoomId, from: &str, client_id: &str) -> Change {
    Change::Send(Draft {
        room,
        from: Actor::user(user(from)),
        client_id: ClientId::parse(client_id).unwrap(),
        body: Body::parse(format!("{from} says {client_id}"), 1_000).unwrap(),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    })
}

pub(super) fn read(room: RoomId, who: &str, seq: u64) -> Change {
    Change::Mark {
        room,
        user: user(who),
        pointer: Pointer::Read,
        seq: Seq::new(seq),
    }
}

pub(super) async fn commit(
    store: &SeaStore,
    changes: &[Change],
) -> Result<Vec<Outcome>, StoreError> {
    store.commit(NOW, changes).await
}

pub(super) async fn last_seq(store: &SeaStore, room: RoomId) -> u64 {
    use realtime_core::store::Catalog;
    store.room(room).await.unwrap().unwrap().last_seq.get()
}
