//! What a host did in a transaction of its own reaches who listens.

use super::{Inner, Realtime};
use crate::{
    broker::Hint, event::Topic, handover::Handover, id::UserId, seq::Rev, sweeper::UserHint,
};

impl Realtime {
    /// Delivers what a transaction of the host's own changed. To be called after the
    /// transaction was committed: people who are connected here read the store at once,
    /// those of other servers as soon as the broker has told these.
    ///
    /// The handover is taken as a hint, not as the truth. Handed over twice, or before the
    /// commit, or although the transaction was rolled back, it makes this server look into
    /// the store once more, and nobody hears anything but what is stored. Forgotten, or
    /// lost with the process, it is made up for by the sweep, within
    /// [`sweep_interval`](crate::Limits::sweep_interval) (5 s by default).
    ///
    /// It does not fail and does not wait, neither for the store nor for the broker, and
    /// may be called from any thread. What cannot be read now is tried again.
    pub fn deliver(&self, handover: &Handover) {
        let inner = self.inner();
        // What is started here runs where everything else does: the caller may be a
        // thread without a runtime.
        let _entered = inner.runtime.enter();
        for (topic, rev) in handover.heads() {
            match topic {
                Topic::Room(room) => {
                    inner.hub.look(*room, rev);
                    inner.indexing.note_room(*room);
                }
                Topic::User(user) => inner.look_at_user(user, rev),
            }
            let topic = topic.clone();
            inner.publisher.publish(Hint::Head { topic, rev });
        }
    }
}

impl Inner {
    /// Somebody says that a user's stream has come to `rev`.
    pub(super) fn look_at_user(&self, user: &UserId, rev: Rev) {
        if !self.people.is_behind(user, rev) {
            return;
        }
        let user = user.clone();
        let hint = UserHint::Head { user, rev };
        // What does not fit is found by the sweep.
        if self.sweeper.user_changes().try_send(hint).is_err() {
            self.sweeper.hurry();
        }
    }
}
