//! What the client of a stream holds, as it is told it: from that come resume
//! positions.

use std::{cmp::Reverse, collections::HashMap};

use realtime_core::{
    id::{Incarnation, RoomId},
    protocol,
    seq::Rev,
};
use serde::{Deserialize, de::IgnoredAny};

use super::position::Position;
use crate::http::{POSITION_EVERY, POSITION_ROOMS, POSITION_ROOMS_ALWAYS};

/// What a line is, as far as it matters for positions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Push {
    Connected { rooms: Vec<Summary> },
    Message(At),
    Receipt(At),
    Participant(At),
    Room(Summary),
    Reset(At),
    Unsubscribed { room: RoomId },
    Ping(IgnoredAny),
    Drain { min_ms: u64, max_ms: u64 },
}

#[derive(Debug, Deserialize)]
struct At {
    room: RoomId,
    rev: Rev,
}

#[derive(Debug, Deserialize)]
struct Summary {
    id: RoomId,
    rev: Rev,
}

/// What the stream does about a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Tells it.
    Event,
    /// Tells it, and that these rooms must be loaded anew: it is not known what the
    /// client holds of them.
    Welcome(Vec<protocol::Line>),
    /// Shows that it lives.
    Ping,
    /// Tells it, and when to come back, in milliseconds.
    Drain(u64, u64),
}

/// What the client holds.
#[derive(Debug)]
pub(super) struct Tracker {
    incarnation: Incarnation,
    /// With the moment of the newest change, counted in lines.
    rooms: HashMap<RoomId, (Rev, u64)>,
    lines: u64,
    /// Whether the client may hold rooms that its position did not name.
    holds_unnamed: bool,
    /// Events since the last position; `None`: nothing moved.
    moved: Option<u32>,
}

impl Tracker {
    /// From what the client says it holds, if it says anything.
    pub(super) fn new(held: Option<Position>, incarnation: Incarnation) -> Self {
        let holds_unnamed = held.as_ref().is_some_and(|position| !position.is_whole);
        let rooms = held.map(|position| position.rooms).unwrap_or_default();
        Self {
            incarnation,
            rooms: rooms
                .into_iter()
                .map(|(room, rev)| (room, (rev, 0)))
                .collect(),
            lines: 0,
            holds_unnamed,
            moved: None,
        }
    }

    /// Takes note of a line that is about to be told.
    pub(super) fn note(&mut self, line: &str) -> Meaning {
        self.lines += 1;
        // Anything else, typing and presence among it, moves nothing.
        let Ok(push) = serde_json::from_str(line) else {
            return Meaning::Event;
        };
        match push {
            Push::Connected { rooms } => return Meaning::Welcome(self.begin(rooms)),
            Push::Ping(_) => return Meaning::Ping,
            Push::Drain { min_ms, max_ms } => return Meaning::Drain(min_ms, max_ms),
            Push::Message(at) | Push::Receipt(at) | Push::Participant(at) | Push::Reset(at) => {
                self.stand(at.room, at.rev);
            }
            Push::Room(summary) => self.stand(summary.id, summary.rev),
            Push::Unsubscribed { room } => {
                self.rooms.remove(&room);
                self.count();
            }
        }
        Meaning::Event
    }

    fn begin(&mut self, rooms: Vec<Summary>) -> Vec<protocol::Line> {
        let mut unknown = Vec::new();
        for Summary { id, rev } in rooms {
            if self.rooms.contains_key(&id) {
                continue;
            }
            self.stand(id, rev);
            if self.holds_unnamed {
                unknown.push(protocol::reset(id, rev));
            }
        }
        // The client that gets this holds it: the position may be told at once.
        self.moved = Some(POSITION_EVERY);
        unknown
    }

    fn stand(&mut self, room: RoomId, rev: Rev) {
        self.rooms.insert(room, (rev, self.lines));
        self.count();
    }

    fn count(&mut self) {
        self.moved = Some(self.moved.unwrap_or(0).saturating_add(1));
    }

    /// The position for the event that was noted last, if it should carry one.
    pub(super) fn due(&mut self) -> Option<String> {
        let moved = self.moved?;
        let is_due = self.rooms.len() <= POSITION_ROOMS_ALWAYS || moved >= POSITION_EVERY;
        is_due.then(|| self.position())
    }

    /// The position, if anything moved since it was last told.
    pub(super) fn pending(&mut self) -> Option<String> {
        self.moved.is_some().then(|| self.position())
    }

    fn position(&mut self) -> String {
        self.moved = None;
        let mut rooms: Vec<_> = self.rooms.iter().collect();
        let is_whole = rooms.len() <= POSITION_ROOMS;
        if !is_whole {
            rooms.sort_unstable_by_key(|(_, (_, line))| Reverse(*line));
            rooms.truncate(POSITION_ROOMS);
        }
        let position = Position {
            incarnation: Some(self.incarnation),
            rooms: rooms
                .into_iter()
                .map(|(room, (rev, _))| (*room, *rev))
                .collect(),
            is_whole,
        };
        position.encode()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const LIFE: Incarnation = Incarnation::from_uuid(Uuid::max());

    fn room(number: u128) -> RoomId {
        RoomId::from_uuid(Uuid::from_u128(number))
    }

    fn connected(rooms: u128) -> String {
        let rooms: Vec<_> = (1..=rooms)
            .map(|n| json!({"id": room(n), "rev": 7}))
            .collect();
        json!({"connected": {"user": "ann", "rooms": rooms}}).to_string()
    }

    fn message(number: u128, rev: u64) -> String {
        json!({"message": {"room": room(number), "rev": rev, "seq": 1, "body": "hi"}}).to_string()
    }

    fn told(tracker: &mut Tracker) -> Option<Position> {
        tracker.due().map(|id| Position::decode(&id).unwrap())
    }

    #[test]
    fn every_event_of_a_few_rooms_carries_where_they_stand() {
        let mut tracker = Tracker::new(None, LIFE);
        assert_eq!(tracker.note(&connected(2)), Meaning::Welcome(Vec::new()));
        assert_eq!(told(&mut tracker).unwrap().rooms.len(), 2);
        tracker.note(&message(1, 8));
        let position = told(&mut tracker).unwrap();
        assert!(position.rooms.contains(&(room(1), Rev::new(8))));
        assert!(position.rooms.contains(&(room(2), Rev::new(7))));
        assert!(position.is_whole);
        tracker.note(r#"{"typing": {"room": "x"}}"#);
        assert_eq!(tracker.due(), None);
    }

    #[test]
    fn with_many_rooms_one_event_in_some_does_and_a_ping_brings_the_rest() {
        let mut tracker = Tracker::new(None, LIFE);
        tracker.note(&connected(100));
        assert!(tracker.due().is_some());
        let carried = (8..8 + 32).filter(|rev| {
            tracker.note(&message(1, *rev));
            tracker.due().is_some()
        });
        assert_eq!(carried.count(), 2);
        tracker.note(&message(1, 40));
        assert_eq!(tracker.due(), None);
        assert_eq!(tracker.note(r#"{"ping":{}}"#), Meaning::Ping);
        let position = Position::decode(&tracker.pending().unwrap()).unwrap();
        assert!(position.rooms.contains(&(room(1), Rev::new(40))));
        assert_eq!(tracker.pending(), None);
    }

    #[test]
    fn a_resumed_room_stands_where_the_client_left_it_until_it_is_told_more() {
        let held = Position {
            incarnation: Some(LIFE),
            rooms: vec![(room(1), Rev::new(3))],
            is_whole: true,
        };
        let mut tracker = Tracker::new(Some(held), LIFE);
        assert_eq!(tracker.note(&connected(2)), Meaning::Welcome(Vec::new()));
        let position = told(&mut tracker).unwrap();
        assert!(position.rooms.contains(&(room(1), Rev::new(3))));
        let reset = json!({"reset": {"room": room(1), "rev": 2}}).to_string();
        tracker.note(&reset);
        assert!(
            told(&mut tracker)
                .unwrap()
                .rooms
                .contains(&(room(1), Rev::new(2)))
        );
        let gone = json!({"unsubscribed": {"room": room(1), "code": "not_found"}}).to_string();
        tracker.note(&gone);
        assert_eq!(told(&mut tracker).unwrap().rooms, [(room(2), Rev::new(7))]);
    }

    #[test]
    fn what_a_position_could_not_name_is_loaded_anew() {
        let mut tracker = Tracker::new(None, LIFE);
        let rooms = POSITION_ROOMS as u128 + 5;
        tracker.note(&connected(rooms));
        tracker.note(&message(1, 9));
        let position = Position::decode(&tracker.pending().unwrap()).unwrap();
        assert!(!position.is_whole);
        assert_eq!(position.rooms.len(), POSITION_ROOMS);
        assert!(position.rooms.contains(&(room(1), Rev::new(9))));

        let mut resumed = Tracker::new(Some(position), LIFE);
        let Meaning::Welcome(resets) = resumed.note(&connected(rooms)) else {
            unreachable!("it is the welcome");
        };
        assert_eq!(resets.len(), 5);
    }
}
