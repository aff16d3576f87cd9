//! What the server answers to sends: acks and refusals.

use std::time::{Duration, Instant};

use super::{Draft, Effect, Flight, Traffic, nanos_between};
use crate::checker::Violation;
use crate::latency::record_nanos;
use crate::scan::{Outcome, Stamp};

/// Error codes that mean "again later", not "something is wrong".
const TRANSIENT: [&str; 3] = ["rate_limited", "busy", "timeout"];

impl Traffic {
    /// Books the answer to command `command` of connection `id`.
    pub(super) fn on_answer(
        &mut self,
        id: usize,
        command: u64,
        outcome: Outcome,
        now: Instant,
    ) -> Effect {
        let member = self.members.get(id).and_then(|member| member.sender);
        let flight = member.and_then(|sender| {
            self.senders[sender]
                .flights
                .remove(&u32::try_from(command).ok()?)
        });
        let Some(Flight { draft, is_repeat }) = flight else {
            self.findings.add(Violation::StrayAnswer, 1, || {
                format!("connection {id}: to command {command}")
            });
            return Effect::None;
        };
        self.in_flight -= 1;
        match outcome {
            Outcome::Sent { seq, duplicate } => {
                if duplicate && !is_repeat {
                    self.findings.add(Violation::FalseRepeat, 1, || {
                        format!("connection {id}: seq {seq}")
                    });
                }
                self.on_ack(id, seq, draft, now);
                Effect::Acked(draft.sender)
            }
            Outcome::Ok => {
                self.findings.add(Violation::Malformed, 1, || {
                    format!("connection {id}: the ack of command {command} has no seq")
                });
                Effect::None
            }
            Outcome::Refused { code, retry_after } => self.on_refusal(id, draft, code, retry_after),
        }
    }

    fn on_ack(&mut self, id: usize, seq: u64, draft: Draft, now: Instant) {
        self.counters.acked += 1;
        self.last_ack = now;
        record_nanos(&mut self.ack, nanos_between(draft.intended, now));
        let stamp = Stamp {
            sender: draft.sender as u32,
            number: draft.number,
            intended: 0,
        };
        let room = self.members[id].room;
        if let Err(contradiction) = self.rooms[room].ledger.acked(seq, stamp.key()) {
            self.contradicted(id, seq, contradiction);
        }
    }

    fn on_refusal(
        &mut self,
        id: usize,
        draft: Draft,
        code: String,
        retry_after: Option<Duration>,
    ) -> Effect {
        let is_transient = TRANSIENT.contains(&code.as_str());
        if !is_transient {
            self.findings
                .add(Violation::Refused, 1, || format!("connection {id}: {code}"));
        }
        *self.counters.refused.entry(code).or_default() += 1;
        if is_transient {
            Effect::Postponed(draft, retry_after)
        } else {
            Effect::None
        }
    }
}
