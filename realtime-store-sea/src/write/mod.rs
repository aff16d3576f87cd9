//! Writing: a batch of changes is one transaction of three steps.
//!
//! 1. [`load`]: everything the batch names is read, in one statement a kind, unless it
//!    is [remembered](memory).
//! 2. [`Ledger`]: the changes are applied to it in memory, one after another, each
//!    checked in full before it touches anything; what is refused leaves no trace.
//! 3. [`flush`]: what became of it is written, again in one statement a kind.
//!
//! So the number of statements does not depend on the number of changes, and the
//! rules are plain code without a database in it.

mod erasure;
mod event;
mod flush;
mod gather;
mod ledger;
mod load;
mod membership;
pub(crate) mod memory;
mod message;
mod opening;
mod record;
mod room;

use realtime_core::{
    change::{Answer, Change, Committed, Rejection},
    event::{RoomEvent, UserEvent},
    store::{Outcome, StoreError},
};
use sea_orm::ConnectionTrait;

use self::{gather::Wanted, memory::Memory};
pub(crate) use self::{ledger::Ledger, load::Reads};
use crate::dialect::Dialect;

/// What a batch came to.
pub(crate) struct Applied {
    pub(crate) outcomes: Vec<Outcome>,
    /// Whether anything is to be committed.
    pub(crate) wrote: bool,
    /// What may be remembered once it is.
    pub(crate) memory: Memory,
}

/// Applies the changes on a connection that is in a transaction which
/// [will write](Dialect::to_write). The caller commits. The `ledger` is empty.
///
/// An [erasure](Change::Erase) is the last change of a round of its own; without one,
/// the whole batch is one round.
pub(crate) async fn apply(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    memory: Memory,
    ledger: Ledger<'_>,
    changes: &[Change],
) -> Result<Applied, StoreError> {
    let mut applied = Applied {
        outcomes: Vec::with_capacity(changes.len()),
        wrote: false,
        memory,
    };
    for changes in erasure::parts(changes) {
        let mut ledger = Ledger::new(ledger.ids, ledger.now).reading(ledger.reads);
        let wanted = Wanted::of(changes);
        applied.memory.recall(&wanted, &mut ledger);
        load::load(db, dialect, wanted, &mut ledger).await?;
        let outcomes = changes.iter().map(|change| ledger.apply(change));
        applied.outcomes.extend(outcomes);
        applied.wrote |= flush::flush(db, dialect, &mut ledger).await?;
        applied.memory.keep(ledger);
    }
    Ok(applied)
}

impl Ledger<'_> {
    fn apply(&mut self, change: &Change) -> Outcome {
        match change {
            Change::Send(draft) => self.send(draft),
            Change::Edit {
                room,
                seq,
                by,
                body,
                sent_after,
            } => self.edit(*room, *seq, by, body, *sent_after),
            Change::Delete {
                room,
                seq,
                by,
                sent_after,
            } => self.delete(*room, *seq, by, *sent_after),
            Change::Mark {
                room,
                user,
                pointer,
                seq,
            } => self.mark(*room, user, *pointer, *seq),
            Change::Open(new) => self.open(new),
            Change::Describe {
                room,
                title,
                metadata,
            } => self.describe(*room, title.as_ref(), metadata.as_ref()),
            Change::Act { room, action } => self.act(*room, *action),
            Change::Admit {
                room,
                participant,
                history,
            } => self.admit(*room, participant, *history),
            Change::Remove {
                room,
                user,
                keeps_history,
            } => self.remove(*room, user, *keeps_history),
            Change::Replace {
                room,
                leaves,
                comes,
                history,
            } => self.replace(*room, leaves, comes, *history),
            Change::Retain { room, from } => self.retain(*room, *from),
            Change::Erase {
                user,
                messages,
                once,
            } => self.erase(user, *messages, once.as_ref()),
            Change::Apply(event) => self.apply_event(event),
        }
    }
}

/// An answer without news.
fn unchanged(answer: Answer) -> Committed {
    Committed {
        answer,
        events: Vec::new(),
        users: Vec::new(),
    }
}

/// An answer with one piece of news.
fn changed(answer: Answer, event: RoomEvent, users: Vec<UserEvent>) -> Committed {
    Committed {
        answer,
        events: vec![event],
        users,
    }
}

/// The result of a rule that may refuse.
type Ruling<T> = Result<T, Rejection>;
