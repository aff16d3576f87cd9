//! From the wish for a connection to the answer of its `connect` command.

use std::io;
use std::time::Instant;

use mio::{Interest, Token};
use serde_json::Value;

use super::{CONNECT_ID, Scenario, Wire};
use crate::connection::{CloseReason, Stage};
use crate::latency::record;
use crate::limits::HANDSHAKE_TIMEOUT;

impl Wire {
    /// Gives up on handshakes that have taken too long by `now`.
    pub(super) fn expire_handshakes(&mut self, now: Instant) {
        while let Some((started, id)) = self.handshakes.front().copied() {
            let connection = &self.connections[id];
            let is_current = connection.stage.is_handshake() && connection.started == started;
            if is_current && started + HANDSHAKE_TIMEOUT > now {
                return;
            }
            self.handshakes.pop_front();
            if is_current {
                self.fail(id, CloseReason::Timeout(HANDSHAKE_TIMEOUT));
            }
        }
    }

    /// Dials as many of the waiting as may be under way.
    pub(super) fn start_waiting(&mut self, now: Instant) {
        while self.opening < self.options.parallel_connects
            && let Some(id) = self.waiting.pop_front()
        {
            match self.dial(id, now) {
                Ok(()) => self.opening += 1,
                Err(error) => {
                    self.connections[id].hang_up(false);
                    self.closed.push((id, error.into()));
                }
            }
        }
    }

    fn dial(&mut self, id: usize, now: Instant) -> io::Result<()> {
        let stream = self.connections[id].dial(self.target, now)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream, Token(id), interest)?;
        self.handshakes.push_back((now, id));
        Ok(())
    }

    /// The socket of `id` became writable: asks for the upgrade once TCP stands.
    pub(super) fn connected(&mut self, id: usize) -> io::Result<()> {
        let connection = &mut self.connections[id];
        if !connection.is_connected()? {
            return Ok(());
        }
        connection.stage = Stage::Upgrading;
        connection.out.extend_from_slice(&self.upgrade);
        connection.flush()
    }

    /// The server answered the `connect` command of `id`.
    pub(super) fn let_in(
        &mut self,
        scenario: &mut impl Scenario,
        id: usize,
        mut answer: Value,
        now: Instant,
    ) {
        match answer.get_mut("ok") {
            Some(ok) => {
                let ok = ok.take();
                self.opening -= 1;
                self.connections[id].stage = Stage::Open;
                record(&mut self.stats.connect, now - self.connections[id].started);
                scenario.on_open(self, id, &ok, now);
            }
            None => self.fail(id, CloseReason::Handshake(answer.to_string())),
        }
    }
}

/// `object`, if it is the answer to a `connect` command.
pub(super) fn connect_answer(object: &[u8]) -> Option<Value> {
    let answer: Value = serde_json::from_slice(object).ok()?;
    (answer.get("id")?.as_u64()? == u64::from(CONNECT_ID)).then_some(answer)
}
