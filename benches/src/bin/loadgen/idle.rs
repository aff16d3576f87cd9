//! `idle`: what an authenticated connection costs while it does nothing.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::checker::{Findings, Violation};
use crate::cli::{Common, IdleArgs, IdleRooms};
use crate::connection::CloseReason;
use crate::failure::Failure;
use crate::lab::{Lab, Sample};
use crate::latency::summary;
use crate::report::Report;
use crate::wire::{Scenario, Wire};

/// Opens the connections, holds them, and reads the server's memory around it.
///
/// # Errors
/// When the run cannot be made.
pub(crate) fn idle(common: &Common, args: &IdleArgs) -> Result<Report, Failure> {
    let lab = Lab::new(common)?;
    let count = args.connections as usize;
    let rooms = match args.rooms {
        IdleRooms::None => Vec::new(),
        IdleRooms::Pairs => lab.create_rooms(&pairs(&lab, count))?,
    };
    let mut wire = lab.wire(count)?;
    let before = lab.sample(&wire)?;
    lab.connect_all(&mut wire, |id| rooms.get(id / 2).map(String::as_str))?;
    let connected = lab.sample(&wire)?;
    let until = Instant::now() + Duration::from_secs_f64(args.hold_seconds);
    let mut hold = Hold {
        until,
        is_over: false,
        pushes: 0,
        findings: Findings::default(),
    };
    wire.run(&mut hold)?;
    let after = lab.sample(&wire)?;

    let mut report = Report::new("idle", args);
    report.figure("connections", count);
    let seconds = (connected.at - before.at).as_secs_f64();
    report.rounded("connects_per_second", count as f64 / seconds);
    report.figure("connect", summary(&wire.stats().connect));
    memory(&mut report, count, [&before, &connected, &after]);
    report.figure("pings_answered", wire.stats().pings);
    report.figure("pushes", hold.pushes);
    report.costs(&before, &after);
    report.findings(&hold.findings);
    Ok(report)
}

/// Two users each; an odd last one gets a partner who never connects.
fn pairs(lab: &Lab, count: usize) -> Vec<Vec<String>> {
    (0..count)
        .step_by(2)
        .map(|first| vec![lab.user(first), lab.user(first + 1)])
        .collect()
}

fn memory(report: &mut Report, count: usize, samples: [&Sample; 3]) {
    let [Some(before), Some(connected), Some(after)] =
        samples.map(|sample| sample.server.map(|usage| usage.rss_kib))
    else {
        return;
    };
    report.figure("rss_before_kib", before);
    report.figure("rss_connected_kib", connected);
    report.figure("rss_held_kib", after);
    // An allocator that gives memory back may end below where it began.
    let each = |rss: u64| (rss as f64 - before as f64) / count as f64;
    report.rounded("kib_per_connection", each(after));
    report.rounded("kib_per_connection_at_once", each(connected));
}

/// Lets time pass; only losing a connection is wrong.
struct Hold {
    until: Instant,
    is_over: bool,
    pushes: u64,
    findings: Findings,
}

impl Scenario for Hold {
    fn next_due(&self) -> Option<Instant> {
        Some(self.until)
    }

    fn on_due(&mut self, _wire: &mut Wire, _now: Instant) {
        self.is_over = true;
    }

    fn on_open(&mut self, _wire: &mut Wire, _id: usize, _answer: &Value, _now: Instant) {}

    fn on_object(&mut self, _wire: &mut Wire, _id: usize, _object: &[u8], _now: Instant) {
        self.pushes += 1;
    }

    fn on_close(&mut self, _wire: &mut Wire, id: usize, reason: &CloseReason, _now: Instant) {
        self.findings.add(Violation::ConnectionLost, 1, || {
            format!("connection {id}: {reason}")
        });
    }

    fn is_done(&self) -> bool {
        self.is_over
    }
}
