//! Who is connected to this server, with which connections.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{event::UserEvent, hub::Subscriber, id::UserId, seq::Rev};

/// The connections of this server, by user.
#[derive(Debug, Default)]
pub(crate) struct People {
    table: Mutex<HashMap<UserId, Person>>,
}

#[derive(Debug, Default)]
struct Person {
    /// Up to where this user's stream was followed; `None` until it was read.
    head: Option<Rev>,
    /// Up to where it is known to have come.
    heard: Rev,
    /// Whether a connection may lack a room though the stream was followed.
    doubted: bool,
    connections: Vec<Present>,
}

impl Person {
    fn forget(&mut self) {
        self.head = None;
        self.heard = Rev::ZERO;
        self.doubted = true;
    }
}

/// A connection, and whether it wants to hear of rooms to come.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) follows_all: bool,
}

/// What is to be done about a user event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nobody here, or known already.
    Old,
    /// The next one: look at the one room that it names.
    Next,
    /// Something before it was missed: compare all rooms.
    Missed,
}

impl People {
    /// Adds a connection; `false` if the user has `most` already.
    pub(crate) fn enter(&self, present: Present, most: usize) -> bool {
        let mut table = self.table();
        let person = table.entry(present.subscriber.user.clone()).or_default();
        if person.connections.len() >= most {
            return false;
        }
        person.connections.push(present);
        true
    }

    /// Takes a connection out. Answers whether it was the user's last.
    pub(crate) fn leave(&self, subscriber: &Subscriber) -> bool {
        let mut table = self.table();
        let Some(person) = table.get_mut(&subscriber.user) else {
            return false;
        };
        person
            .connections
            .retain(|present| present.subscriber.session != subscriber.session);
        let last = person.connections.is_empty();
        if last {
            table.remove(&subscriber.user);
        }
        last
    }

    /// A connection that was told the rooms of its user as of `read` is to hear of
    /// those to come. What came meanwhile is found by a comparison; answers whether
    /// there is any.
    pub(crate) fn follow_all(&self, subscriber: &Subscriber, read: Rev) -> bool {
        let mut table = self.table();
        let Some(person) = table.get_mut(&subscriber.user) else {
            return false;
        };
        let own = |present: &&mut Present| present.subscriber.session == subscriber.session;
        if let Some(present) = person.connections.iter_mut().find(own) {
            present.follows_all = true;
        }
        let missed = person.head.unwrap_or_default().max(person.heard) > read;
        person.doubted |= missed;
        missed
    }

    /// The rooms of a user have to be compared.
    pub(crate) fn doubt(&self, user: &UserId) {
        if let Some(person) = self.table().get_mut(user) {
            person.doubted = true;
        }
    }

    /// The rooms of a user are about to be compared.
    pub(crate) fn comparing(&self, user: &UserId) {
        if let Some(person) = self.table().get_mut(user) {
            person.doubted = false;
        }
    }

    /// Notes that a user's stream has come to `rev`.
    pub(crate) fn note(&self, user: &UserId, rev: Rev) {
        if let Some(person) = self.table().get_mut(user) {
            person.heard = person.heard.max(rev);
        }
    }

    /// Notes that the rooms of a user were read as of `rev`.
    pub(crate) fn read_up_to(&self, user: &UserId, rev: Rev) {
        if let Some(person) = self.table().get_mut(user) {
            person.head = person.head.max(Some(rev));
        }
    }

    /// Takes an event of a user's stream.
    pub(crate) fn hear(&self, event: &UserEvent) -> News {
        let mut table = self.table();
        let Some(person) = table.get_mut(&event.user) else {
            return News::Old;
        };
        person.heard = person.heard.max(event.rev);
        match person.head {
            // The rooms are being read at this moment; the sweep compares later.
            None => News::Missed,
            Some(head) if event.rev <= head => News::Old,
            Some(head) if event.rev.follows(head) => {
                person.head = Some(event.rev);
                News::Next
            }
            Some(_) => News::Missed,
        }
    }

    /// Whether a user is connected here whose stream was not followed up to `rev`.
    pub(crate) fn is_behind(&self, user: &UserId, rev: Rev) -> bool {
        let table = self.table();
        table
            .get(user)
            .is_some_and(|person| person.doubted || person.head < Some(rev))
    }

    /// The connections of a user.
    pub(crate) fn connections(&self, user: &UserId) -> Vec<Present> {
        self.table()
            .get(user)
            .map(|person| person.connections.clone())
            .unwrap_or_default()
    }

    /// Whether a user is connected here.
    pub(crate) fn has(&self, user: &UserId) -> bool {
        self.table().contains_key(user)
    }

    /// Every connection.
    pub(crate) fn everyone(&self) -> Vec<Arc<Subscriber>> {
        let table = self.table();
        let connections = table.values().flat_map(|person| &person.connections);
        connections
            .map(|present| present.subscriber.clone())
            .collect()
    }

    /// Every user, and up to where their stream was followed; `None` if that is doubted.
    /// Without those whose rooms are being read for the first time.
    pub(crate) fn heads(&self) -> Vec<(UserId, Option<Rev>)> {
        let table = self.table();
        let known = table
            .iter()
            .filter(|(_, person)| person.doubted || person.head.is_some());
        known
            .map(|(user, person)| (user.clone(), person.head.filter(|_| !person.doubted)))
            .collect()
    }

    /// A user's stream ends before `head`, up to where it was followed: it is another one,
    /// of somebody else under the same id, or of a database that was set back.
    pub(crate) fn begin_anew(&self, user: &UserId, head: Rev) {
        if let Some(person) = self.table().get_mut(user)
            && person.head == Some(head)
        {
            person.forget();
        }
    }

    /// All streams are of another life of the database.
    pub(crate) fn forget(&self) {
        self.table().values_mut().for_each(Person::forget);
    }

    fn table(&self) -> MutexGuard<'_, HashMap<UserId, Person>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
