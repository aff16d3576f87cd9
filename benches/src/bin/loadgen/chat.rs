//! Runs in which connected users send and everybody checks: `latency`,
//! `durable` and `fanout` differ only in who is in which room, who sends, and
//! what paces the senders.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{Common, DurableArgs, FanoutArgs, LatencyArgs, Release};
use crate::connection::CloseReason;
use crate::course::{Course, Outlook};
use crate::failure::Failure;
use crate::lab::{Lab, Sample};
use crate::latency::summary;
use crate::limits::{MAX_RETRY_PAUSE, RETRY_PAUSE};
use crate::report::Report;
use crate::schedule::{Agenda, OpenLoop};
use crate::traffic::{Draft, Effect, Traffic};
use crate::wire::{Scenario, Wire};

/// What decides when the next message is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pacing {
    /// A schedule, whatever the server does.
    Open { per_second: f64 },
    /// The server: a sender has at most `window` messages under way.
    Closed { window: u32, release: Release },
}

/// Who is where: connection `i` is the user `i`.
#[derive(Debug)]
struct Plan {
    /// The room of each connection.
    rooms: Vec<usize>,
    /// The connections that send.
    senders: Vec<usize>,
    pacing: Pacing,
    seconds: f64,
}

/// Pairs of users, both sending on a schedule.
///
/// # Errors
/// When the run cannot be made.
pub(crate) fn latency(common: &Common, args: &LatencyArgs) -> Result<Report, Failure> {
    let users = args.pairs as usize * 2;
    let plan = Plan {
        rooms: (0..users).map(|user| user / 2).collect(),
        senders: (0..users).collect(),
        pacing: Pacing::Open {
            per_second: args.rate,
        },
        seconds: args.seconds,
    };
    let mut report = Report::new("latency", args);
    let done = plan.run(&Lab::new(common)?)?;
    done.throughput(&mut report);
    report.figure("send_to_receive", summary(&done.traffic.delivery));
    report.figure("send_to_ack", summary(&done.traffic.ack));
    report.figure("generator_lateness", summary(&done.traffic.lateness));
    done.conclude(&mut report);
    Ok(report)
}

/// Senders that wait for their acks.
///
/// # Errors
/// When the run cannot be made.
pub(crate) fn durable(common: &Common, args: &DurableArgs) -> Result<Report, Failure> {
    let (senders, rooms) = (args.senders as usize, args.rooms as usize);
    if rooms > senders {
        return Err(Failure::Usage(format!(
            "{senders} senders cannot fill {rooms} rooms"
        )));
    }
    let plan = Plan {
        rooms: (0..senders).map(|sender| sender % rooms).collect(),
        senders: (0..senders).collect(),
        pacing: Pacing::Closed {
            window: args.window,
            release: Release::Acked,
        },
        seconds: args.seconds,
    };
    let mut report = Report::new("durable", args);
    let done = plan.run(&Lab::new(common)?)?;
    done.throughput(&mut report);
    report.figure("send_to_ack", summary(&done.traffic.ack));
    done.conclude(&mut report);
    Ok(report)
}

/// One sender in one large room.
///
/// # Errors
/// When the run cannot be made.
pub(crate) fn fanout(common: &Common, args: &FanoutArgs) -> Result<Report, Failure> {
    let pacing = if args.flat_out || args.rate == 0.0 {
        Pacing::Closed {
            window: args.window,
            release: args.window_by,
        }
    } else {
        Pacing::Open {
            per_second: args.rate,
        }
    };
    let plan = Plan {
        rooms: vec![0; args.members as usize],
        senders: vec![0],
        pacing,
        seconds: args.seconds,
    };
    let mut report = Report::new("fanout", args);
    let done = plan.run(&Lab::new(common)?)?;
    done.throughput(&mut report);
    done.cpu_per_delivery(&mut report);
    report.figure("send_to_receive", summary(&done.traffic.delivery));
    report.figure("send_to_ack", summary(&done.traffic.ack));
    report.figure("generator_lateness", summary(&done.traffic.lateness));
    done.conclude(&mut report);
    Ok(report)
}

impl Plan {
    fn run(self, lab: &Lab) -> Result<Done, Failure> {
        let rooms = lab.create_rooms(&self.groups(lab))?;
        let mut wire = lab.wire(self.rooms.len())?;
        let room_of = |id: usize| Some(rooms[self.rooms[id]].as_str());
        let standings = lab.connect_all(&mut wire, room_of)?;

        let mut traffic = Traffic::new(lab.run(), lab.body_bytes)?;
        let mut last_seqs = vec![0; rooms.len()];
        for (room, standing) in self.rooms.iter().zip(&standings) {
            last_seqs[*room] = standing.last_seq;
        }
        for (room, last_seq) in rooms.iter().zip(last_seqs) {
            traffic.add_room(room, last_seq);
        }
        for (room, standing) in self.rooms.iter().zip(&standings) {
            traffic.add_member(*room, standing.last_seq, standing.rev);
        }
        for member in &self.senders {
            traffic.add_sender(*member);
        }

        let before = lab.sample(&wire)?;
        let mut chat = Chat::new(lab, traffic, self.pacing, self.seconds);
        wire.run(&mut chat)?;
        let start = chat.start;
        let after = chat.after.unwrap_or_else(|| lab.sample(&wire))?;
        let mut traffic = chat.traffic;
        traffic.close();
        Ok(Done {
            traffic,
            start,
            before,
            after,
            reads: wire.stats().reads,
        })
    }

    fn groups(&self, lab: &Lab) -> Vec<Vec<String>> {
        let count = self.rooms.iter().max().map_or(0, |last| last + 1);
        let mut groups = vec![Vec::new(); count];
        for (user, room) in self.rooms.iter().enumerate() {
            groups[*room].push(lab.user(user));
        }
        for (index, group) in groups.iter_mut().enumerate() {
            if group.len() == 1 {
                // Nobody chats alone; the partner never connects.
                group.push(format!("{}-offline{index}", lab.run()));
            }
        }
        groups
    }
}

/// What a run left behind.
struct Done {
    traffic: Traffic,
    start: Instant,
    before: Sample,
    after: Sample,
    reads: u64,
}

impl Done {
    fn throughput(&self, report: &mut Report) {
        let traffic = &self.traffic;
        let rate = |count: u64, end: Instant| {
            let seconds = end.saturating_duration_since(self.start).as_secs_f64();
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        report.rounded(
            "acked_per_second",
            rate(traffic.counters.acked, traffic.last_ack),
        );
        let delivered = rate(traffic.counters.deliveries, traffic.last_delivery);
        report.rounded("deliveries_per_second", delivered);
        report.counters(&traffic.counters);
        let per_read = traffic.counters.deliveries as f64 / self.reads.max(1) as f64;
        report.rounded("deliveries_per_read", per_read);
    }

    fn cpu_per_delivery(&self, report: &mut Report) {
        if let Some(cpu) = self.after.server_cpu_since(&self.before)
            && self.traffic.counters.deliveries > 0
        {
            let micros = cpu.as_secs_f64() * 1e6 / self.traffic.counters.deliveries as f64;
            report.rounded("server_cpu_us_per_delivery", micros);
        }
    }

    fn conclude(&self, report: &mut Report) {
        report.costs(&self.before, &self.after);
        report.findings(&self.traffic.findings);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The sender's message of this number, from 0, on its schedule.
    Scheduled(usize, u32),
    /// The sender fills its window.
    Fill(usize),
    /// A refused message is repeated.
    Repeat(Draft),
}

struct Chat<'a> {
    lab: &'a Lab,
    traffic: Traffic,
    pacing: Pacing,
    start: Instant,
    course: Course,
    agenda: Agenda<Due>,
    schedules: Vec<OpenLoop>,
    /// The costs when everything had come.
    after: Option<Result<Sample, Failure>>,
    lost: usize,
}

impl<'a> Chat<'a> {
    fn new(lab: &'a Lab, traffic: Traffic, pacing: Pacing, seconds: f64) -> Self {
        let start = Instant::now();
        let mut agenda = Agenda::new();
        let mut schedules = Vec::new();
        for sender in 0..traffic.senders() {
            match pacing {
                Pacing::Open { per_second } => {
                    let schedule = OpenLoop::new(start, per_second, sender, traffic.senders());
                    schedules.push(schedule);
                    agenda.add(schedule.due(0), Due::Scheduled(sender, 0));
                }
                Pacing::Closed { .. } => agenda.add(start, Due::Fill(sender)),
            }
        }
        let course = Course::new(start + Duration::from_secs_f64(seconds), lab.drain);
        Self {
            lab,
            traffic,
            pacing,
            start,
            course,
            agenda,
            schedules,
            after: None,
            lost: 0,
        }
    }

    fn perform(&mut self, wire: &mut Wire, at: Instant, due: Due, now: Instant) {
        match due {
            Due::Scheduled(sender, number) => {
                if self.course.sends_at(at) {
                    self.traffic.send_next(wire, sender, at, now);
                    let next = Due::Scheduled(sender, number + 1);
                    self.agenda
                        .add(self.schedules[sender].due(number + 1), next);
                }
            }
            Due::Fill(sender) => {
                if let Pacing::Closed { window, .. } = self.pacing {
                    for _ in 0..window {
                        self.traffic.send_next(wire, sender, now, now);
                    }
                }
            }
            Due::Repeat(draft) => self.traffic.send_again(wire, draft),
        }
    }

    fn advance(&mut self, wire: &Wire, now: Instant) {
        let (traffic, lost) = (&self.traffic, self.lost);
        let has_settled = self.course.advance(now, || match traffic.is_settled() {
            true => Outlook::Settled,
            false if lost == wire.len() => Outlook::Hopeless,
            false => Outlook::UnderWay,
        });
        if has_settled {
            self.after = Some(self.lab.sample(wire));
        }
    }

    fn released(&mut self, wire: &mut Wire, sender: usize, by: Release, now: Instant) {
        if let Pacing::Closed { release, .. } = self.pacing
            && release == by
            && self.course.sends_at(now)
        {
            self.traffic.send_next(wire, sender, now, now);
        }
    }
}

impl Scenario for Chat<'_> {
    fn next_due(&self) -> Option<Instant> {
        [self.course.next_due(), self.agenda.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    fn on_due(&mut self, wire: &mut Wire, now: Instant) {
        while let Some((at, due)) = self.agenda.pop_due(now) {
            self.perform(wire, at, due, now);
        }
        self.advance(wire, now);
    }

    fn on_open(&mut self, _wire: &mut Wire, _id: usize, _answer: &Value, _now: Instant) {}

    fn on_object(&mut self, wire: &mut Wire, id: usize, object: &[u8], now: Instant) {
        match self.traffic.take(id, object, now) {
            Effect::None => {}
            Effect::Acked(sender) => self.released(wire, sender, Release::Acked, now),
            Effect::Complete(sender) => self.released(wire, sender, Release::Delivered, now),
            Effect::Postponed(draft, pause) => {
                // An open loop does not repeat: that would be load off the schedule.
                if let Pacing::Closed { .. } = self.pacing {
                    let pause = pause.unwrap_or(RETRY_PAUSE).min(MAX_RETRY_PAUSE);
                    self.agenda.add(now + pause, Due::Repeat(draft));
                }
            }
        }
    }

    fn on_close(&mut self, _wire: &mut Wire, id: usize, reason: &CloseReason, _now: Instant) {
        self.lost += 1;
        self.traffic.lost_connection(id, reason);
    }

    fn is_done(&self) -> bool {
        self.course.is_done()
    }
}
