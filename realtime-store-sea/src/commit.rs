//! A batch of changes, until it is committed or there is nothing more to try.
//!
//! Values are checked before they come here, but it is the database that has the
//! last word. If it does not take one, the batch is halved, and its halves, until the one
//! change is found that cannot be stored; it alone is refused.

use realtime_core::{
    change::{Change, Rejection},
    store::{Outcome, StoreError},
    time::Timestamp,
};

use crate::{
    SeaStore,
    error::is_poison,
    race::Races,
    transaction,
    write::{self, Applied, Ledger},
};

impl SeaStore {
    pub(crate) async fn commit_batch(
        &self,
        now: Timestamp,
        changes: &[Change],
    ) -> Result<Vec<Outcome>, StoreError> {
        match self.commit_whole(now, changes).await {
            Err(error) if is_poison(&error) => self.commit_apart(now, changes).await,
            done => done,
        }
    }

    /// Commits the changes in transactions small enough that what cannot be stored harms
    /// nothing else.
    async fn commit_apart(
        &self,
        now: Timestamp,
        changes: &[Change],
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(changes.len());
        let mut waiting = vec![changes];
        while let Some(part) = waiting.pop() {
            match self.commit_whole(now, part).await {
                Ok(mut done) => outcomes.append(&mut done),
                Err(error) if is_poison(&error) => {
                    if part.len() > 1 {
                        let (first, second) = part.split_at(part.len() / 2);
                        waiting.extend([second, first]);
                        continue;
                    }
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a change was let through that the database does not take"
                    );
                    outcomes.push(Err(Rejection::Invalid {
                        field: "text",
                        reason: "cannot be stored",
                    }));
                }
                // What came before it is stored.
                Err(error) if outcomes.iter().any(Result::is_ok) => {
                    return Err(StoreError::Indeterminate(Box::new(error)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcomes)
    }

    /// Commits the changes in one transaction, however often it must [begin anew](Races).
    async fn commit_whole(
        &self,
        now: Timestamp,
        changes: &[Change],
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut races = Races::none();
        loop {
            match self.attempt(now, changes).await {
                Err(error) if races.may_go_on(&error) => races.pause(self.ids()).await,
                done => return done,
            }
        }
    }

    async fn attempt(
        &self,
        now: Timestamp,
        changes: &[Change],
    ) -> Result<Vec<Outcome>, StoreError> {
        let (connections, dialect) = (self.connections(), self.connections().dialect);
        // Taken out: if this fails or is dropped, nothing is remembered.
        let mut slot = match self.memory() {
            Some(memory) => Some(memory.lock().await),
            None => None,
        };
        let memory = slot.as_deref_mut().map(std::mem::take).unwrap_or_default();
        let open = transaction::begin(connections).await?;
        let ledger = Ledger::new(self.ids(), now);
        let applied = async {
            let memory = memory.at(transaction::version(&open, connections).await?);
            write::apply(&open, dialect, memory, ledger, changes).await
        };
        let Applied {
            outcomes,
            wrote,
            memory,
        } = match applied.await {
            Ok(applied) => applied,
            Err(error) => {
                transaction::abandon(open, dialect).await;
                return Err(error);
            }
        };
        if wrote {
            transaction::commit(open, dialect).await?;
            self.tell_keeper();
        }
        if let Some(slot) = &mut slot {
            **slot = memory;
        }
        Ok(outcomes)
    }
}
