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
    connections: Vec<Present>,
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

    /// Every user, and up to where their stream was followed.
    pub(crate) fn heads(&self) -> Vec<(UserId, Rev)> {
        let table = self.table();
        table
            .iter()
            .filter_map(|(user, person)| Some((user.clone(), person.head?)))
            .collect()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<UserId, Person>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
