//! One step of a connection's conversation, without anything around it.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot do its work must stop"
)]

#[path = "support/golden.rs"]
mod golden;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use realtime_core::{
    id::UserId,
    limits::Limits,
    ports::Identity,
    session::{Effect, Session},
    time::Timestamp,
};

/// How long a token is good for: longer than the bench runs.
const TOKEN: Duration = Duration::from_secs(3_600);

/// A session whose client is in, with a token that ends, as they do, or one that
/// does not.
fn open(now: Instant, expires_at: Option<Timestamp>) -> Session {
    let user = UserId::parse("ann").expect("a name is a user id");
    let identity = Identity {
        expires_at,
        ..Identity::of(user.clone())
    };
    let mut session = Session::new(now, &Limits::default());
    let connect = session.on_line(&golden::frame("connect"));
    assert!(matches!(connect, Some(Effect::Connect { .. })));
    session.connected(user, &identity, now, Timestamp::default());
    session
}

fn expiry() -> Option<Timestamp> {
    Some(Timestamp::default().after(TOKEN))
}

fn on_line(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session_step/on_line");
    group.throughput(Throughput::Elements(1));
    let mut session = open(Instant::now(), expiry());
    let send = golden::frame("send");
    assert!(matches!(session.on_line(&send), Some(Effect::Run(_))));
    group.bench_function("send", |bencher| {
        bencher.iter(|| session.on_line(black_box(&send)));
    });
    let nonsense = "nonsense";
    assert!(matches!(session.on_line(nonsense), Some(Effect::Say(_))));
    group.bench_function("nonsense", |bencher| {
        bencher.iter(|| session.on_line(black_box(nonsense)));
    });
}

fn on_time(criterion: &mut Criterion) {
    let limits = Limits::default();
    let start = Instant::now();
    let mut group = criterion.benchmark_group("session_step/on_time");
    group.throughput(Throughput::Elements(1));

    let mut session = open(start, expiry());
    assert_eq!(session.on_time(start, &limits), []);
    group.bench_function("nothing_due", |bencher| {
        bencher.iter(|| session.on_time(black_box(start), &limits));
    });
    group.bench_function("deadline", |bencher| {
        bencher.iter(|| black_box(&session).deadline(&limits));
    });

    let mut now = start;
    let mut ping = |session: &mut Session| {
        now += limits.ping_interval;
        session.heard();
        session.on_time(now, &limits)
    };
    // Each turn is 25 s later: no token lasts so long.
    let mut session = open(start, None);
    assert!(matches!(*ping(&mut session), [Effect::Say(_)]));
    group.bench_function("ping_due", |bencher| bencher.iter(|| ping(&mut session)));
}

criterion_group!(
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    targets = on_line, on_time
);
criterion_main!(benches);
