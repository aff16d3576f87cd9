//! Random rooms, in which everything that is found must agree with the reference.

use std::sync::Arc;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    Rig,
    fixture::{House, asking},
};
use crate::{
    change::{Change, History, Legacy},
    id::RoomId,
    memory::MemoryStore,
    search::{Mark, SearchQuery},
    seq::Seq,
};

const PEOPLE: [&str; 4] = ["ann", "ben", "cat", "dan"];
const WORDS: [&str; 12] = [
    "key", "keys", "Key", "door", "a", "the", "東京", "京都", "é", "under", "7421", "mat",
];
const QUESTIONS: [&str; 14] = [
    "key",
    "ke",
    "\"key\"",
    "door key",
    "\"the key\"",
    "a",
    "京",
    "東京都",
    "e",
    "the mat",
    "7",
    "\"a a\"",
    "under-the",
    "key key door",
];
const ROOMS: usize = 4;
const ROUNDS: usize = 40;

/// Two houses in which the same happens.
struct Twins {
    houses: [House; 2],
    rooms: Vec<[RoomId; 2]>,
    sent: Vec<u64>,
}

/// What is found: which room, which message, where.
type Found = Vec<(usize, Seq, Vec<Mark>)>;

impl Twins {
    async fn both(&self, change: impl Fn(&House, usize) -> Change) {
        let [one, two] = &self.houses;
        let (left, right) = (change(one, 0), change(two, 1));
        let now = one.tick();
        let outcome = one.rig.store.commit(now, &[left]).await.unwrap().remove(0);
        let expected = two
            .rig
            .store
            .commit(two.tick(), &[right])
            .await
            .unwrap()
            .remove(0);
        assert_eq!(
            outcome.is_ok(),
            expected.is_ok(),
            "{outcome:?} or {expected:?}"
        );
    }

    async fn found(&self, side: usize, who: &str, query: &SearchQuery) -> Found {
        let hits = self.houses[side].all(who, query).await;
        let hit = hits.into_iter().map(|hit| {
            let room = self
                .rooms
                .iter()
                .position(|rooms| rooms[side] == hit.message.room);
            (room.unwrap(), hit.message.seq, hit.marks)
        });
        hit.collect()
    }

    async fn happens(&mut self, dice: &mut StdRng) {
        let place = dice.random_range(0..ROOMS);
        let rooms = self.rooms[place];
        let who = PEOPLE[dice.random_range(0..PEOPLE.len())];
        let seq = Seq::new(dice.random_range(1..=self.sent[place].max(1)));
        let text: Vec<&str> = (0..dice.random_range(1..6))
            .map(|_| WORDS[dice.random_range(0..WORDS.len())])
            .collect();
        let text = text.join(if dice.random_ratio(1, 4) { "" } else { " " });
        let dice = dice.random_range(0..40);
        match dice {
            0..24 => {
                self.both(|house, side| house.saying(rooms[side], who, &text))
                    .await;
                self.sent[place] += 1;
            }
            24..29 => {
                self.both(|_, side| House::editing(rooms[side], who, seq, &text))
                    .await;
            }
            29..32 => {
                self.both(|_, side| House::deleting(rooms[side], who, seq))
                    .await;
            }
            32..34 => {
                self.both(|_, side| House::removing(rooms[side], who, dice == 32))
                    .await;
            }
            34..37 => {
                let history = [History::All, History::FromNow][dice % 2];
                self.both(|_, side| House::admitting(rooms[side], who, history))
                    .await;
            }
            37 => {
                let from = Seq::new(seq.get() / 4);
                self.both(|_, side| Change::Retain {
                    room: rooms[side],
                    from,
                })
                .await;
            }
            38 => {
                let messages = [Legacy::Keep, Legacy::Tombstone][seq.get() as usize % 2];
                let user = super::fixture::user(who);
                self.both(|_, _| Change::Erase {
                    user: user.clone(),
                    messages,
                    once: None,
                })
                .await;
            }
            _ => {
                for house in &self.houses {
                    house.tidies().await;
                }
            }
        }
    }
}

/// Whatever is said, changed, given up and erased.
pub async fn random_rooms_agree_with_the_reference(rig: Rig) {
    let memory = House::new(Rig::of(Arc::new(MemoryStore::default())));
    let houses = [House::new(rig), memory];
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push([
            houses[0].opens(&PEOPLE).await,
            houses[1].opens(&PEOPLE).await,
        ]);
    }
    let mut twins = Twins {
        houses,
        rooms,
        sent: vec![0; ROOMS],
    };
    let mut dice = StdRng::seed_from_u64(3);
    let mut hits = 0;
    for round in 0..ROUNDS {
        for _ in 0..12 {
            twins.happens(&mut dice).await;
        }
        for house in &twins.houses {
            house.tidies().await;
        }
        twins.houses[0].indexes().await;
        for question in QUESTIONS {
            let who = PEOPLE[dice.random_range(0..PEOPLE.len())];
            let limit = dice.random_range(1..30);
            let query = SearchQuery {
                limit,
                ..asking(question)
            };
            let found = twins.found(0, who, &query).await;
            let expected = twins.found(1, who, &query).await;
            assert_eq!(found, expected, "round {round}: {who} asks {question}");
            hits += found.len();
        }
    }
    assert!(hits > 1_000, "much was found: {hits}");
}
