//! Random histories: bytes that a seed, or a test that shrinks them, gives are read
//! as changes that collide often, because there are few of everything.

use serde_json::json;

use super::fixture::{announcement, client_id, group, job, key, metadata, text, user};
use crate::{
    change::{
        Actor, Answer, Change, DomainEvent, Draft, NewParticipant, NewRoom, Pointer, RoomAction,
    },
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

    /// Notes the rooms that were opened.
    pub(crate) fn learns(&mut self, outcomes: &[Outcome]) {
        for committed in outcomes.iter().flatten() {
            match &committed.answer {
                Answer::Room { room, created } | Answer::Event { room, created, .. } => {
                    if *created {
                        self.rooms.push(room.id);
                    }
                }
                Answer::Message { .. } | Answer::Pointers { .. } | Answer::Participant { .. } => {}
            }
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
        let by = actor(step[2]);
        let seq = seq(step[3]);
        match step[0] {
            0..=79 => Change::Send(self.draft(step)),
            80..=99 => Change::Edit {
                room,
                seq,
                by,
                body: text(pick(&BODIES, step[5])),
            },
            100..=114 => Change::Delete { room, seq, by },
            115..=154 => Change::Mark {
                room,
                user: user(pick(&BUSY, step[2])),
                pointer: pick(&[Pointer::Read, Pointer::Delivered], step[4]),
                seq,
            },
            155..=169 => Change::Open(new_room(step)),
            170..=184 => describe(room, step),
            185..=199 => Change::Act {
                room,
                action: self.action(step[2]),
            },
            200..=229 => Change::Admit {
                room,
                participant: participant(step[2], step[3]),
            },
            230..=239 => Change::Remove {
                room,
                user: person(step[2]),
            },
            240..=255 => Change::Apply(Box::new(self.event(step))),
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
            reply_to: (step[3] > 224).then(|| seq(step[3])),
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
        DomainEvent {
            id: key(&format!("e{}", step[1] % 16)),
            fingerprint: i64::from(step[1] > 250),
            subject: job(&format!("{}", step[2] % 4)),
            open: (step[3] > 64).then(|| new_room(step)),
            message: (step[4] > 64)
                .then(|| announcement(pick(&BODIES, step[5])))
                .flatten(),
            lock_at: (step[5] > 192).then(|| Timestamp::from_millis(at)),
        }
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

pub(crate) fn rev(step: &Step) -> Rev {
    Rev::new(u64::from(step[2]) / 2)
}

pub(crate) fn limit(step: &Step) -> u32 {
    u32::from(step[3] % 32)
}

pub(crate) fn window(step: &Step) -> Window {
    pick(
        &[
            Window::Latest,
            Window::Before(seq(step[2])),
            Window::After(seq(step[2])),
            Window::Around(seq(step[2])),
        ],
        step[1],
    )
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
        after: (step[6] > 128).then(|| RoomCursor {
            activity: Timestamp::from_millis(
                script.now().as_millis() - i64::from(step[7]) * LONGEST_STEP / 16,
            ),
            room: script.room(step[1]),
        }),
        limit: u32::from(step[3] % 8),
    }
}
