//! Everything that stands before a run begins: the server's address, tokens,
//! rooms, open connections.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Common;
use crate::connection::CloseReason;
use crate::failure::Failure;
use crate::process::{Process, Usage};
use crate::rest::Rest;
use crate::token::{Mint, wall_clock};
use crate::wire::{CONNECT_ID, Scenario, Wire, WireOptions};

/// Descriptors that the generator needs besides its connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// The server under test and the means to reach it.
#[derive(Debug)]
pub(crate) struct Lab {
    target: SocketAddr,
    authority: String,
    mint: Mint,
    run: String,
    options: WireOptions,
    room_kind: String,
    server: Option<Process>,
    /// How long to wait for what is under way after the last send.
    pub(crate) drain: Duration,
    /// Length of a body.
    pub(crate) body_bytes: usize,
}

impl Lab {
    /// Reads the options that all runs share, and raises the limit of open files.
    ///
    /// # Errors
    /// When an option makes no sense or the server's address is not loopback.
    pub(crate) fn new(common: &Common) -> Result<Self, Failure> {
        let (target, authority) = address(&common.url)?;
        if !target.ip().is_loopback() && !common.allow_remote {
            let refused = format!("{target} is not a loopback address; see --allow-remote");
            return Err(Failure::Usage(refused));
        }
        let now = wall_clock();
        Ok(Self {
            target,
            authority,
            mint: Mint::new(&common.secret, now)?,
            // Users, rooms and client ids must not meet those of an earlier run.
            run: format!("lg{:x}-{:x}", now.as_millis(), std::process::id()),
            options: WireOptions {
                parallel_connects: common.parallel_connects as usize,
                spin: !common.no_spin,
                seed: common.seed,
            },
            room_kind: common.room_kind.clone(),
            server: common.server_pid.map(Process::with_pid),
            drain: Duration::from_secs_f64(common.drain_seconds),
            body_bytes: common.body_bytes,
        })
    }

    /// What names this run.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// The user of connection `index`.
    pub(crate) fn user(&self, index: usize) -> String {
        format!("{}-u{index}", self.run)
    }

    /// Room for `count` connections.
    ///
    /// # Errors
    /// When the process may not open that many files.
    pub(crate) fn wire(&self, count: usize) -> Result<Wire, Failure> {
        let allowed = rlimit::increase_nofile_limit(u64::MAX)
            .map_err(Failure::io("raising the limit of open files"))?;
        if count as u64 + SPARE_DESCRIPTORS > allowed {
            let refused = format!("{count} connections need more than {allowed} open files");
            return Err(Failure::Usage(refused));
        }
        Wire::new(self.target, &self.authority, count, self.options)
    }

    /// Creates one room for each group of users and answers their ids.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(crate) fn create_rooms(&self, groups: &[Vec<String>]) -> Result<Vec<String>, Failure> {
        let mut rest = Rest::new(self.target, self.authority.clone(), self.mint.service());
        let create = |(index, users): (usize, &Vec<String>)| {
            let key = format!("{}-room-{index}", self.run);
            let users = users.iter().map(String::as_str);
            rest.create_room(&key, &self.room_kind, users)
        };
        groups.iter().enumerate().map(create).collect()
    }

    /// The `connect` command of connection `index`; resumes `room` after `rev`.
    pub(crate) fn hello(&self, index: usize, resume: Option<(&str, u64)>) -> String {
        let mut connect = json!({"token": self.mint.user(&self.user(index))});
        if let Some((room, rev)) = resume {
            connect["rooms"] = json!({ room: rev });
        }
        json!({"id": CONNECT_ID, "connect": connect}).to_string()
    }

    /// Opens all connections of `wire`; `room` names the one that each must find
    /// in its answer. Answers where each room stands.
    ///
    /// # Errors
    /// When one is not let in or misses its room.
    pub(crate) fn connect_all<'a>(
        &self,
        wire: &mut Wire,
        room: impl Fn(usize) -> Option<&'a str>,
    ) -> Result<Vec<Standing>, Failure> {
        let count = wire.len();
        for id in 0..count {
            wire.open(id, self.hello(id, None));
        }
        let mut opening = Opening {
            room,
            standings: vec![Standing::default(); count],
            open: 0,
            failure: None,
        };
        wire.run(&mut opening)?;
        match opening.failure {
            Some(failure) => Err(failure),
            None => Ok(opening.standings),
        }
    }

    /// What server and generator have cost up to now.
    ///
    /// # Errors
    /// When the server's process is not there.
    pub(crate) fn sample(&self, wire: &Wire) -> Result<Sample, Failure> {
        Ok(Sample {
            at: Instant::now(),
            server: self.server.as_ref().map(Process::usage).transpose()?,
            busy: wire.stats().busy,
        })
    }
}

/// Costs at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// The moment.
    pub(crate) at: Instant,
    /// The server's, if its process is known.
    pub(crate) server: Option<Usage>,
    /// The generator's work, without waiting and spinning.
    busy: Duration,
}

impl Sample {
    /// CPU time of the server since `earlier`.
    pub(crate) fn server_cpu_since(&self, earlier: &Self) -> Option<Duration> {
        Some(self.server?.cpu.saturating_sub(earlier.server?.cpu))
    }

    /// Share of the time since `earlier` in which the generator had work.
    pub(crate) fn busy_share_since(&self, earlier: &Self) -> f64 {
        let busy = self.busy.saturating_sub(earlier.busy);
        busy.as_secs_f64() / (self.at - earlier.at).as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Where a room stood when a client was let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its newest message; 0 for none.
    pub(crate) last_seq: u64,
    /// Its newest change.
    pub(crate) rev: u64,
}

impl Standing {
    /// Finds `room` in the answer to `connect`.
    pub(crate) fn find(answer: &Value, room: &str) -> Option<Self> {
        let rooms = answer["rooms"].as_array()?;
        let summary = rooms.iter().find(|summary| summary["id"] == room)?;
        Some(Self {
            last_seq: summary["last_seq"].as_u64()?,
            rev: summary["rev"].as_u64()?,
        })
    }
}

/// Waits until every connection is let in.
struct Opening<F> {
    room: F,
    standings: Vec<Standing>,
    open: usize,
    failure: Option<Failure>,
}

impl<'a, F: Fn(usize) -> Option<&'a str>> Scenario for Opening<F> {
    fn next_due(&self) -> Option<Instant> {
        None
    }

    fn on_due(&mut self, _wire: &mut Wire, _now: Instant) {}

    fn on_open(&mut self, _wire: &mut Wire, id: usize, answer: &Value, _now: Instant) {
        self.open += 1;
        let Some(room) = (self.room)(id) else { return };
        match Standing::find(answer, room) {
            Some(standing) => self.standings[id] = standing,
            None => {
                let answer = answer.to_string().chars().take(500).collect();
                let what = "the answer to `connect`, which lacks the user's room,";
                self.failure = Some(Failure::Protocol { what, answer });
            }
        }
    }

    fn on_object(&mut self, _wire: &mut Wire, _id: usize, _object: &[u8], _now: Instant) {}

    fn on_close(&mut self, _wire: &mut Wire, id: usize, reason: &CloseReason, _now: Instant) {
        let answer = format!("connection {id}: {reason}");
        self.failure = Some(Failure::Refused {
            what: "a connection",
            answer,
        });
    }

    fn is_done(&self) -> bool {
        self.open == self.standings.len() || self.failure.is_some()
    }
}

fn address(url: &str) -> Result<(SocketAddr, String), Failure> {
    let authority = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    let usage = || Failure::Usage(format!("{url:?} is not http://HOST:PORT"));
    let authority = authority
        .filter(|rest| !rest.contains('/'))
        .ok_or_else(usage)?;
    let mut found = authority
        .to_socket_addrs()
        .map_err(Failure::io(format!("resolving {url}")))?;
    Ok((found.next().ok_or_else(usage)?, authority.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_addresses_are_understood() {
        let (target, authority) = address("http://127.0.0.1:8080/").unwrap();
        assert_eq!(
            (target.to_string().as_str(), authority.as_str()),
            ("127.0.0.1:8080", "127.0.0.1:8080")
        );
        for url in [
            "https://127.0.0.1:1",
            "127.0.0.1:1",
            "http://127.0.0.1",
            "http://127.0.0.1:1/ws",
            "",
        ] {
            assert!(address(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_room_is_found_among_others() {
        let answer = json!({"rooms": [
            {"id": "a", "rev": 9, "last_seq": 8},
            {"id": "b", "rev": 3, "last_seq": 2},
        ]});
        assert_eq!(
            Standing::find(&answer, "b"),
            Some(Standing {
                last_seq: 2,
                rev: 3
            })
        );
        assert_eq!(Standing::find(&answer, "c"), None);
        assert_eq!(Standing::find(&json!({}), "b"), None);
    }
}
