//! A database with the store's tables and one of the host's, `job`.

use std::sync::Arc;

use realtime_core::{
    change::{Actor, Change, Draft, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    message::{Body, Message, MessageKind},
    participant::Role,
    room::{Room, RoomKind, Subject},
    seq::Rev,
    store::{Catalog, Store, Window},
    time::{Clock, SystemClock},
};
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, Statement,
    TransactionTrait,
};
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

pub(crate) struct Ground {
    pub(crate) kind: Kind,
    pub(crate) store: Arc<SeaStore>,
    /// The host's own connections.
    pub(crate) db: DatabaseConnection,
    _folder: TempDir,
}

impl Ground {
    pub(crate) async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}", folder.path().join("host.db").display()),
            Kind::Postgres => database::postgres().fresh_url(),
            Kind::MariaDb => database::mariadb().fresh_url(),
        };
        let store = SeaStore::connect(&url, SeaOptions::default())
            .await
            .unwrap();
        let mut options = ConnectOptions::new(url);
        options.max_connections(12).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        let table = "CREATE TABLE job (id BIGINT PRIMARY KEY, state VARCHAR(20) NOT NULL)";
        db.execute_unprepared(table).await.unwrap();
        Self {
            kind,
            store: Arc::new(store),
            db,
            _folder: folder,
        }
    }

    /// Begins a transaction of the host's.
    pub(crate) async fn begin(&self) -> DatabaseTransaction {
        let options = self.store.transaction_options();
        self.db.begin_with_options(options).await.unwrap()
    }

    /// The host's rows, as others see them.
    pub(crate) async fn jobs(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM job").await
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let backend = self.db.get_database_backend();
        let row = self.db.query_one_raw(Statement::from_string(backend, sql));
        row.await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    /// Makes every message of the `client_id` "fails" fail when it is written, after the
    /// room was.
    pub(crate) async fn plant_failure(&self) {
        let statements: &[&str] = match self.kind {
            Kind::Sqlite => &[
                "CREATE TRIGGER planted BEFORE INSERT ON rt_message WHEN NEW.client_id = 'fails' \
                 BEGIN SELECT RAISE(ABORT, 'planted'); END",
            ],
            Kind::Postgres => &[
                "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.client_id = 'fails' THEN RAISE EXCEPTION 'planted'; END IF; \
                 RETURN NEW; END $$",
                "CREATE TRIGGER planted BEFORE INSERT ON rt_message \
                 FOR EACH ROW EXECUTE FUNCTION planted()",
            ],
            Kind::MariaDb => &[
                "CREATE TRIGGER planted BEFORE INSERT ON rt_message FOR EACH ROW \
                 IF NEW.client_id = 'fails' THEN \
                 SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'planted'; END IF",
            ],
        };
        for statement in statements {
            self.db.execute_unprepared(statement).await.unwrap();
        }
    }

    pub(crate) async fn room(&self, room: RoomId) -> Room {
        self.store.room(room).await.unwrap().unwrap()
    }

    /// Opens a room by the store itself.
    pub(crate) async fn opened(&self, new: NewRoom) -> RoomId {
        let mut outcomes = self.commits(&[Change::Open(new)]).await;
        outcomes.pop().unwrap().unwrap().events[0].room
    }

    /// Changes something by the store itself.
    pub(crate) async fn commits(&self, changes: &[Change]) -> Vec<realtime_core::store::Outcome> {
        self.store.commit(SystemClock.now(), changes).await.unwrap()
    }

    /// The messages of a room; every number must be there.
    pub(crate) async fn messages(&self, room: RoomId) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let from = realtime_core::seq::Seq::new(messages.len() as u64);
            let page = self
                .store
                .history(room, Window::After(from), 200)
                .await
                .unwrap();
            if page.messages.is_empty() {
                break;
            }
            messages.extend(page.messages);
        }
        let held: Vec<u64> = messages.iter().map(|one| one.seq.get()).collect();
        let dense: Vec<u64> = (1..=held.len() as u64).collect();
        assert_eq!(held, dense, "seq has a hole");
        messages
    }

    /// Checks that every change of a room has its number and every number its change, for
    /// a room in which messages were sent and nothing else was done.
    pub(crate) async fn is_dense(&self, room: RoomId) {
        let messages = self.messages(room).await;
        let head = self.room(room).await;
        assert_eq!(head.last_seq.get(), messages.len() as u64);
        assert_eq!(
            head.rev.get(),
            1 + messages.len() as u64,
            "opened, and each message"
        );
        let set = self.store.changes(room, Rev::FIRST, 500).await.unwrap();
        let revs: Vec<u64> = set.messages.iter().map(|one| one.rev.get()).collect();
        let expected: Vec<u64> = (2..2 + revs.len() as u64).collect();
        assert_eq!(revs, expected, "rev has a hole");
    }
}

/// The host's own row.
pub(crate) async fn insert_job(tx: &DatabaseTransaction, id: i64) {
    let sql = format!("INSERT INTO job (id, state) VALUES ({id}, 'accepted')");
    tx.execute_unprepared(&sql).await.unwrap();
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(crate) fn member(name: &str) -> NewParticipant {
    NewParticipant {
        user: user(name),
        role: Role::Member,
        name: None,
    }
}

pub(crate) fn job_room(job: &str, people: &[&str]) -> NewRoom {
    NewRoom {
        kind: RoomKind::Group,
        subject: Some(Subject::parse("job", job).unwrap()),
        key: None,
        title: None,
        metadata: None,
        participants: people.iter().map(|name| member(name)).collect(),
    }
}

pub(crate) fn text(body: &str) -> Body {
    Body::parse(body.to_owned(), usize::MAX).unwrap()
}

pub(crate) fn client_id(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

/// A message as a client sends it.
pub(crate) fn says(room: RoomId, who: &str, id: &str) -> Change {
    Change::Send(Draft {
        room,
        from: Actor::user(user(who)),
        client_id: client_id(id),
        body: text(id),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    })
}

/// Does all of it again while the database takes it back, as every host must.
macro_rules! until_it_holds {
    ($transaction:expr) => {{
        let mut attempts = 0;
        loop {
            attempts += 1;
            assert!(attempts < 200, "always in the way of others");
            let done: Result<_, realtime_store_sea::HostError> = $transaction.await;
            match done {
                Ok(done) => break done,
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }
    }};
}
pub(crate) use until_it_holds;
