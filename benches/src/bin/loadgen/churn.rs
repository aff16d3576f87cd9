//! `churn`: clients that drop without a word and resume by `rev` while a sender
//! keeps sending. Over all its connections each must see every message once.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::cli::{ChurnArgs, Common};
use crate::connection::CloseReason;
use crate::course::{Course, Outlook};
use crate::failure::Failure;
use crate::lab::{Lab, Sample, Standing};
use crate::latency::{histogram, record, summary};
use crate::report::Report;
use crate::schedule::{Agenda, OpenLoop};
use crate::traffic::{Effect, Traffic};
use crate::wire::{Scenario, Wire};

/// The connection that sends; it stays.
const SENDER: usize = 0;

/// The shortest stay is this share of the longest.
const SHORTEST_STAY: f64 = 0.1;

/// Runs the churn.
///
/// # Errors
/// When the run cannot be made.
pub(crate) fn churn(common: &Common, args: &ChurnArgs) -> Result<Report, Failure> {
    let lab = Lab::new(common)?;
    let count = args.connections as usize + 1;
    let group = (0..count).map(|user| lab.user(user)).collect();
    let room = lab.create_rooms(&[group])?.remove(0);
    let mut wire = lab.wire(count)?;
    let standings = lab.connect_all(&mut wire, |_| Some(room.as_str()))?;

    let mut traffic = Traffic::new(lab.run(), lab.body_bytes)?;
    let books = traffic.add_room(&room, standings[SENDER].last_seq);
    for standing in &standings {
        traffic.add_member(books, standing.last_seq, standing.rev);
    }
    traffic.add_sender(SENDER);
    let before = lab.sample(&wire)?;
    let mut churn = Churn::new(&lab, &room, traffic, args, &mut wire)?;
    wire.run(&mut churn)?;
    let after = lab.sample(&wire)?;
    churn.traffic.close();

    let mut report = Report::new("churn", args);
    churn.describe(&mut report, &before, &after);
    report.figure("connect", summary(&wire.stats().connect));
    Ok(report)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The sender's message of this number, from 0.
    Send(u32),
    /// This client drops.
    Drop(usize),
    /// This client comes back.
    Return(usize),
}

struct Churn<'a> {
    lab: &'a Lab,
    room: &'a str,
    traffic: Traffic,
    schedule: OpenLoop,
    online: Duration,
    offline: Duration,
    course: Course,
    agenda: Agenda<Due>,
    /// When each client last began to come back.
    returning_since: Vec<Instant>,
    /// Which clients are back and still miss something.
    is_behind: Vec<bool>,
    catch_up: Histogram<u64>,
    drops: u64,
    returns: u64,
}

impl<'a> Churn<'a> {
    fn new(
        lab: &'a Lab,
        room: &'a str,
        traffic: Traffic,
        args: &ChurnArgs,
        wire: &mut Wire,
    ) -> Result<Self, Failure> {
        let start = Instant::now();
        let mut churn = Self {
            lab,
            room,
            traffic,
            schedule: OpenLoop::new(start, args.rate, 0, 1),
            online: Duration::from_secs_f64(args.online_seconds),
            offline: Duration::from_secs_f64(args.offline_seconds),
            course: Course::new(start + Duration::from_secs_f64(args.seconds), lab.drain),
            agenda: Agenda::new(),
            returning_since: vec![start; wire.len()],
            is_behind: vec![false; wire.len()],
            catch_up: histogram()?,
            drops: 0,
            returns: 0,
        };
        churn.agenda.add(churn.schedule.due(0), Due::Send(0));
        for id in SENDER + 1..wire.len() {
            churn.plan_drop(wire, id, start);
        }
        Ok(churn)
    }

    fn describe(&self, report: &mut Report, before: &Sample, after: &Sample) {
        report.figure("drops", self.drops);
        report.figure("returns", self.returns);
        report.counters(&self.traffic.counters);
        report.figure("catch_up", summary(&self.catch_up));
        report.figure("send_to_receive_online", summary(&self.traffic.delivery));
        report.figure("send_to_ack", summary(&self.traffic.ack));
        report.figure("generator_lateness", summary(&self.traffic.lateness));
        report.costs(before, after);
        report.findings(&self.traffic.findings);
    }

    fn plan_drop(&mut self, wire: &mut Wire, id: usize, now: Instant) {
        let stay = wire
            .rng()
            .between(self.online.mul_f64(SHORTEST_STAY), self.online);
        self.agenda.add(now + stay, Due::Drop(id));
    }

    fn plan_return(&mut self, wire: &mut Wire, id: usize, now: Instant) {
        let away = wire
            .rng()
            .between(self.offline.mul_f64(SHORTEST_STAY), self.offline);
        self.agenda.add(now + away, Due::Return(id));
    }

    fn perform(&mut self, wire: &mut Wire, at: Instant, due: Due, now: Instant) {
        match due {
            Due::Send(number) => {
                if self.course.sends_at(at) {
                    self.traffic.send_next(wire, 0, at, now);
                    self.agenda
                        .add(self.schedule.due(number + 1), Due::Send(number + 1));
                }
            }
            Due::Drop(id) => {
                // Not open: it is lost already and its return is planned.
                if self.course.sends_at(now) && wire.is_open(id) {
                    self.drops += 1;
                    self.is_behind[id] = false;
                    self.traffic.left(id);
                    // Half of the drops are resets, half end the stream.
                    let abort = wire.rng().next().is_multiple_of(2);
                    wire.hang_up(id, abort);
                    self.plan_return(wire, id, now);
                }
            }
            Due::Return(id) => {
                self.returning_since[id] = now;
                let hello = self.lab.hello(id, Some((self.room, self.traffic.rev(id))));
                wire.open(id, hello);
            }
        }
    }

    fn advance(&mut self, wire: &Wire, now: Instant) {
        let traffic = &self.traffic;
        self.course
            .advance(now, || match all_back(wire) && traffic.is_settled() {
                true => Outlook::Settled,
                false => Outlook::UnderWay,
            });
    }
}

fn all_back(wire: &Wire) -> bool {
    (0..wire.len()).all(|id| wire.is_open(id))
}

impl Scenario for Churn<'_> {
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

    fn on_open(&mut self, wire: &mut Wire, id: usize, answer: &Value, now: Instant) {
        self.returns += 1;
        let last_seq = Standing::find(answer, self.room).map_or(0, |standing| standing.last_seq);
        self.is_behind[id] = self.traffic.returned(id, last_seq);
        self.plan_drop(wire, id, now);
    }

    fn on_object(&mut self, _wire: &mut Wire, id: usize, object: &[u8], now: Instant) {
        match self.traffic.take(id, object, now) {
            Effect::None | Effect::Acked(_) | Effect::Complete(_) | Effect::Postponed(..) => {}
        }
        if self.is_behind[id] && self.traffic.has_caught_up(id) {
            self.is_behind[id] = false;
            record(&mut self.catch_up, now - self.returning_since[id]);
        }
    }

    fn on_close(&mut self, wire: &mut Wire, id: usize, reason: &CloseReason, now: Instant) {
        self.traffic.lost_connection(id, reason);
        self.is_behind[id] = false;
        self.traffic.left(id);
        self.plan_return(wire, id, now);
    }

    fn is_done(&self) -> bool {
        self.course.is_done()
    }
}
