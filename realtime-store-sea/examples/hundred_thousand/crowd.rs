//! Writers who all talk at once, half of the time in one room; and readers who then
//! compare everything that they saw.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use realtime_core::{
    Connection, Limits, Opening, Realtime,
    change::{Actor, Draft, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    memory::MemoryBroker,
    message::{Body, MessageKind},
    participant::Role,
    protocol::Connect,
    room::{RoomKind, Subject},
    seq::{Rev, Seq},
    store::{Store, Window},
};
use realtime_store_sea::{SeaOptions, SeaStore};
use serde_json::Value;
use tokio::{task::JoinSet, time::timeout};

/// Rooms besides the one in which all are.
pub(crate) const ROOMS: usize = 1_000;
/// Who write at once.
pub(crate) const WRITERS: usize = 64;
/// Writers of each of the other rooms.
const NEIGHBOURS: usize = 4;
/// Rooms from one of a writer to their next.
const STRIDE: usize = WRITERS / NEIGHBOURS;
/// Messages that a writer has under way: half of them in the hall.
const AT_ONCE: u64 = 4;
/// Who only listen, in the hall, on each of the two servers.
const LISTENERS: usize = 2;
/// How long nothing may come to a listener.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was said in a room: the text of 1, 2, 3 …
type Said = Vec<String>;

/// What it took.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) messages: u64,
    pub(crate) sending: Duration,
    pub(crate) checking: Duration,
    pub(crate) transactions: u64,
    /// How long a sender waited for the answer.
    pub(crate) half: Duration,
    pub(crate) slowest_hundredth: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.sending.as_secs_f64();
        let messages = f64::from(u32::try_from(self.messages).unwrap_or(u32::MAX));
        write!(
            f,
            "{} messages in {seconds:.1} s, {:.0}/s; p50 {:.1} ms, p99 {:.1} ms; \
             {} transactions; all readers agree, after {:.1} s",
            self.messages,
            messages / seconds,
            self.half.as_secs_f64() * 1e3,
            self.slowest_hundredth.as_secs_f64() * 1e3,
            self.transactions,
            self.checking.as_secs_f64(),
        )
    }
}

/// One server; both are of one installation.
struct Server {
    store: Arc<SeaStore>,
    realtime: Realtime,
}

/// What one writer was told: the room, the number, the text.
type Told = Vec<(RoomId, u64, String)>;

struct Writer {
    user: UserId,
    hall: RoomId,
    rooms: Vec<RoomId>,
    messages: u64,
}

/// Sends at least so many messages, the same share each, and compares what all readers see.
///
/// # Panics
/// Anything is not as promised.
pub(crate) async fn run(url: &str, messages: u64) -> Report {
    let broker = Arc::new(MemoryBroker::default());
    let servers = [server(url, &broker).await, server(url, &broker).await];
    let (hall, rooms) = open_rooms(&servers[0].realtime).await;
    let share = messages.div_ceil(WRITERS as u64).next_multiple_of(AT_ONCE);
    let in_hall = share / 2 * WRITERS as u64;
    let mut listeners = JoinSet::new();
    for server in &servers {
        for n in 0..LISTENERS {
            let connection = listen(&server.realtime, n).await;
            listeners.spawn(hear(connection, hall, in_hall));
        }
    }

    let began = Instant::now();
    let (told, mut waits) = write_all(&servers, hall, &rooms, share).await;
    let sending = began.elapsed();
    let transactions = servers
        .iter()
        .map(|server| server.realtime.metrics().commits.get());
    let transactions = transactions.sum();

    let began = Instant::now();
    for heard in listeners.join_all().await {
        assert!(told[&hall] == heard, "a listener heard otherwise");
    }
    compare(&servers, told, std::iter::once(&hall).chain(&rooms)).await;
    let checking = began.elapsed();
    for server in &servers {
        server.realtime.shutdown().await;
        server.store.close().await.unwrap();
    }
    waits.sort_unstable();
    Report {
        messages: share * WRITERS as u64,
        sending,
        checking,
        transactions,
        half: waits[waits.len() / 2],
        slowest_hundredth: waits[waits.len() * 99 / 100],
    }
}

/// What was said in each room, by the answers; and how long each took.
async fn write_all(
    servers: &[Server; 2],
    hall: RoomId,
    rooms: &[RoomId],
    share: u64,
) -> (HashMap<RoomId, Said>, Vec<Duration>) {
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let its_rooms = rooms.iter().skip(n % STRIDE).step_by(STRIDE);
        let writer = Writer {
            user: writer_name(n),
            hall,
            rooms: its_rooms.copied().collect(),
            messages: share,
        };
        writers.spawn(writer.write(servers[n % servers.len()].realtime.clone()));
    }
    let (mut answers, mut waits) = (Told::new(), Vec::new());
    while let Some(written) = writers.join_next().await {
        let (its_answers, its_waits) = written.unwrap();
        answers.extend(its_answers);
        waits.extend(its_waits);
    }
    answers.sort_by_key(|(_, seq, _)| *seq);
    let mut told: HashMap<RoomId, Said> = HashMap::new();
    for (room, seq, text) in answers {
        let said = told.entry(room).or_default();
        said.push(text);
        assert_eq!(seq, said.len() as u64, "dense, and each number once");
    }
    (told, waits)
}

/// Reads every room on both servers, each in another way.
async fn compare(
    servers: &[Server; 2],
    mut told: HashMap<RoomId, Said>,
    rooms: impl Iterator<Item = &RoomId>,
) {
    for room in rooms {
        let expected = told.remove(room).unwrap_or_default();
        assert!(expected == forwards(&servers[0].store, *room).await);
        assert!(expected == backwards(&servers[1].store, *room).await);
        assert!(expected == by_changes(&servers[1].store, *room).await);
    }
    assert!(told.is_empty(), "rooms that nobody opened");
}

async fn server(url: &str, broker: &Arc<MemoryBroker>) -> Server {
    let store = SeaStore::connect(url, SeaOptions::default()).await.unwrap();
    let store = Arc::new(store);
    let realtime = Realtime::builder(store.clone())
        .broker(broker.clone())
        .limits(Limits::default())
        .lanes(store.lanes())
        .start()
        .await
        .unwrap();
    Server { store, realtime }
}

fn writer_name(n: usize) -> UserId {
    UserId::parse(&format!("writer-{n}")).unwrap()
}

fn listener_name(n: usize) -> UserId {
    UserId::parse(&format!("listener-{n}")).unwrap()
}

async fn open_rooms(realtime: &Realtime) -> (RoomId, Vec<RoomId>) {
    let listeners = (0..LISTENERS).map(|n| (listener_name(n), Role::Observer));
    let writers = (0..WRITERS).map(|n| (writer_name(n), Role::Member));
    let hall = open(
        realtime,
        "hall".to_owned(),
        listeners.chain(writers).collect(),
    )
    .await;
    let mut opening = JoinSet::new();
    for room in 0..ROOMS {
        let realtime = realtime.clone();
        let neighbours = (0..NEIGHBOURS).map(|n| room % STRIDE + n * STRIDE);
        let neighbours = neighbours.map(|n| (writer_name(n), Role::Member)).collect();
        opening.spawn(async move { (room, open(&realtime, room.to_string(), neighbours).await) });
    }
    let mut rooms = opening.join_all().await;
    rooms.sort_unstable_by_key(|(number, _)| *number);
    (hall, rooms.into_iter().map(|(_, room)| room).collect())
}

async fn open(realtime: &Realtime, subject: String, people: Vec<(UserId, Role)>) -> RoomId {
    let participant = |(user, role)| NewParticipant {
        user,
        role,
        name: None,
    };
    let new = NewRoom {
        kind: RoomKind::Group,
        subject: Some(Subject::parse("crowd", &subject).unwrap()),
        key: None,
        title: None,
        metadata: None,
        participants: people.into_iter().map(participant).collect(),
    };
    realtime.open(new).await.unwrap().room.id
}

impl Writer {
    /// Two in the hall, and two in other rooms at the same time, again and again.
    async fn write(self, realtime: Realtime) -> (Told, Vec<Duration>) {
        let (mut told, mut waits) = (Told::new(), Vec::new());
        let mut others = self.rooms.iter().cycle();
        let mut newest = 0;
        for turn in 0..self.messages / AT_ONCE {
            let texts: [String; 4] =
                std::array::from_fn(|n| format!("{}-{}", self.user, turn * AT_ONCE + n as u64));
            let rooms = [
                self.hall,
                *others.next().unwrap(),
                self.hall,
                *others.next().unwrap(),
            ];
            let send = |n: usize| self.send(&realtime, rooms[n], &texts[n]);
            let (one, two, three, four) = tokio::join!(send(0), send(1), send(2), send(3));
            assert!(newest < one.0 && one.0 < three.0, "as they were sent");
            newest = three.0;
            for ((room, text), (seq, wait)) in
                rooms.into_iter().zip(texts).zip([one, two, three, four])
            {
                told.push((room, seq, text));
                waits.push(wait);
            }
        }
        (told, waits)
    }

    async fn send(&self, realtime: &Realtime, room: RoomId, text: &str) -> (u64, Duration) {
        let began = Instant::now();
        let draft = Draft {
            room,
            from: Actor::user(self.user.clone()),
            client_id: ClientId::parse(text).unwrap(),
            body: Body::parse(text.to_owned(), 100).unwrap(),
            kind: MessageKind::Text,
            reply_to: None,
            metadata: None,
        };
        let sent = realtime.send(draft).await;
        let sent = sent.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(!sent.duplicate);
        (sent.message.seq.get(), began.elapsed())
    }
}

async fn listen(realtime: &Realtime, n: usize) -> Connection {
    let connection = realtime.accept(Opening::of(listener_name(n)));
    connection.listen(Connect::default()).await.unwrap();
    connection
}

/// Hears so many messages of the hall, each in its place.
async fn hear(connection: Connection, hall: RoomId, count: u64) -> Said {
    let hall = hall.to_string();
    let mut said = Said::new();
    // The opening is change 1.
    let mut rev = 1;
    while (said.len() as u64) < count {
        let line = timeout(PATIENCE, connection.next_line()).await;
        let line = line
            .expect("a listener hears more")
            .expect("and is not closed");
        let line: Value = serde_json::from_str(&line).unwrap();
        let message = &line["message"];
        if message["room"] != hall {
            continue;
        }
        rev += 1;
        assert_eq!(message["rev"], rev, "after {said:?}");
        assert_eq!(message["seq"], said.len() as u64 + 1);
        said.push(message["body"].as_str().unwrap().to_owned());
    }
    said
}

async fn forwards(store: &SeaStore, room: RoomId) -> Said {
    let mut said = Said::new();
    loop {
        let after = Window::After(Seq::new(said.len() as u64));
        let page = store.history(room, after, u32::MAX).await.unwrap();
        for message in page.messages {
            assert_eq!(message.seq.get(), said.len() as u64 + 1);
            said.push(message.body.unwrap());
        }
        if !page.has_newer {
            return said;
        }
    }
}

async fn backwards(store: &SeaStore, room: RoomId) -> Said {
    let mut said = Said::new();
    let mut window = Window::Latest;
    loop {
        let page = store.history(room, window, u32::MAX).await.unwrap();
        if let Some(eldest) = page.messages.first() {
            window = Window::Before(eldest.seq);
        }
        said.extend(
            page.messages
                .into_iter()
                .rev()
                .map(|message| message.body.unwrap()),
        );
        if !page.has_older {
            said.reverse();
            return said;
        }
    }
}

async fn by_changes(store: &SeaStore, room: RoomId) -> Said {
    let mut said = Said::new();
    let mut rev = Rev::ZERO;
    loop {
        let changes = store.changes(room, rev, u32::MAX).await.unwrap();
        for message in changes.messages {
            assert_eq!(message.rev.get(), said.len() as u64 + 2, "dense");
            said.push(message.body.unwrap());
        }
        rev = changes.rev;
        if changes.complete {
            assert_eq!(rev.get(), said.len() as u64 + 1, "the head is told");
            return said;
        }
    }
}
