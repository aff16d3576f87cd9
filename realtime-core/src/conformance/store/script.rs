//! Random histories: bytes that a seed, or a test that shrinks them, gives are read
//! as changes that collide often, because there are few of everything.

use std::collections::HashMap;

use serde_json::json;

use super::fixture::{announcement, client_id, group, job, key, metadata, text, user};
use crate::{
    change::{
        Actor, Answer, Change, DomainEvent, Draft, History, Legacy, NewParticipant, NewRoom, Once,
        Pointer, RoomAction, Roster,
    },
    event::{RoomChange, RoomEvent},
    id::{RoomId, UserId},
    limits::SMALL_ROOM,
    message::MessageKind,
    participant::Role,
    room::{Metadata, RoomKind, RoomState},
    seq::{Rev, Seq},
    store::{Outcome, RoomCursor, RoomQuery, Window},
    time::Timestamp,
};

/// One change, or one question, in bytes.
pub(crate) type Step = [u8; 8];

/// The people of every history. Two differ by case only.
const PEOPLE: [&str; 6] = ["ann", "Ann", "ben", "cleo", "dora", "nobody"];
/// Who does something: some do more than others.
const BUSY: [&str; 8] = ["ann", "ben", "ann", "Ann", "ann", "ben", "cleo", "dora"];
const NAMES: [Option<&str>; 4] = [None, None, Some("A name"), Some("Another \u{1F9F9}")];
const BODIES: [&str; 4] = ["hello", "Hello", "hello ", "\u{1F600} \u{E9}"];
/// When a history begins, and how many milliseconds its clock may step forward.
const START: i64 = 1_700_000_000_000;
const LONGEST_STEP: i64 = 3_000;

/// What a history knows of itself while it is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// The rooms that were opened, in this order.
    pub(crate) rooms: Vec<RoomId>,
    /// The newest message and the head of each, as far as it was told.
    heads: HashMap<RoomId, (Seq, Rev)>,
    now: i64,
}

impl Script {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(START + self.now)
    }

    /// Moves the clock; now and then it steps back.
    pub(crate) fn ticks(&mut self, step: &Step) {
        let span = i64::from(step[6]) * LONGEST_STEP / i64::from(u8::MAX);
        let back = step[7] > 240;
        self.now += if back { -span } else { span };
    }

    /// Notes the rooms that were opened, and how far each has come.
    pub(crate) fn learns(&mut self, outcomes: &[Outcome]) {
        for committed in outcomes.iter().flatten() {
            committed.events.iter().for_each(|event| self.hears(event));
            match &committed.answer {
                Answer::Room { room, created } | Answer::Event { room, created, .. } => {
                    if *created {
                        self.rooms.push(room.id);
                    }
                }
                Answer::Message { .. }
                | Answer::Pointers { .. }
                | Answer::Participant { .. }
                | Answer::Erased { .. } => {}
            }
        }
    }

    fn hears(&mut self, event: &RoomEvent) {
        let head = self.heads.entry(event.room).or_default();
        head.1 = event.rev;
        if let RoomChange::Message(message) = &event.change {
            head.0 = head.0.max(message.seq);
        }
    }

    pub(crate) fn room(&self, byte: u8) -> RoomId {
        if self.rooms.is_empty() || byte > 248 {
            return RoomId::from_uuid(uuid::Uuid::from_u128(7));
        }
        pick(&self.rooms, byte % 4)
    }

    pub(crate) fn change(&self, step: &Step) -> Change {
        let room = self.room(step[1]);
        // Much is changed by the platform, as people come and go.
        let by = if step[2].is_multiple_of(2) {
            Actor::Service
        } else {
            actor(step[2])
        };
        let seq = self.seq(step);
        match step[0] {
            0..=69 => Change::Send(self.draft(step)),
            70..=91 => Change::Edit {
                room,
                seq,
                by,
                body: text(pick(&BODIES, step[5])),
                sent_after: self.sent_after(step),
            },
            92..=105 => Change::Delete {
                room,
                seq,
                by,
                sent_after: self.sent_after(step),
            },
            106..=133 => Change::Mark {
                room,
                user: user(pick(&BUSY, step[2])),
                pointer: pick(&[Pointer::Read, Pointer::Delivered], step[4]),
                seq,
            },
            134..=145 => Change::Open(new_room(step)),
            146..=153 => describe(room, step),
            154..=165 => Change::Act {
                room,
                action: self.action(step[2]),
            },
            166..=228 => self.upheaval(room, step),
            229..=255 => Change::Apply(Box::new(self.event(step))),
        }
    }

    /// Who comes and goes, and what goes for ever.
    fn upheaval(&self, room: RoomId, step: &Step) -> Change {
        match step[0] {
            0..=205 => Change::Admit {
                room,
                participant: participant(step[2], step[3]),
                history: history(step[5]),
            },
            206..=213 => Change::Remove {
                room,
                user: person(step[2]),
                keeps_history: step[5] > 96,
            },
            214..=221 => Change::Replace {
                room,
                leaves: person(step[4]),
                comes: participant(step[2], step[3]),
                history: history(step[5]),
            },
            222..=226 => Change::Retain {
                room,
                from: Seq::new(self.last_seq(room).saturating_sub(u64::from(step[3] % 16)) + 1),
            },
            227..=255 => Change::Erase {
                user: person(step[2]),
                messages: pick(&[Legacy::Keep, Legacy::Tombstone], step[3]),
                // Names that events have, too.
                once: (step[4] > 128).then(|| Once {
                    id: key(&format!("e{}", step[1] % 16)),
                    fingerprint: i64::from(step[5] > 128) + 7,
                }),
            },
        }
    }

    fn draft(&self, step: &Step) -> Draft {
        let data = (step[7] > 224).then(|| data(0));
        let system = step[7] % 32 == 15;
        Draft {
            room: self.room(step[1]),
            from: actor(step[2]),
            client_id: client_id(&format!("c{}", step[4] % 32)),
            body: text(pick(&BODIES, step[4] / 128)),
            kind: if system {
                MessageKind::System
            } else {
                MessageKind::Text
            },
            reply_to: (step[3] > 208).then(|| self.seq(step)),
            metadata: data,
        }
    }

    fn action(&self, byte: u8) -> RoomAction {
        let later = i64::from(byte) * LONGEST_STEP / 16;
        let at = Timestamp::from_millis(self.now().as_millis() + later - LONGEST_STEP);
        pick(
            &[
                RoomAction::Reopen,
                RoomAction::Lock { at: None },
                RoomAction::Reopen,
                RoomAction::Lock { at: Some(at) },
                RoomAction::Reopen,
                RoomAction::Archive,
                RoomAction::Reopen,
                RoomAction::Reopen,
            ],
            byte,
        )
    }

    fn event(&self, step: &Step) -> DomainEvent {
        let at = self.now().as_millis() + i64::from(step[5]) * LONGEST_STEP / 32;
        let at = Some(Timestamp::from_millis(at));
        DomainEvent {
            id: key(&format!("e{}", step[1] % 64)),
            fingerprint: i64::from(step[1] > 250),
            subject: job(&format!("{}", step[2] % 4)),
            open: (step[3] > 64).then(|| new_room(step)),
            message: (step[4] > 64)
                .then(|| announcement(pick(&BODIES, step[5])))
                .flatten(),
            roster: (0..step[6] % 4).map(|place| roster(place, step)).collect(),
            action: (step[5] > 160).then(|| {
                let lock = RoomAction::Lock { at };
                pick(
                    &[lock, RoomAction::Reopen, lock, RoomAction::Archive],
                    step[7],
                )
            }),
        }
    }

    /// A place in the room that is meant: near its beginning, or near its end.
    fn seq(&self, step: &Step) -> Seq {
        if step[3].is_multiple_of(4) {
            return seq(step[3]);
        }
        let last = self.last_seq(self.room(step[1]));
        Seq::new((last + 1).saturating_sub(u64::from(step[3] % 7)))
    }

    fn last_seq(&self, room: RoomId) -> u64 {
        self.heads.get(&room).map_or(0, |(last, _)| last.get())
    }

    fn sent_after(&self, step: &Step) -> Option<Timestamp> {
        let span = i64::from(step[4]) * LONGEST_STEP / 16;
        let oldest = Timestamp::from_millis(self.now().as_millis() - span);
        (step[7] > 96).then_some(oldest)
    }
}

pub(crate) fn pick<T: Copy>(choices: &[T], byte: u8) -> T {
    choices[usize::from(byte) % choices.len()]
}

pub(crate) fn person(byte: u8) -> UserId {
    user(pick(&PEOPLE, byte))
}

/// Everybody, and some of the crowd.
pub(crate) fn people() -> Vec<UserId> {
    let some = ["u000", "u042", "u099"];
    PEOPLE.into_iter().chain(some).map(user).collect()
}

fn actor(byte: u8) -> Actor {
    if byte > 230 {
        return Actor::Service;
    }
    Actor::User {
        id: user(pick(&BUSY, byte)),
        name: pick(&NAMES, byte / 8).map(str::to_owned),
    }
}

fn seq(byte: u8) -> Seq {
    Seq::new(u64::from(byte % 12))
}

fn data(byte: u8) -> Metadata {
    metadata(&json!({"data": byte % 2, "\u{E9}": null}))
}

fn participant(who: u8, how: u8) -> NewParticipant {
    NewParticipant {
        user: person(who),
        role: pick(
            &[
                Role::Member,
                Role::Owner,
                Role::Member,
                Role::Member,
                Role::Member,
                Role::Member,
                Role::Member,
                Role::Observer,
            ],
            how,
        ),
        name: pick(&NAMES, how / 4).map(str::to_owned),
    }
}

fn history(byte: u8) -> History {
    pick(&[History::All, History::FromNow], byte)
}

fn roster(place: u8, step: &Step) -> Roster {
    let [who, other] = [step[6].wrapping_add(place), step[7].wrapping_add(place)];
    match who.wrapping_add(step[5]) % 3 {
        0 => Roster::Admit {
            participant: participant(who, other),
            history: history(other),
        },
        1 => Roster::Remove {
            user: person(other),
            keeps_history: step[4].is_multiple_of(2),
        },
        _ => Roster::Replace {
            leaves: person(who),
            comes: participant(other, who),
            history: history(step[4]),
        },
    }
}

fn new_room(step: &Step) -> NewRoom {
    let mut participants: Vec<NewParticipant> = (0..2 + step[4] % 4)
        .map(|place| participant(step[3].wrapping_add(place), step[4].wrapping_add(place)))
        .collect();
    // A crowd that makes the room just small, or just not.
    if step[7] < 16 {
        let crowd = SMALL_ROOM - u32::from(step[7] % 4);
        let crowd = (0..crowd).map(|number| format!("u{number:03}"));
        participants.extend(crowd.flat_map(|who| group(&[who.as_str()]).participants));
    }
    NewRoom {
        kind: pick(
            &[RoomKind::Group, RoomKind::Group, RoomKind::Direct],
            step[5],
        ),
        subject: step[1]
            .is_multiple_of(2)
            .then(|| job(&format!("{}", step[2] % 4))),
        key: (step[2] > 208).then(|| key(&format!("k{}", step[2] % 4))),
        title: (step[5] > 128).then(|| "Title".to_owned()),
        metadata: (step[6] > 200).then(|| data(step[6])),
        participants,
    }
}

fn describe(room: RoomId, step: &Step) -> Change {
    let title = pick(&[None, Some("Kitchen"), Some("kitchen")], step[3]);
    Change::Describe {
        room,
        title: (!step[2].is_multiple_of(3)).then(|| title.map(str::to_owned)),
        metadata: (!step[4].is_multiple_of(3)).then(|| (step[5] > 64).then(|| data(step[5]))),
    }
}

/// A `rev` near the beginning of a room, or near its head.
pub(crate) fn rev(script: &Script, step: &Step) -> Rev {
    if step[2].is_multiple_of(4) {
        return Rev::new(u64::from(step[2]) / 2);
    }
    let head = script.heads.get(&script.room(step[1]));
    let head = head.map_or(0, |(_, head)| head.get());
    Rev::new((head + 1).saturating_sub(u64::from(step[2]) / 8))
}

pub(crate) fn limit(step: &Step) -> u32 {
    u32::from(step[3] % 32)
}

pub(crate) fn window(script: &Script, step: &Step) -> Window {
    let seq = script.seq(step);
    pick(
        &[
            Window::Latest,
            Window::Before(seq),
            Window::After(seq),
            Window::Around(seq),
        ],
        step[4],
    )
}

/// A message whose earlier versions are asked for, and after which of them.
pub(crate) fn editions(script: &Script, step: &Step) -> (Seq, Rev) {
    let after = Rev::new(u64::from(step[5] / 8));
    (script.seq(step), pick(&[Rev::ZERO, after], step[4]))
}

/// A moment that some of the messages are older than.
pub(crate) fn horizon(script: &Script, step: &Step) -> Timestamp {
    let span = i64::from(step[5]) * LONGEST_STEP / 8;
    Timestamp::from_millis(script.now().as_millis() - span)
}

/// Whether what is left to be done is done after this batch.
pub(crate) fn tidies(step: &Step) -> bool {
    step[5] > 160
}

pub(crate) fn query(script: &Script, step: &Step) -> RoomQuery {
    let states = [
        None,
        Some(RoomState::Open),
        None,
        Some(RoomState::Locked),
        None,
        Some(RoomState::Archived),
    ];
    RoomQuery {
        state: pick(&states, step[4]),
        unread_only: step[5] > 192,
        left: step[2] > 160,
        after: (step[6] > 128).then(|| RoomCursor {
            activity: Timestamp::from_millis(
                script.now().as_millis() - i64::from(step[7]) * LONGEST_STEP / 16,
            ),
            room: script.room(step[1]),
        }),
        limit: u32::from(step[3] % 8),
    }
}
