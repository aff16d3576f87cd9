//! A long random history, after which every read must agree with the reference.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use super::script::{self, Script, Step};
use crate::{
    change::{Answer, Change, Committed, Rejection},
    event::{RoomChange, RoomEvent, Topic, UserEvent},
    id::{IdGenerator, RoomId, UserId},
    memory::MemoryStore,
    participant::Participant,
    room::Room,
    seq::Rev,
    store::{
        Aged, Backend, ChangeSet, Edition, Exported, HistoryPage, Outcome, RoomQuery, RoomView,
        SharedBackend, Unread, UnreadTotals,
    },
    time::Timestamp,
};

/// Changes in a batch, at most.
const BATCH: usize = 8;
/// After each batch, so many sets of questions.
const QUESTIONS: usize = 2;

/// A random history of a fixed seed agrees with the reference.
pub async fn a_random_history_agrees_with_the_reference(store: SharedBackend) {
    agrees_with_memory(store, 1, 150).await;
}

/// Plays `batches` random batches of changes to a fresh, empty store and to
/// [`MemoryStore`], and compares every outcome and many reads after each.
///
/// The same seed plays the same history, with this version of the library.
///
/// # Panics
/// Where the two differ, saying at which batch, with both answers.
pub async fn agrees_with_memory(store: SharedBackend, seed: u64, batches: usize) {
    let ids = Arc::new(Echo::default());
    let memory = MemoryStore::new(Arc::clone(&ids) as Arc<dyn IdGenerator>);
    let mut dice = StdRng::seed_from_u64(seed);
    let history = (0..batches).map(|_| {
        let changes = dice.random_range(1..=BATCH);
        (0..changes).map(|_| dice.random()).collect()
    });
    let history: Vec<Vec<Step>> = history.collect();
    play(&*store, &memory, &ids, &history).await;
}

/// Gives a reference the ids that the store under test gave, so that all they tell
/// can be compared as it is.
#[derive(Debug, Default)]
pub(crate) struct Echo(Mutex<VecDeque<Uuid>>);

impl Echo {
    fn expects(&self, outcomes: &[Outcome]) {
        let mut ids = self.0.lock().unwrap();
        ids.clear();
        for event in outcomes.iter().flatten().flat_map(|one| &one.events) {
            match &event.change {
                RoomChange::Room(room) if room.rev == Rev::FIRST => {
                    ids.push_back(room.id.as_uuid());
                }
                RoomChange::Message(message)
                    if message.edited_at.is_none() && message.deleted_at.is_none() =>
                {
                    ids.push_back(message.id.as_uuid());
                }
                RoomChange::Room(_)
                | RoomChange::Message(_)
                | RoomChange::Receipt(_)
                | RoomChange::Participant(_)
                | RoomChange::Reset => {}
            }
        }
    }
}

impl IdGenerator for Echo {
    /// The next id that was told; a nil one if the store under test created less.
    fn uuid(&self) -> Uuid {
        self.0.lock().unwrap().pop_front().unwrap_or_default()
    }
}

/// Plays a history to both and compares them after each batch.
pub(crate) async fn play(
    store: &dyn Backend,
    reference: &dyn Backend,
    ids: &Echo,
    history: &[Vec<Step>],
) {
    let mut script = Script::default();
    let mut heads = Heads::default();
    for (number, steps) in history.iter().enumerate() {
        if let Some(step) = steps.first() {
            script.ticks(step);
        }
        let changes: Vec<_> = steps.iter().map(|step| script.change(step)).collect();
        let outcomes = store.commit(script.now(), &changes).await.unwrap();
        heads.follow(&changes, &outcomes);
        ids.expects(&outcomes);
        let expected = reference.commit(script.now(), &changes).await.unwrap();
        assert_eq!(outcomes.len(), expected.len());
        for ((change, outcome), expected) in changes.iter().zip(&outcomes).zip(&expected) {
            let (told, expected) = (comparable(outcome), comparable(expected));
            assert_eq!(told, expected, "batch {number}: {change:?}");
        }
        script.learns(&outcomes);
        if steps.first().is_some_and(script::tidies) {
            let told = tidy(store, script.now()).await;
            heads.hear(&told);
            let expected = tidy(reference, script.now()).await;
            assert_eq!(by_room(told), by_room(expected), "tidied after {number}");
        }
        for step in steps.iter().take(QUESTIONS) {
            let told = readings(store, &script, step).await;
            let expected = readings(reference, &script, step).await;
            for (told, expected) in told.into_iter().zip(expected) {
                assert_eq!(told, expected, "after batch {number}, asked by {step:?}");
            }
        }
    }
    heads.are_told_by(store).await;
}

/// More steps than any history leaves to be tidied, or pages to be exported.
const STEPS: usize = 1_000;

/// Does all that is left to be done, and answers what was told.
pub(crate) async fn tidy(store: &dyn Backend, now: Timestamp) -> Vec<RoomEvent> {
    let mut told = Vec::new();
    for _ in 0..STEPS {
        let tidied = store.tidy(now).await.unwrap();
        told.extend(tidied.events);
        if !tidied.more {
            return told;
        }
    }
    panic!("there is always more to do");
}

/// In which order the rooms are tidied is left open.
fn by_room(mut told: Vec<RoomEvent>) -> Vec<RoomEvent> {
    told.sort_by_key(|event| (event.room, event.rev));
    told
}

/// Checks that every stream is dense, as it is told.
#[derive(Debug, Default)]
struct Heads(HashMap<Topic, Rev>);

impl Heads {
    fn follow(&mut self, changes: &[Change], outcomes: &[Outcome]) {
        for (change, outcome) in changes.iter().zip(outcomes) {
            let Ok(committed) = outcome else { continue };
            let erased = Answer::Erased { duplicate: false };
            if let Change::Erase { user, .. } = change
                && committed.answer == erased
            {
                self.0.insert(Topic::User(user.clone()), Rev::ZERO);
            }
            self.hear(&committed.events);
            for event in &committed.users {
                let head = self.0.entry(Topic::User(event.user.clone())).or_default();
                assert_eq!(event.rev, head.next());
                *head = event.rev;
            }
        }
    }

    fn hear(&mut self, events: &[RoomEvent]) {
        for event in events {
            let head = self.0.entry(Topic::Room(event.room)).or_default();
            assert_eq!((event.after, event.rev), (*head, head.next()));
            *head = event.rev;
        }
    }

    async fn are_told_by(self, store: &dyn Backend) {
        let (topics, heads): (Vec<Topic>, Vec<Rev>) = self.0.into_iter().unzip();
        assert_eq!(store.heads(&topics).await.unwrap(), heads);
    }
}

/// An outcome without what the contract leaves open: the words of a refusal, and
/// the order in which users are told.
fn comparable(outcome: &Outcome) -> Outcome {
    match outcome.clone() {
        Ok(mut committed) => {
            committed
                .users
                .sort_by_key(|UserEvent { user, rev, .. }| (user.clone(), *rev));
            Ok::<Committed, Rejection>(committed)
        }
        Err(Rejection::Conflict { .. }) => Err(Rejection::Conflict { reason: "" }),
        Err(Rejection::Invalid { field, .. }) => Err(Rejection::Invalid { field, reason: "" }),
        Err(rejection) => Err(rejection),
    }
}

/// What a read answered.
#[derive(Debug, PartialEq)]
enum Reading {
    Changes(ChangeSet),
    History(HistoryPage),
    Heads(Vec<Rev>),
    Participant(Option<Participant>),
    Memberships(Vec<RoomId>, Rev),
    Room(Option<Room>),
    Views(Vec<RoomView>),
    Participants(Vec<Participant>),
    Unread(Unread),
    Totals(UnreadTotals),
    People(Vec<UserId>),
    Seen(Vec<Option<Timestamp>>),
    Editions(Vec<Edition>),
    Aged(Vec<Aged>),
    Exported(Option<Vec<Exported>>),
}

async fn readings(store: &dyn Backend, script: &Script, step: &Step) -> Vec<Reading> {
    let mut all = of_rooms(store, script, step).await;
    all.extend(of_people(store, script, step).await);
    all
}

async fn of_rooms(store: &dyn Backend, script: &Script, step: &Step) -> Vec<Reading> {
    let (room, limit) = (script.room(step[1]), script::limit(step));
    let after = script::person(step[4]);
    let page = store.participants(room, Some(&after), limit).await;
    let job = super::fixture::job(&format!("{}", step[2] % 4));
    let window = script::window(script, step);
    let (seq, after_edition) = script::editions(script, step);
    let editions = store.editions(room, seq, after_edition, limit).await;
    let (horizon, far) = (script::horizon(script, step), u32::MAX);
    let topics = script.rooms.iter().map(|room| Topic::Room(*room));
    let topics: Vec<Topic> = topics.chain([Topic::Room(room)]).collect();
    vec![
        Reading::Changes(store.changes(room, Rev::ZERO, u32::MAX).await.unwrap()),
        Reading::Changes(
            store
                .changes(room, script::rev(script, step), limit)
                .await
                .unwrap(),
        ),
        Reading::History(store.history(room, window, limit).await.unwrap()),
        Reading::Heads(store.heads(&topics).await.unwrap()),
        Reading::Room(store.room(room).await.unwrap()),
        Reading::Room(store.room_of(&job).await.unwrap()),
        Reading::Participants(store.participants(room, None, 0).await.unwrap()),
        Reading::Participants(page.unwrap()),
        Reading::Editions(editions.unwrap()),
        Reading::Aged(store.aged(horizon, None, far).await.unwrap()),
        Reading::Aged(store.aged(horizon, Some(room), limit).await.unwrap()),
    ]
}

async fn of_people(store: &dyn Backend, script: &Script, step: &Step) -> Vec<Reading> {
    let (who, room) = (script::person(step[2]), script.room(step[1]));
    let people = script::people();
    let seen = [script::person(step[3]), script::person(step[4])];
    store.saw(&seen, script.now()).await.unwrap();
    let memberships = store.memberships(&who, script::limit(step)).await;
    let (rooms, rev) = memberships.unwrap();
    let topics: Vec<Topic> = people.iter().cloned().map(Topic::User).collect();
    let query = script::query(script, step);
    let left = RoomQuery {
        left: true,
        ..RoomQuery::default()
    };
    vec![
        Reading::Memberships(rooms, rev),
        Reading::Heads(store.heads(&topics).await.unwrap()),
        Reading::Participant(store.participant(room, &who).await.unwrap()),
        Reading::Views(store.rooms(&who, &Default::default()).await.unwrap()),
        Reading::Views(store.rooms(&who, &query).await.unwrap()),
        Reading::Views(store.rooms(&who, &left).await.unwrap()),
        Reading::Views(store.views(&who, &script.rooms).await.unwrap()),
        Reading::Unread(store.unread(room, &who).await.unwrap()),
        Reading::Totals(store.unread_totals(&who).await.unwrap()),
        Reading::People(store.acquaintances(&who, &people).await.unwrap()),
        Reading::Seen(store.last_seen(&people).await.unwrap()),
        Reading::Exported(export(store, &who).await),
    ]
}

/// All that is known of somebody, whatever the size of the pages.
async fn export(store: &dyn Backend, who: &UserId) -> Option<Vec<Exported>> {
    let mut items = Vec::new();
    let mut after = None;
    for _ in 0..STEPS {
        let page = store.export(who, after).await.unwrap()?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Some(items);
        }
    }
    panic!("there is always more to export");
}
