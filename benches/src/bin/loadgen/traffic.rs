//! The books of a run: what was sent, acked and delivered, and whether it
//! agrees.

mod answers;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::checker::{Contradiction, Cursor, Findings, Ledger, Verdict, Violation};
use crate::failure::Failure;
use crate::latency::{histogram, record_nanos};
use crate::scan::{Delivery, Object, Scanner, Stamp};
use crate::wire::{CONNECT_ID, Wire};

/// A message on its way: the same again makes it a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Draft {
    /// The sender's index.
    pub(crate) sender: usize,
    /// The sender's count, from 1.
    pub(crate) number: u32,
    /// When it should have been sent.
    pub(crate) intended: Instant,
}

/// What an object means to the pacing of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// A message of this sender was acked.
    Acked(usize),
    /// A message of this sender has reached every member of its room.
    Complete(usize),
    /// A send was refused for now.
    Postponed(Draft, Option<Duration>),
}

/// A member of one room, on the connection of the same index.
#[derive(Debug)]
struct Member {
    room: usize,
    cursor: Cursor,
    /// The sender that this connection is.
    sender: Option<usize>,
    /// Up to this `seq` deliveries make up for an absence; their age is not a latency.
    absent_until: u64,
}

#[derive(Debug)]
struct Room {
    id: String,
    ledger: Ledger,
    members: u32,
}

#[derive(Debug)]
struct Sender {
    member: usize,
    sent: u32,
    next_command: u32,
    flights: HashMap<u32, Flight>,
}

#[derive(Debug, Clone, Copy)]
struct Flight {
    draft: Draft,
    is_repeat: bool,
}

/// What was counted besides violations.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counters {
    /// Messages sent, without repeats.
    pub(crate) sent: u64,
    /// Messages acked.
    pub(crate) acked: u64,
    /// `message` pushes received, by everybody.
    pub(crate) deliveries: u64,
    /// `reset` pushes.
    pub(crate) resets: u64,
    /// Messages left out that a `reset` explained.
    pub(crate) explained: u64,
    /// `rev` numbers between messages that came with no message.
    pub(crate) rev_holes: u64,
    /// Refused sends by error code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Other pushes by their key.
    pub(crate) other: BTreeMap<String, u64>,
}

/// The books.
#[derive(Debug)]
pub(crate) struct Traffic {
    epoch: Instant,
    run: String,
    body_bytes: usize,
    rooms: Vec<Room>,
    members: Vec<Member>,
    senders: Vec<Sender>,
    in_flight: usize,
    scanner: Scanner,
    scratch: Vec<u8>,
    /// What went wrong.
    pub(crate) findings: Findings,
    /// What was counted.
    pub(crate) counters: Counters,
    /// From the intended send to the ack.
    pub(crate) ack: Histogram<u64>,
    /// From the intended send to another member's receipt.
    pub(crate) delivery: Histogram<u64>,
    /// From the intended send to the real one: the generator's own fault.
    pub(crate) lateness: Histogram<u64>,
    /// When the last ack came.
    pub(crate) last_ack: Instant,
    /// When the last delivery came.
    pub(crate) last_delivery: Instant,
}

impl Traffic {
    /// Empty books; `run` tells this run's messages from those of others.
    ///
    /// # Errors
    /// Never in practice: see [`histogram`].
    pub(crate) fn new(run: &str, body_bytes: usize) -> Result<Self, Failure> {
        let epoch = Instant::now();
        Ok(Self {
            epoch,
            run: run.to_owned(),
            body_bytes,
            rooms: Vec::new(),
            members: Vec::new(),
            senders: Vec::new(),
            in_flight: 0,
            scanner: Scanner::default(),
            scratch: Vec::new(),
            findings: Findings::default(),
            counters: Counters::default(),
            ack: histogram()?,
            delivery: histogram()?,
            lateness: histogram()?,
            last_ack: epoch,
            last_delivery: epoch,
        })
    }

    /// Opens the books of a room whose newest message is `last_seq`.
    pub(crate) fn add_room(&mut self, id: &str, last_seq: u64) -> usize {
        self.rooms.push(Room {
            id: id.to_owned(),
            ledger: Ledger::new(last_seq),
            members: 0,
        });
        self.rooms.len() - 1
    }

    /// The next connection is a member of `room` and holds it up to `seq`, `rev`.
    pub(crate) fn add_member(&mut self, room: usize, seq: u64, rev: u64) -> usize {
        self.rooms[room].members += 1;
        let cursor = Cursor::new(seq, rev);
        self.members.push(Member {
            room,
            cursor,
            sender: None,
            absent_until: seq,
        });
        self.members.len() - 1
    }

    /// `member` sends too.
    pub(crate) fn add_sender(&mut self, member: usize) -> usize {
        let index = self.senders.len();
        self.members[member].sender = Some(index);
        self.senders.push(Sender {
            member,
            sent: 0,
            next_command: CONNECT_ID + 1,
            flights: HashMap::new(),
        });
        index
    }

    /// How many senders there are.
    pub(crate) const fn senders(&self) -> usize {
        self.senders.len()
    }

    /// The `rev` from which `member` resumes.
    pub(crate) fn rev(&self, member: usize) -> u64 {
        self.members[member].cursor.rev()
    }

    /// `member` is away: what it gets until it is back makes up for that.
    pub(crate) fn left(&mut self, member: usize) {
        self.members[member].absent_until = u64::MAX;
    }

    /// `member` is back; the room stands at `last_seq`. False if it missed nothing.
    pub(crate) fn returned(&mut self, member: usize, last_seq: u64) -> bool {
        let member = &mut self.members[member];
        member.absent_until = last_seq;
        member.cursor.next() <= last_seq
    }

    /// Whether `member` has made up for its absence.
    pub(crate) fn has_caught_up(&self, member: usize) -> bool {
        let member = &self.members[member];
        member.cursor.is_complete(member.absent_until)
    }

    /// Sends the sender's next message.
    pub(crate) fn send_next(
        &mut self,
        wire: &mut Wire,
        sender: usize,
        intended: Instant,
        now: Instant,
    ) {
        let room = self.members[self.senders[sender].member].room;
        self.rooms[room].ledger.send();
        self.senders[sender].sent += 1;
        self.counters.sent += 1;
        let number = self.senders[sender].sent;
        self.dispatch(
            wire,
            Draft {
                sender,
                number,
                intended,
            },
            false,
        );
        record_nanos(&mut self.lateness, nanos_between(intended, now));
    }

    /// Sends a refused message again, under the same `client_id`.
    pub(crate) fn send_again(&mut self, wire: &mut Wire, draft: Draft) {
        self.dispatch(wire, draft, true);
    }

    fn dispatch(&mut self, wire: &mut Wire, draft: Draft, is_repeat: bool) {
        let Draft {
            sender: index,
            number,
            intended,
        } = draft;
        let sender = &mut self.senders[index];
        let command = sender.next_command;
        sender.next_command += 1;
        sender.flights.insert(command, Flight { draft, is_repeat });
        self.in_flight += 1;

        let room = &self.rooms[self.members[sender.member].room].id;
        let run = &self.run;
        let text = &mut self.scratch;
        text.clear();
        text.extend_from_slice(
            format!(
                "{{\"id\":{command},\"send\":{{\"room\":\"{room}\",\
                 \"client_id\":\"{run}-{index}-{number}\",\"body\":\""
            )
            .as_bytes(),
        );
        let body = text.len();
        let intended = nanos_between(self.epoch, intended);
        Stamp {
            sender: index as u32,
            number,
            intended,
        }
        .write(text);
        let padded = text.len().max(body + self.body_bytes);
        text.resize(padded, b'x');
        text.extend_from_slice(b"\"}}");
        wire.send(sender.member, text);
    }

    /// Books one object that connection `id` got.
    pub(crate) fn take(&mut self, id: usize, object: &[u8], now: Instant) -> Effect {
        match self.scanner.scan(object) {
            Object::Message(delivery) => self.on_delivery(id, delivery, now),
            Object::Answer {
                id: command,
                outcome,
            } => self.on_answer(id, command, outcome, now),
            Object::Reset { room, rev } => {
                self.on_reset(id, room.as_deref(), rev);
                Effect::None
            }
            Object::Other(kind) => {
                if kind == "error" {
                    self.malformed(id, object);
                }
                *self.counters.other.entry(kind).or_default() += 1;
                Effect::None
            }
            Object::Malformed => {
                self.malformed(id, object);
                Effect::None
            }
        }
    }

    /// Notes that connection `id` was lost.
    pub(crate) fn lost_connection(&mut self, id: usize, reason: &dyn std::fmt::Display) {
        self.findings.add(Violation::ConnectionLost, 1, || {
            format!("connection {id}: {reason}")
        });
    }

    /// Whether every send is answered and every acked message is with everybody.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight == 0
            && self.members.iter().all(|member| {
                member
                    .cursor
                    .is_complete(self.rooms[member.room].ledger.last_acked())
            })
    }

    /// Books what never came. Call once, at the end.
    pub(crate) fn close(&mut self) {
        for (id, member) in self.members.iter().enumerate() {
            let room = &self.rooms[member.room];
            let lost = member.cursor.lost(room.ledger.last_acked());
            self.findings.add(Violation::Lost, lost, || {
                format!("connection {id}: {lost} of room {}", room.id)
            });
        }
        for room in &self.rooms {
            let doubled = room.ledger.doubled();
            self.findings
                .add(Violation::Doubled, doubled, || format!("room {}", room.id));
        }
        for (index, sender) in self.senders.iter().enumerate() {
            let unanswered = sender.flights.len() as u64;
            self.findings.add(Violation::Unanswered, unanswered, || {
                format!("sender {index}: {unanswered}")
            });
        }
    }

    fn on_delivery(&mut self, id: usize, delivery: Delivery<'_>, now: Instant) -> Effect {
        let Delivery {
            seq, rev, stamp, ..
        } = delivery;
        let room = &mut self.rooms[self.members[id].room];
        if room.id.as_bytes() != delivery.room {
            let found = String::from_utf8_lossy(delivery.room);
            self.findings.add(Violation::ForeignRoom, 1, || {
                format!("connection {id}: {found}")
            });
            return Effect::None;
        }
        let key = stamp.map_or(0, Stamp::key);
        let deliveries = match room.ledger.delivered(seq, key) {
            Ok(deliveries) => deliveries,
            Err(contradiction) => {
                self.contradicted(id, seq, contradiction);
                // The wrong message still takes the place of the right one.
                if contradiction == Contradiction::Unknown {
                    return Effect::None;
                }
                0
            }
        };
        let member = &mut self.members[id];
        self.counters.deliveries += 1;
        self.last_delivery = now;
        let is_complete = deliveries == self.rooms[member.room].members;
        let expected = member.cursor.next();
        match member.cursor.take(seq) {
            Verdict::InOrder | Verdict::Gap(_) => self.check_rev(id, rev),
            Verdict::Explained(left_out) => {
                self.counters.explained += left_out;
                self.check_rev(id, rev);
            }
            Verdict::Late => self.findings.add(Violation::OutOfOrder, 1, || {
                format!("connection {id}: seq {seq} after {}", expected - 1)
            }),
            Verdict::Duplicate => {
                self.findings.add(Violation::Duplicate, 1, || {
                    format!("connection {id}: seq {seq} again, expected {expected}")
                });
                return Effect::None;
            }
        }
        let Some(stamp) = stamp else {
            return Effect::None;
        };
        let sender = stamp.sender as usize;
        let member = &self.members[id];
        if member.sender != Some(sender) && seq > member.absent_until {
            let received = nanos_between(self.epoch, now);
            record_nanos(&mut self.delivery, received.saturating_sub(stamp.intended));
        }
        if is_complete && sender < self.senders.len() {
            return Effect::Complete(sender);
        }
        Effect::None
    }

    fn check_rev(&mut self, id: usize, rev: u64) {
        let cursor = &mut self.members[id].cursor;
        let held = cursor.rev();
        match cursor.advance(rev) {
            Some(holes) => self.counters.rev_holes += holes,
            None => self.findings.add(Violation::RevOrder, 1, || {
                format!("connection {id}: rev {rev} after {held}")
            }),
        }
    }

    fn on_reset(&mut self, id: usize, room: Option<&str>, rev: u64) {
        self.counters.resets += 1;
        let member = &mut self.members[id];
        if room == Some(self.rooms[member.room].id.as_str()) {
            member.cursor.reset(rev);
        }
    }

    fn contradicted(&mut self, id: usize, seq: u64, contradiction: Contradiction) {
        let violation = match contradiction {
            Contradiction::Unknown => Violation::UnknownSeq,
            Contradiction::Mismatch => Violation::Mismatch,
            Contradiction::AckedTwice => Violation::Doubled,
        };
        self.findings
            .add(violation, 1, || format!("connection {id}: seq {seq}"));
    }

    fn malformed(&mut self, id: usize, object: &[u8]) {
        self.findings.add(Violation::Malformed, 1, || {
            let text: String = String::from_utf8_lossy(object).chars().take(200).collect();
            format!("connection {id}: {text}")
        });
    }
}

/// Nanoseconds from `earlier` to `later`; 0 when it is the other way round.
fn nanos_between(earlier: Instant, later: Instant) -> u64 {
    later.saturating_duration_since(earlier).as_nanos() as u64
}

#[cfg(test)]
mod tests;
