//! What is refused before the database is asked: names that it would cut off, or that would
//! spoil a list. Between a client and the store the service checks them.

use realtime_core::{
    change::{Actor, Change, DomainEvent, NewParticipant, NewRoom, Rejection, Roster},
    limits::NAME_CHARS,
};

/// The database does not take it, whatever it is.
pub(super) const CANNOT_BE_STORED: Rejection = Rejection::Invalid {
    field: "text",
    reason: "cannot be stored",
};

/// Why a change cannot be stored as it is.
pub(super) fn refusal(change: &Change) -> Option<Rejection> {
    match change {
        Change::Send(draft) => actor(&draft.from),
        Change::Edit { by, .. } | Change::Delete { by, .. } => actor(by),
        Change::Open(new) => room(new),
        Change::Describe { title, .. } => name("title", title.as_ref().and_then(Option::as_deref)),
        Change::Admit { participant, .. } => person(participant),
        Change::Replace { comes, .. } => person(comes),
        Change::Apply(event) => of_event(event),
        Change::Mark { .. }
        | Change::Act { .. }
        | Change::Remove { .. }
        | Change::Retain { .. }
        | Change::Erase { .. } => None,
    }
}

fn of_event(event: &DomainEvent) -> Option<Rejection> {
    let coming = event.roster.iter().filter_map(|step| match step {
        Roster::Admit { participant, .. } => Some(participant),
        Roster::Replace { comes, .. } => Some(comes),
        Roster::Remove { .. } => None,
    });
    event.open.as_ref().and_then(room).or_else(|| first(coming))
}

fn room(new: &NewRoom) -> Option<Rejection> {
    name("title", new.title.as_deref()).or_else(|| first(new.participants.iter()))
}

fn first<'a>(mut people: impl Iterator<Item = &'a NewParticipant>) -> Option<Rejection> {
    people.find_map(person)
}

fn person(participant: &NewParticipant) -> Option<Rejection> {
    name("name", participant.name.as_deref())
}

fn actor(actor: &Actor) -> Option<Rejection> {
    match actor {
        Actor::User { name: told, .. } => name("name", told.as_deref()),
        Actor::Service => None,
    }
}

fn name(field: &'static str, name: Option<&str>) -> Option<Rejection> {
    let name = name?;
    let reason = if name.chars().count() > NAME_CHARS {
        "is too long"
    } else if name.chars().any(char::is_control) {
        "must not have control characters"
    } else {
        return None;
    };
    Some(Rejection::Invalid { field, reason })
}
