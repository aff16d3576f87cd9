//! Answers, as a running server gives them in a scene with fixed ids and times.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use realtime_core::{
    Connection, Opening, Realtime, Scope,
    change::{History, Legacy, NewParticipant, NewRoom},
    id::{IdGenerator, RoomId, SessionId, UserId},
    memory::MemoryStore,
    participant::Role,
    ports::{AuthError, Authenticator, Identity},
    protocol::Connect,
    room::{RoomKind, Subject},
    time::{Clock, Timestamp},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Produced,
    values::{NINE, parsed, user, uuid},
};

/// Who is in the scene: the client, who opened the job, and the cleaner.
const ANN: &str = "42";
const BEN: &str = "7";
/// Who takes over from him.
const CLEO: &str = "11";
/// How long tokens last, from the beginning of the scene.
const TOKEN_TTL: Duration = Duration::from_secs(3_600);

/// Wall time that only the scene moves.
#[derive(Debug)]
struct Watch(AtomicI64);

impl Watch {
    fn tick(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl IdGenerator for Count {
    fn uuid(&self) -> Uuid {
        uuid(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Knows one token.
#[derive(Debug)]
struct Door;

#[async_trait]
impl Authenticator for Door {
    async fn authenticate(&self, token: &str) -> Result<Identity, AuthError> {
        let user = token.strip_prefix("token-of-").ok_or(AuthError::Expired)?;
        Ok(identity(user))
    }
}

fn identity(name: &str) -> Identity {
    Identity {
        expires_at: Some(NINE.after(TOKEN_TTL)),
        ..Identity::of(user(name))
    }
}

/// Somebody's connection, and the number of their last command.
struct Client {
    connection: Connection,
    last: u32,
}

impl Client {
    fn new(server: &Realtime, name: &str) -> Self {
        let connection = server.accept(Opening {
            scope: Scope::All,
            identity: Some(identity(name)),
            authenticator: Arc::new(Door),
        });
        Self {
            connection,
            last: 0,
        }
    }

    /// Gives a command and waits for the answer; pushes before it are left out.
    async fn ask(&mut self, command: &str, body: Value) -> Value {
        self.last += 1;
        let frame = json!({"id": self.last, command: body});
        self.connection.receive(&frame.to_string()).await;
        loop {
            let line = self.hear().await;
            if line["id"] == self.last {
                return line;
            }
        }
    }

    async fn hear_push(&mut self, word: &str) -> Value {
        loop {
            let line = self.hear().await;
            if line.get(word).is_some() {
                return line;
            }
        }
    }

    async fn hear(&mut self) -> Value {
        parsed(&self.connection.next_line().await.unwrap())
    }
}

/// A connection is called anew each time: that is left out of the comparison.
fn with_fixed_session(mut line: Value, of: &str) -> Value {
    let session = &mut line[of]["session"];
    let told: SessionId = serde_json::from_value(session.clone()).unwrap();
    assert_eq!(told.to_string().len(), 36);
    *session = json!(uuid(0xff));
    line
}

fn job(number: &str) -> NewRoom {
    let person = |name: &str, called: &str| NewParticipant {
        user: user(name),
        role: Role::Member,
        name: Some(called.to_owned()),
    };
    NewRoom {
        kind: RoomKind::Direct,
        subject: Some(Subject::parse("job", number).unwrap()),
        key: None,
        title: Some("Cleaning on Monday".to_owned()),
        metadata: None,
        participants: vec![person(ANN, "Ann"), person(BEN, "Ben")],
    }
}

struct Scene {
    server: Realtime,
    watch: Arc<Watch>,
    room: RoomId,
}

impl Scene {
    async fn begin() -> Self {
        let watch = Arc::new(Watch(AtomicI64::new(NINE.as_millis())));
        let store = Arc::new(MemoryStore::new(Arc::new(Count::default())));
        let builder = Realtime::builder(store).clock(watch.clone());
        let server = builder.start().await.unwrap();
        let room = server.open(job("7421")).await.unwrap().room.id;
        Self {
            server,
            watch,
            room,
        }
    }
}

/// Plays the scene and notes every answer, and the pushes that only a server makes.
pub(crate) async fn play(produced: &mut Produced) {
    let scene = Scene::begin().await;
    let mut ben = Client::new(&scene.server, BEN);
    ben.ask("connect", json!({})).await;
    let mut ann = Client::new(&scene.server, ANN);
    let sent = messages(&scene, &mut ann, &mut ben, produced).await;
    pointers(&scene, &mut ben, produced, &sent).await;
    listening(&scene, &mut ann, produced).await;
    the_rest(&mut ann, produced).await;
    farewell(&scene, &mut ann, produced).await;
}

async fn messages(
    scene: &Scene,
    ann: &mut Client,
    ben: &mut Client,
    produced: &mut Produced,
) -> Value {
    let room = scene.room;
    let hello =
        json!({"room": room, "client_id": "0b8e", "body": "Hello! The key is under the mat."});
    let send =
        |client_id: &str, body: &str| json!({"room": room, "client_id": client_id, "body": body});
    ben.ask("send", send("b1", "I can come at nine.")).await;
    scene.watch.tick(60);
    let connected = ann.ask("connect", json!({})).await;
    produced.insert("answer_connect", with_fixed_session(connected, "ok"));
    let sent = ann.ask("send", hello.clone()).await;
    produced.insert("answer_send", sent.clone());
    let again = ann.ask("send", hello).await;
    produced.insert("answer_send_duplicate", again);
    ben.ask("send", send("b2", "Fine.")).await;
    scene.watch.tick(30);
    let edit = json!({"room": room, "seq": 2, "body": "Hello! The key is with the neighbour."});
    produced.insert("answer_edit", ann.ask("edit", edit).await);
    let delete = json!({"room": room, "seq": 3});
    produced.insert("answer_delete", ben.ask("delete", delete).await);
    let history = ann.ask("history", json!({"room": room, "limit": 2})).await;
    produced.insert("answer_history", history);
    sent
}

async fn pointers(scene: &Scene, ben: &mut Client, produced: &mut Produced, sent: &Value) {
    let room = scene.room;
    let at = |seq: &Value| json!({"room": room, "seq": seq});
    let delivered = ben.ask("delivered", at(&sent["ok"]["seq"])).await;
    produced.insert("answer_delivered", delivered);
    let read = ben.ask("read", at(&json!(1))).await;
    produced.insert("answer_read", read);
    let changes = json!({"room": room, "after_rev": 4, "limit": 500});
    produced.insert("answer_changes", ben.ask("changes", changes).await);
    let lock = realtime_core::change::RoomAction::Lock { at: None };
    scene.server.act(room, lock).await.unwrap();
    let changes = json!({"room": room, "after_rev": 7});
    produced.insert("answer_changes_room", ben.ask("changes", changes).await);
}

async fn listening(scene: &Scene, ann: &mut Client, produced: &mut Produced) {
    let room = scene.room;
    let unknown = RoomId::from_uuid(uuid(0xdead));
    let left = ann.ask("unsubscribe", json!({"rooms": [room]})).await;
    produced.insert("answer_unsubscribe", left);
    let rooms = json!({"rooms": [{"room": room, "rev": 3}, {"room": unknown}]});
    let back = ann.ask("subscribe", rooms).await;
    produced.insert("answer_subscribe", back);
    scene.server.open(job("7422")).await.unwrap();
    // What was missed in the first room comes before; it is not seen as by anybody.
    let mut opened = ann.hear_push("room").await;
    while opened["room"].get("me").is_none() {
        opened = ann.hear_push("room").await;
    }
    produced.insert("push_room_opened", opened);
}

async fn the_rest(ann: &mut Client, produced: &mut Produced) {
    let presence = ann
        .ask("presence", json!({"users": [BEN, "stranger"]}))
        .await;
    produced.insert("answer_presence", presence);
    let feed = ann.ask("notifications", json!({})).await;
    produced.insert("answer_notifications", feed);
    let read = ann.ask("notifications_read", json!({})).await;
    produced.insert("answer_notifications_read", read);
    let preferences = ann.ask("preferences", json!({})).await;
    produced.insert("answer_preferences", preferences);
    let refreshed = ann.ask("refresh", json!({"token": "token-of-42"})).await;
    produced.insert("answer_refresh", refreshed);
}

/// Another cleaner takes over, and the first one is erased.
async fn handover(scene: &Scene, ann: &mut Client, produced: &mut Produced) {
    let room = scene.server.open(job("7424")).await.unwrap().room.id;
    let hello = json!({"room": room, "client_id": "0c11", "body": "Can you come on Monday?"});
    ann.ask("send", hello).await;
    let mut cleo = Client::new(&scene.server, CLEO);
    cleo.ask("connect", json!({})).await;
    let comes = NewParticipant {
        user: user(CLEO),
        role: Role::Member,
        name: Some("Cleo".to_owned()),
    };
    let (server, ben) = (&scene.server, user(BEN));
    let replaced = server.replace(room, &ben, comes, History::FromNow).await;
    replaced.unwrap();
    produced.insert("push_room_handed_over", cleo.hear_push("room").await);

    server.erase(&ben, Legacy::Tombstone).await.unwrap();
    let reset = ann.hear_push("reset").await;
    let changes = json!({"room": reset["reset"]["room"], "after_rev": 1});
    produced.insert("answer_changes_reset", ann.ask("changes", changes).await);
}

async fn farewell(scene: &Scene, ann: &mut Client, produced: &mut Produced) {
    let newcomer: UserId = user("9");
    let quiet = scene.server.accept(Opening::of(newcomer));
    quiet.listen(Connect::default()).await.unwrap();
    let connected = parsed(&quiet.next_line().await.unwrap());
    produced.insert("push_connected", with_fixed_session(connected, "connected"));

    let open = scene.server.open(job("7423")).await.unwrap().room.id;
    let typing = ann
        .ask("typing", json!({"room": open, "active": true}))
        .await;
    produced.insert("answer_typing", typing);
    handover(scene, ann, produced).await;

    let (min, max) = (Duration::from_secs(1), Duration::from_secs(10));
    scene.server.drain(min, max).await;
    produced.insert("push_drain", ann.hear_push("drain").await);
}
