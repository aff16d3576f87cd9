//! Acknowledged messages a second, and how long an acknowledgement takes, on each
//! database; with the group commit and with a transaction for each message.
//!
//! ```sh
//! cargo run --release -p realtime-benches --example databases [seconds [sqlite|postgresql|mariadb]]
//! ```
//!
//! Every database is a private one with full durability, on a file or data folder below
//! the target directory. Senders wait for one answer before they send the next message
//! (a closed loop), each in a room of their own. The two ways take turns of half a
//! second, each on its own database of the same server, so that a disk that becomes
//! slower is slower for both. At the end every room must hold what was acknowledged.
#![expect(clippy::print_stdout, reason = "a program that prints its findings")]

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use realtime_core::{
    Limits, Realtime,
    change::{Actor, Draft, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::RoomKind,
    store::Catalog,
};
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database::{Database, Options, Product};
use tokio::task::JoinSet;

/// People who send at once.
const SENDERS: [usize; 3] = [1, 8, 64];
/// One turn of one way.
const TURN: Duration = Duration::from_millis(500);
/// How long each cell is measured by default, and at first not looked at.
const SPAN: (u64, Duration) = (5, Duration::from_secs(1));
/// Bytes of a message: a sentence or two.
const BODY: &str = "The cleaner is on the way and will be there in about twenty minutes. Please \
                    leave the key with the neighbour if you have to go.";
/// Below the target directory: `/tmp` may be in memory, where an fsync costs nothing.
const ON_DISK: &str = env!("CARGO_MANIFEST_DIR");

type Failure = Box<dyn Error + Send + Sync>;

/// A database server that makes new databases.
enum Server {
    Sqlite(tempfile::TempDir),
    Own(Database),
}

impl Server {
    fn all() -> Result<Vec<(&'static str, Self)>, Failure> {
        let wanted = std::env::args().nth(2);
        let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        let mut servers = Vec::new();
        if is_wanted("sqlite") {
            let target = std::path::Path::new(ON_DISK).join("../target");
            servers.push(("sqlite", Self::Sqlite(tempfile::tempdir_in(target)?)));
        }
        for (name, product) in [
            ("postgresql", Product::Postgres),
            ("mariadb", Product::MariaDb),
        ] {
            if is_wanted(name) {
                let server = Database::start(product, Options::default());
                servers.push((name, Self::Own(server)));
            }
        }
        Ok(servers)
    }

    fn fresh_url(&self) -> String {
        match self {
            Self::Sqlite(folder) => {
                let file = folder.path().join(format!("{}.db", uuid::Uuid::now_v7()));
                format!("sqlite://{}", file.display())
            }
            Self::Own(server) => server.fresh_url(),
        }
    }
}

/// One way of committing, with what it came to.
struct Way {
    store: Arc<SeaStore>,
    realtime: Realtime,
    rooms: Vec<(RoomId, UserId)>,
    acked: u64,
    took: Duration,
    latency: Histogram<u64>,
}

impl Way {
    async fn open(url: &str, senders: usize, grouped: bool) -> Result<Self, Failure> {
        let store = Arc::new(SeaStore::connect(url, SeaOptions::default()).await?);
        let mut limits = Limits::default();
        if !grouped {
            limits.commit_batch = 1;
        }
        let realtime = Realtime::builder(store.clone())
            .limits(limits)
            .lanes(store.lanes())
            .start()
            .await?;
        let mut rooms = Vec::new();
        for n in 0..senders {
            let pair = [
                UserId::parse(&format!("sender-{n}"))?,
                UserId::parse(&format!("reader-{n}"))?,
            ];
            let participants = pair.iter().map(|user| NewParticipant {
                user: user.clone(),
                role: Role::Member,
                name: None,
            });
            let opened = realtime
                .open(NewRoom {
                    kind: RoomKind::Direct,
                    subject: None,
                    key: None,
                    title: None,
                    metadata: None,
                    participants: participants.collect(),
                })
                .await?;
            let [sender, _] = pair;
            rooms.push((opened.room.id, sender));
        }
        Ok(Self {
            store,
            realtime,
            rooms,
            acked: 0,
            took: Duration::ZERO,
            latency: Histogram::new(3)?,
        })
    }

    /// Everybody sends for one turn.
    async fn turn(&mut self, turn: usize) -> Result<(), Failure> {
        let started = Instant::now();
        let mut sending = JoinSet::new();
        for (room, sender) in &self.rooms {
            let (realtime, room, sender) = (self.realtime.clone(), *room, sender.clone());
            sending.spawn(async move {
                let mut took = Vec::new();
                while started.elapsed() < TURN {
                    let asked = Instant::now();
                    let name = format!("{turn}-{}", took.len());
                    realtime.send(draft(room, &sender, &name)?).await?;
                    took.push(asked.elapsed());
                }
                Ok::<_, Failure>(took)
            });
        }
        for took in sending.join_all().await {
            for one in took? {
                self.acked += 1;
                self.latency
                    .record(u64::try_from(one.as_micros()).unwrap_or(u64::MAX))?;
            }
        }
        self.took += started.elapsed();
        Ok(())
    }

    /// What was measured so far was for warming up.
    fn begin(&mut self) {
        self.took = Duration::ZERO;
        self.latency.reset();
    }

    async fn close(self) -> Result<String, Failure> {
        let mut stored = 0;
        for (room, _) in &self.rooms {
            let room = self.store.room(*room).await?.ok_or("a room is gone")?;
            stored += room.last_seq.get();
        }
        if stored != self.acked {
            return Err(format!("{} acknowledged, {stored} stored", self.acked).into());
        }
        self.realtime.shutdown().await;
        self.store.close().await?;
        let millis = |quantile| {
            let micros = self.latency.value_at_quantile(quantile);
            Duration::from_micros(micros).as_secs_f64() * 1e3
        };
        Ok(format!(
            "{:.0} | {:.1} | {:.1}",
            self.rate(),
            millis(0.5),
            millis(0.99)
        ))
    }

    fn rate(&self) -> f64 {
        let acked = u32::try_from(self.latency.len()).unwrap_or(u32::MAX);
        f64::from(acked) / self.took.as_secs_f64()
    }
}

fn draft(room: RoomId, sender: &UserId, name: &str) -> Result<Draft, Failure> {
    Ok(Draft {
        room,
        from: Actor::user(sender.clone()),
        client_id: ClientId::parse(name)?,
        body: Body::parse(BODY.to_owned(), BODY.len())?,
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    })
}

/// One line of the table.
async fn measure(server: &Server, senders: usize, span: Duration) -> Result<String, Failure> {
    let mut grouped = Way::open(&server.fresh_url(), senders, true).await?;
    let mut single = Way::open(&server.fresh_url(), senders, false).await?;
    let mut turn = 0;
    while single.took < span {
        grouped.turn(turn).await?;
        single.turn(turn).await?;
        turn += 1;
        if turn == usize::try_from(SPAN.1.as_millis() / TURN.as_millis())? {
            grouped.begin();
            single.begin();
        }
    }
    let ratio = grouped.rate() / single.rate();
    let (grouped, single) = (grouped.close().await?, single.close().await?);
    Ok(format!("{senders} | {grouped} | {single} | {ratio:.1}"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let seconds = std::env::args()
        .nth(1)
        .map(|text| text.parse())
        .transpose()?;
    let span = Duration::from_secs(seconds.unwrap_or(SPAN.0));
    let servers = tokio::task::spawn_blocking(Server::all).await??;
    println!(
        "| database | senders | grouped: acked/s | p50 ms | p99 ms | one by one: acked/s | p50 ms | p99 ms | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, server) in &servers {
        for senders in SENDERS {
            println!("| {name} | {} |", measure(server, senders, span).await?);
        }
    }
    Ok(())
}
