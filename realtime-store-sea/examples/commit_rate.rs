//! What a batch of messages costs: milliseconds of CPU (all threads of the process, so
//! the database's too) and of wall time for batches of 1, 8, 64 and 512; all into one
//! room of 64, each message into a room of its own, and messages with receipts.
//!
//! ```sh
//! cargo run --release -p realtime-store-sea --example commit_rate [directory [batch]]
//! ```
//!
//! The database is a new file in the directory (default: the system's temporary one)
//! and is removed at the end. A reader of the numbers should know the disk: every
//! batch is synced.
#![expect(clippy::print_stdout, reason = "a program that prints its findings")]

use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

use realtime_core::{
    change::{Actor, Answer, Change, Draft, NewParticipant, NewRoom, Pointer},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::RoomKind,
    seq::Seq,
    store::{Outcome, Store},
    time::Timestamp,
};
use realtime_store_sea::{SeaOptions, SeaStore};
use uuid::Uuid;

/// The batches: up to the committer's largest.
const SIZES: [usize; 4] = [1, 8, 64, 512];
/// Rooms and, in each, a sender and a reader.
const ROOMS: usize = 512;
/// People in the one room.
const HALL: usize = 64;
/// How long each figure is measured: long against the tick of the CPU clock.
const SPAN: Duration = Duration::from_secs(3);
/// Bytes of a message: a sentence or two.
const BODY: &str = "The cleaner is on the way and will be there in about twenty minutes. Please \
                    leave the key with the neighbour if you have to go.";

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let parent = std::env::args().nth(1).map(PathBuf::from);
    let parent = parent.unwrap_or_else(std::env::temp_dir);
    let folder = parent.join(format!("commit-rate-{}", Uuid::now_v7()));
    std::fs::create_dir(&folder)?;
    let measured = measure(&folder.join("rate.db")).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(file: &std::path::Path) -> Result<(), Failure> {
    let url = format!("sqlite://{}", file.display());
    let store = SeaStore::connect(&url, SeaOptions::default()).await?;
    println!("{:?}", store.durability());
    let rooms = open_rooms(&store).await?;
    let hall = open_hall(&store).await?;
    println!(
        "{:<22} {:>6} {:>8} {:>8} {:>8} {:>8} {:>10} {:>8}",
        "", "batch", "cpu ms", "p50 ms", "p99 ms", "max ms", "changes/s", "log MiB"
    );
    for size in sizes() {
        let one_room = || (0..size).map(|n| send(&hall[n % hall.len()])).collect();
        let figures = run(&store, size, one_room).await?;
        println!("{:<22} {figures} {:>8}", "sends to one room", log_mib(file));
        let own_rooms = || (0..size).map(|n| send(&rooms[n % ROOMS])).collect();
        let figures = run(&store, size, own_rooms).await?;
        println!(
            "{:<22} {figures} {:>8}",
            "sends to own rooms",
            log_mib(file)
        );
        let receipts = || {
            (0..size.div_ceil(2))
                .flat_map(|n| [send(&rooms[n]), mark(&rooms[n])])
                .collect()
        };
        let figures = run(&store, size, receipts).await?;
        println!(
            "{:<22} {figures} {:>8}",
            "sends and receipts",
            log_mib(file)
        );
    }
    store.close().await?;
    Ok(())
}

/// All batches, or the one asked for.
fn sizes() -> Vec<usize> {
    let asked = std::env::args().nth(2).and_then(|size| size.parse().ok());
    asked.map_or_else(|| SIZES.to_vec(), |size| vec![size])
}

/// A room and the two who talk in it.
struct Talk {
    room: RoomId,
    sender: UserId,
    reader: UserId,
}

async fn open_rooms(store: &SeaStore) -> Result<Vec<Talk>, Failure> {
    let mut people = Vec::new();
    let mut openings = Vec::new();
    for n in 0..ROOMS {
        let pair = [
            UserId::parse(&format!("sender-{n}"))?,
            UserId::parse(&format!("reader-{n}"))?,
        ];
        openings.push(Change::Open(NewRoom {
            kind: RoomKind::Direct,
            subject: None,
            key: None,
            title: None,
            metadata: None,
            participants: pair.iter().map(newcomer).collect(),
        }));
        people.push(pair);
    }
    let outcomes = store.commit(now(), &openings).await?;
    let mut talks = Vec::new();
    for (outcome, [sender, reader]) in outcomes.into_iter().zip(people) {
        talks.push(Talk {
            room: opened(outcome)?,
            sender,
            reader,
        });
    }
    Ok(talks)
}

/// One room, and for each of its members a sender with the next as reader.
async fn open_hall(store: &SeaStore) -> Result<Vec<Talk>, Failure> {
    let people: Vec<UserId> = (0..HALL)
        .map(|n| UserId::parse(&format!("member-{n}")))
        .collect::<Result<_, _>>()?;
    let room = NewRoom {
        kind: RoomKind::Group,
        subject: None,
        key: None,
        title: None,
        metadata: None,
        participants: people.iter().map(newcomer).collect(),
    };
    let room = opened(store.commit(now(), &[Change::Open(room)]).await?.remove(0))?;
    let readers = people.iter().cycle().skip(1);
    Ok(people
        .iter()
        .zip(readers)
        .map(|(sender, reader)| Talk {
            room,
            sender: sender.clone(),
            reader: reader.clone(),
        })
        .collect())
}

fn opened(outcome: Outcome) -> Result<RoomId, Failure> {
    match outcome?.answer {
        Answer::Room { room, .. } => Ok(room.id),
        Answer::Message { .. }
        | Answer::Pointers { .. }
        | Answer::Participant { .. }
        | Answer::Event { .. }
        | Answer::Erased { .. } => Err("a room was not opened".into()),
    }
}

fn newcomer(user: &UserId) -> NewParticipant {
    NewParticipant {
        user: user.clone(),
        role: Role::Member,
        name: Some(format!("Name of {user}")),
    }
}

fn send(talk: &Talk) -> Result<Change, Failure> {
    Ok(Change::Send(Draft {
        room: talk.room,
        from: Actor::user(talk.sender.clone()),
        client_id: ClientId::parse(&Uuid::new_v4().to_string())?,
        body: Body::parse(BODY.to_owned(), BODY.len())?,
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    }))
}

fn mark(talk: &Talk) -> Result<Change, Failure> {
    Ok(Change::Mark {
        room: talk.room,
        user: talk.reader.clone(),
        pointer: Pointer::Read,
        seq: Seq::new(u64::MAX),
    })
}

/// Commits batches for a while and says what each cost.
async fn run(
    store: &SeaStore,
    size: usize,
    batch: impl Fn() -> Vec<Result<Change, Failure>>,
) -> Result<String, Failure> {
    let mut taken = Vec::new();
    let (started, cpu) = (Instant::now(), cpu_time()?);
    while started.elapsed() < SPAN {
        let changes: Vec<Change> = batch().into_iter().collect::<Result<_, _>>()?;
        let before = Instant::now();
        for outcome in store.commit(now(), &changes).await? {
            outcome?;
        }
        taken.push(before.elapsed());
    }
    let cpu = cpu_time()?.saturating_sub(cpu);
    let rounds = u32::try_from(taken.len())?;
    let busy: Duration = taken.iter().sum();
    taken.sort_unstable();
    let ms = |span: Duration| span.as_secs_f64() * 1e3;
    let share = |percent: usize| ms(taken[(taken.len() - 1) * percent / 100]);
    let rate = f64::from(rounds) * f64::from(u32::try_from(size)?) / busy.as_secs_f64();
    Ok(format!(
        "{size:>6} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {rate:>10.0}",
        ms(cpu) / f64::from(rounds),
        share(50),
        share(99),
        share(100),
    ))
}

/// CPU time of all threads of this process so far.
fn cpu_time() -> Result<Duration, Failure> {
    /// Of `man 5 proc`: user time, counted from what follows the name.
    const UTIME: usize = 11;
    /// Ticks of the clock in which Linux states it.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let mut fields = fields.split_whitespace().skip(UTIME);
    let mut ticks = || -> Result<u32, Failure> {
        Ok(fields.next().ok_or("no time in /proc/self/stat")?.parse()?)
    };
    Ok(TICK * (ticks()? + ticks()?))
}

fn log_mib(file: &std::path::Path) -> u64 {
    let log = file.with_extension("db-wal");
    std::fs::metadata(log).map_or(0, |log| log.len() >> 20)
}

fn now() -> Timestamp {
    use realtime_core::time::{Clock, SystemClock};
    SystemClock.now()
}
