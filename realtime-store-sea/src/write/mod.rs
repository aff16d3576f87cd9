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

pub(crate) use self::ledger::Ledger;
use self::{gather::Wanted, memory::Memory};
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
/// [will write](Dialect::to_write). The caller commits.
pub(crate) async fn apply(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    mut memory: Memory,
    mut ledger: Ledger<'_>,
    changes: &[Change],
) -> Result<Applied, StoreError> {
    let wanted = Wanted::of(changes);
    memory.recall(&wanted, &mut ledger);
    load::load(db, dialect, wanted, &mut ledger).await?;
    let outcomes = changes.iter().map(|change| ledger.apply(change)).collect();
    let wrote = flush::flush(db, dialect, &ledger).await?;
    memory.keep(ledger);
    Ok(Applied {
        outcomes,
        wrote,
        memory,
    })
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
            } => self.edit(*room, *seq, by, body),
            Change::Delete { room, seq, by } => self.delete(*room, *seq, by),
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
            Change::Admit { room, participant } => self.admit(*room, participant),
            Change::Remove { room, user } => self.remove(*room, user),
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
