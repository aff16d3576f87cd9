//! What every run checks: nothing lost, nothing twice, nothing out of order,
//! nobody told something else.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::limits::{EXAMPLES, FOREIGN_MESSAGES};

/// How a delivery stands to what this receiver had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next one.
    InOrder,
    /// So many were left out; they may still come late.
    Gap(u64),
    /// So many were left out, and a `reset` said so.
    Explained(u64),
    /// It was left out before and comes now: out of order.
    Late,
    /// It came before.
    Duplicate,
}

/// One receiver's place in one room; survives its reconnects.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    next: u64,
    rev: u64,
    missing: Vec<Range<u64>>,
    jump: bool,
}

impl Cursor {
    /// A receiver that holds the room up to `seq` and `rev`.
    pub(crate) const fn new(seq: u64, rev: u64) -> Self {
        Self {
            next: seq + 1,
            rev,
            missing: Vec::new(),
            jump: false,
        }
    }

    /// The `seq` expected next.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// The `rev` that the receiver holds and may resume from.
    pub(crate) const fn rev(&self) -> u64 {
        self.rev
    }

    /// Takes one delivery.
    pub(crate) fn take(&mut self, seq: u64) -> Verdict {
        if seq < self.next {
            return if self.fill(seq) {
                Verdict::Late
            } else {
                Verdict::Duplicate
            };
        }
        let skipped = self.next..seq;
        self.next = seq + 1;
        let explained = std::mem::take(&mut self.jump);
        match skipped.end - skipped.start {
            0 => Verdict::InOrder,
            count if explained => Verdict::Explained(count),
            count => {
                self.missing.push(skipped);
                Verdict::Gap(count)
            }
        }
    }

    /// Takes the `rev` of a delivery that was not late; `None` when it does not
    /// ascend, else how many numbers were left out.
    pub(crate) fn advance(&mut self, rev: u64) -> Option<u64> {
        let holes = rev.checked_sub(self.rev + 1)?;
        self.rev = rev;
        Some(holes)
    }

    /// A `reset` came: the next delivery may leave messages out.
    pub(crate) fn reset(&mut self, rev: u64) {
        self.jump = true;
        self.rev = self.rev.max(rev);
    }

    /// Whether everything up to `last` has come.
    pub(crate) fn is_complete(&self, last: u64) -> bool {
        (self.next > last || self.jump) && self.missing.is_empty()
    }

    /// How many messages up to `last` have not come.
    pub(crate) fn lost(&self, last: u64) -> u64 {
        let tail = if self.jump {
            0
        } else {
            (last + 1).saturating_sub(self.next)
        };
        self.missing
            .iter()
            .map(|gap| gap.end - gap.start)
            .sum::<u64>()
            + tail
    }

    /// Strikes `seq` from the missing; false if it was not missing.
    fn fill(&mut self, seq: u64) -> bool {
        let Some(at) = self.missing.iter().position(|gap| gap.contains(&seq)) else {
            return false;
        };
        let gap = self.missing.remove(at);
        let parts = [gap.start..seq, seq + 1..gap.end];
        self.missing
            .splice(at..at, parts.into_iter().filter(|part| !part.is_empty()));
        true
    }
}

/// What is known of one message of a room.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// The stamp's key; 0 while unknown.
    key: u64,
    /// How often it was delivered.
    deliveries: u32,
    acked: bool,
}

/// One room as its senders and all its receivers saw it.
#[derive(Debug)]
pub(crate) struct Ledger {
    first: u64,
    sent: u64,
    last_acked: u64,
    entries: Vec<Entry>,
}

/// A delivery or an ack contradicts what the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// A `seq` outside what was sent.
    Unknown,
    /// The same `seq` stands for another message elsewhere.
    Mismatch,
    /// Two sends got the same `seq`.
    AckedTwice,
}

impl Ledger {
    /// A room whose newest message is `last_seq`.
    pub(crate) const fn new(last_seq: u64) -> Self {
        Self {
            first: last_seq + 1,
            sent: 0,
            last_acked: last_seq,
            entries: Vec::new(),
        }
    }

    /// A message is on its way.
    pub(crate) const fn send(&mut self) {
        self.sent += 1;
    }

    /// The newest message that was acked.
    pub(crate) const fn last_acked(&self) -> u64 {
        self.last_acked
    }

    /// A receiver got `seq`; how many have it now.
    ///
    /// # Errors
    /// When this is not the message that others know under `seq`.
    pub(crate) fn delivered(&mut self, seq: u64, key: u64) -> Result<u32, Contradiction> {
        let entry = self.entry(seq)?;
        if key != 0 && entry.key != 0 && entry.key != key {
            return Err(Contradiction::Mismatch);
        }
        entry.key |= key;
        entry.deliveries += 1;
        Ok(entry.deliveries)
    }

    /// The send of `key` was acked as `seq`.
    ///
    /// # Errors
    /// When another message has this `seq`.
    pub(crate) fn acked(&mut self, seq: u64, key: u64) -> Result<(), Contradiction> {
        let entry = self.entry(seq)?;
        if std::mem::replace(&mut entry.acked, true) {
            return Err(Contradiction::AckedTwice);
        }
        if entry.key != 0 && entry.key != key {
            return Err(Contradiction::Mismatch);
        }
        entry.key = key;
        self.last_acked = self.last_acked.max(seq);
        Ok(())
    }

    /// How many messages stand in the room more than once.
    pub(crate) fn doubled(&self) -> u64 {
        let mut keys: Vec<u64> = self.entries.iter().map(|entry| entry.key).collect();
        keys.retain(|key| *key != 0);
        let total = keys.len();
        keys.sort_unstable();
        keys.dedup();
        (total - keys.len()) as u64
    }

    fn entry(&mut self, seq: u64) -> Result<&mut Entry, Contradiction> {
        // Bounded by what was sent, so that a wrong number cannot ask for memory.
        let offset = seq.checked_sub(self.first).ok_or(Contradiction::Unknown)?;
        if offset >= self.sent + FOREIGN_MESSAGES {
            return Err(Contradiction::Unknown);
        }
        let index = offset as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, Entry::default());
        }
        self.entries.get_mut(index).ok_or(Contradiction::Unknown)
    }
}

/// Everything that went wrong, counted, with a few examples.
#[derive(Debug, Default, Clone)]
pub(crate) struct Findings {
    counts: BTreeMap<Violation, u64>,
    examples: Vec<String>,
}

/// What makes a run fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// Acked, and a receiver never got it.
    Lost,
    /// A receiver got the same `seq` twice.
    Duplicate,
    /// A receiver got a `seq` after a later one.
    OutOfOrder,
    /// A `rev` that is not above the one before.
    RevOrder,
    /// One message stands under two `seq`, or two sends got one `seq`.
    Doubled,
    /// Two receivers, or sender and receiver, know different messages under one `seq`.
    Mismatch,
    /// A `seq` beyond everything sent.
    UnknownSeq,
    /// A message of a room in which the receiver is not.
    ForeignRoom,
    /// A send that was never answered.
    Unanswered,
    /// An answer to no command, or a second one.
    StrayAnswer,
    /// A send was refused with a code other than `rate_limited`, `busy`, `timeout`.
    Refused,
    /// A first send was answered as a repeat.
    FalseRepeat,
    /// The server closed or lost a connection.
    ConnectionLost,
    /// Something that is not the protocol.
    Malformed,
}

impl Violation {
    /// All, in the order of the report.
    pub(crate) const ALL: [Self; 14] = [
        Self::Lost,
        Self::Duplicate,
        Self::OutOfOrder,
        Self::RevOrder,
        Self::Doubled,
        Self::Mismatch,
        Self::UnknownSeq,
        Self::ForeignRoom,
        Self::Unanswered,
        Self::StrayAnswer,
        Self::Refused,
        Self::FalseRepeat,
        Self::ConnectionLost,
        Self::Malformed,
    ];

    /// The name in the report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicate => "duplicates",
            Self::OutOfOrder => "out_of_order",
            Self::RevOrder => "rev_order",
            Self::Doubled => "doubled",
            Self::Mismatch => "mismatches",
            Self::UnknownSeq => "unknown_seq",
            Self::ForeignRoom => "foreign_room",
            Self::Unanswered => "unanswered",
            Self::StrayAnswer => "stray_answers",
            Self::Refused => "refused",
            Self::FalseRepeat => "false_repeats",
            Self::ConnectionLost => "connections_lost",
            Self::Malformed => "malformed",
        }
    }
}

impl Findings {
    /// Counts `times` violations; the example is made only while some are kept.
    pub(crate) fn add(
        &mut self,
        violation: Violation,
        times: u64,
        example: impl FnOnce() -> String,
    ) {
        if times == 0 {
            return;
        }
        *self.counts.entry(violation).or_default() += times;
        if self.examples.len() < EXAMPLES {
            self.examples
                .push(format!("{}: {}", violation.name(), example()));
        }
    }

    /// How often `violation` was found.
    pub(crate) fn count(&self, violation: Violation) -> u64 {
        self.counts.get(&violation).copied().unwrap_or(0)
    }

    /// Whether nothing was found.
    pub(crate) fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    /// The first few findings, in words.
    pub(crate) fn examples(&self) -> &[String] {
        &self.examples
    }
}

#[cfg(test)]
mod tests;
