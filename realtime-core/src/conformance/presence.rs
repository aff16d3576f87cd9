//! The contract of [`Presence`], a case for each sentence.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;

use super::{
    rig::{Act, Advance},
    sample::{NOW, session, user},
};
use crate::{
    id::{SessionId, UserId},
    ports::Presence,
    presence::PresenceState,
    time::Timestamp,
};

/// Two servers that keep presence together, with nobody of this run online.
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
#[expect(missing_debug_implementations, reason = "it holds closures")]
pub struct Rig {
    /// One server's.
    pub ann: Arc<dyn Presence>,
    /// Another's.
    pub ben: Arc<dyn Presence>,
    /// The grace they were built with. For real clocks: at least 2 s.
    pub grace: Duration,
    /// The expiry they were built with. For real clocks: at least 2 s.
    pub expiry: Duration,
    /// Lets time pass.
    pub advance: Advance,
    /// Makes the backend lose all that it knows.
    pub forget: Act,
}

/// Users in the case of many.
const MANY: usize = 2_000;
/// Callers who compete for one answer.
const CALLERS: usize = 16;
/// What a wall clock may be wrong by.
const SKEW: Duration = Duration::from_secs(60 * 60);
/// What clocks of backends may round away.
const MARGIN: Duration = Duration::from_millis(100);

/// Runs every case of the suite against a backend, a test for each.
///
/// ```text
/// async fn rig() -> realtime_core::conformance::presence::Rig { … }
/// realtime_core::presence_conformance! { #[tokio::test] rig() }
/// ```
#[macro_export]
macro_rules! presence_conformance {
    (#[$test:meta] $rig:expr) => {
        $crate::conformance_tests! { presence, #[$test] $rig;
            who_touches_first_comes_online
            a_second_session_changes_nothing
            the_last_goodbye_is_told_at_once
            who_is_lost_stays_online_within_the_grace
            who_comes_back_within_the_grace_never_left
            a_session_that_is_not_touched_is_lost
            a_session_that_is_touched_lives_on
            a_goodbye_ends_the_grace_of_an_earlier_session
            a_session_left_unclean_does_not_outlive_its_grace
            coming_online_is_told_to_exactly_one
            a_goodbye_is_told_to_exactly_one
            an_expiry_is_told_to_exactly_one
            who_went_offline_comes_online_again
            a_session_of_nobody_leaves_in_silence
            an_ended_session_is_not_revived_by_a_late_touch
            what_was_lost_heals_by_the_next_touch
            users_are_looked_up_in_the_order_of_the_question
            it_is_known_when_somebody_was_last_seen
            a_clock_that_steps_changes_nothing
            many_users_come_and_go_at_once
            empty_lists_are_harmless
        }
    };
}

/// "Answers those users who came online by it", once.
pub async fn who_touches_first_comes_online(rig: Rig) {
    let (user, session) = (user(), session());
    assert!(!rig.online(&user).await);
    assert!(rig.touches(&user, session).await);
    assert!(rig.online(&user).await);
    assert!(!rig.touches(&user, session).await);
}

/// "A user is online while one of their sessions is", on whichever server.
pub async fn a_second_session_changes_nothing(rig: Rig) {
    let (user, phone, desk) = (user(), session(), session());
    assert!(rig.touches(&user, phone).await);
    let came = rig.ben.touch(&[(user.clone(), desk)], NOW).await;
    assert_eq!(came.ok(), Some(vec![]));
    assert!(!rig.leaves(&user, phone, true).await);
    assert!(rig.online(&user).await);
    assert!(rig.leaves(&user, desk, true).await);
    assert!(!rig.online(&user).await);
}

/// "`clean`: the user said goodbye, and there is no grace."
pub async fn the_last_goodbye_is_told_at_once(rig: Rig) {
    let (user, session) = (user(), session());
    rig.touches(&user, session).await;
    assert!(rig.leaves(&user, session, true).await);
    assert!(!rig.online(&user).await);
    (rig.advance)(rig.grace + rig.expiry + MARGIN).await;
    assert_eq!(rig.expired(&user).await, None);
}

/// Online "for the grace after the last one was lost", then told once.
pub async fn who_is_lost_stays_online_within_the_grace(rig: Rig) {
    let (user, session) = (user(), session());
    rig.touches(&user, session).await;
    assert!(!rig.leaves(&user, session, false).await);
    (rig.advance)(rig.grace / 2).await;
    assert_eq!(rig.expired(&user).await, None);
    assert!(rig.online(&user).await);

    (rig.advance)(rig.grace / 2 + MARGIN).await;
    let told = rig.expired(&user).await;
    assert!(told.is_some_and(|state| !state.online));
    assert!(!rig.online(&user).await);
    assert_eq!(rig.expired(&user).await, None);
}

/// No flicker: neither offline nor online is told.
pub async fn who_comes_back_within_the_grace_never_left(rig: Rig) {
    let (user, before, after) = (user(), session(), session());
    rig.touches(&user, before).await;
    assert!(!rig.leaves(&user, before, false).await);
    (rig.advance)(rig.grace / 2).await;
    assert!(!rig.touches(&user, after).await);
    (rig.advance)(rig.grace / 2 + MARGIN).await;
    assert_eq!(rig.expired(&user).await, None);
    assert!(rig.online(&user).await);
}

/// "A session that is not touched again within the backend's expiry is lost", and
/// then the grace begins.
pub async fn a_session_that_is_not_touched_is_lost(rig: Rig) {
    let (user, session) = (user(), session());
    rig.touches(&user, session).await;
    (rig.advance)(rig.expiry / 2).await;
    assert_eq!(rig.expired(&user).await, None);
    assert!(rig.online(&user).await);
    (rig.advance)(rig.expiry / 2 + rig.grace / 2).await;
    assert_eq!(rig.expired(&user).await, None);
    assert!(rig.online(&user).await);
    (rig.advance)(rig.grace / 2 + MARGIN).await;
    assert!(rig.expired(&user).await.is_some());
    assert!(!rig.online(&user).await);
}

/// The reverse: touching keeps alive.
pub async fn a_session_that_is_touched_lives_on(rig: Rig) {
    let (user, session) = (user(), session());
    rig.touches(&user, session).await;
    let third = rig.expiry / 3;
    let enough = (rig.expiry + rig.grace).as_millis() / third.as_millis() + 2;
    for _ in 0..enough {
        (rig.advance)(third).await;
        assert_eq!(rig.expired(&user).await, None);
        assert!(!rig.touches(&user, session).await);
    }
    assert!(rig.online(&user).await);
}

/// A goodbye counts for the user, also when another session was lost just before.
pub async fn a_goodbye_ends_the_grace_of_an_earlier_session(rig: Rig) {
    let (user, before, after) = (user(), session(), session());
    rig.touches(&user, before).await;
    rig.leaves(&user, before, false).await;
    rig.touches(&user, after).await;
    assert!(rig.leaves(&user, after, true).await);
    assert!(!rig.online(&user).await);
    (rig.advance)(rig.grace + MARGIN).await;
    assert_eq!(rig.expired(&user).await, None);
}

/// A session that is known to be lost does not wait for the expiry.
pub async fn a_session_left_unclean_does_not_outlive_its_grace(rig: Rig) {
    let (user, phone, desk) = (user(), session(), session());
    rig.touches(&user, phone).await;
    rig.touches(&user, desk).await;
    rig.leaves(&user, phone, false).await;
    rig.leaves(&user, desk, false).await;
    (rig.advance)(rig.grace + MARGIN).await;
    assert!(rig.expired(&user).await.is_some());
}

/// "Each change from offline to online is told to exactly one caller … over all
/// servers."
pub async fn coming_online_is_told_to_exactly_one(rig: Rig) {
    let user = user();
    let calls = (0..CALLERS).map(|number| {
        let (backend, user) = (rig.backend(number), user.clone());
        tokio::spawn(async move { backend.touch(&[(user, session())], NOW).await })
    });
    let told = join_all(calls).await;
    let told = told.into_iter().flatten().flatten().flatten();
    assert_eq!(told.count(), 1);
}

/// "Each change back to exactly one caller of `leave` or `expire`."
pub async fn a_goodbye_is_told_to_exactly_one(rig: Rig) {
    let user = user();
    let sessions: Vec<_> = (0..CALLERS).map(|_| session()).collect();
    for session in &sessions {
        rig.touches(&user, *session).await;
    }
    let calls = sessions.into_iter().enumerate().map(|(number, session)| {
        let (backend, user) = (rig.backend(number), user.clone());
        tokio::spawn(async move { backend.leave(&user, session, true, NOW).await })
    });
    let told = join_all(calls).await;
    let told = told.into_iter().flatten().flatten();
    assert_eq!(told.filter(|offline| *offline).count(), 1);
    assert!(!rig.online(&user).await);
}

/// As before, over all who ask at once.
pub async fn an_expiry_is_told_to_exactly_one(rig: Rig) {
    let user = user();
    rig.touches(&user, session()).await;
    (rig.advance)(rig.expiry + rig.grace + MARGIN).await;
    let calls = (0..CALLERS).map(|number| {
        let backend = rig.backend(number);
        tokio::spawn(async move { backend.expire(NOW).await })
    });
    let told = join_all(calls).await;
    let told = told.into_iter().flatten().flatten().flatten();
    assert_eq!(told.filter(|state| state.user == user).count(), 1);
}

/// The changes alternate: offline, online, offline …
pub async fn who_went_offline_comes_online_again(rig: Rig) {
    let user = user();
    for clean in [true, false, true] {
        let session = session();
        assert!(rig.touches(&user, session).await);
        assert_eq!(rig.leaves(&user, session, clean).await, clean);
        if !clean {
            (rig.advance)(rig.grace + MARGIN).await;
            assert!(rig.expired(&user).await.is_some());
        }
    }
}

/// Leaving twice, or without having come, tells nothing and ends nothing.
pub async fn a_session_of_nobody_leaves_in_silence(rig: Rig) {
    let (user, open, ended) = (user(), session(), session());
    assert!(!rig.leaves(&user, session(), true).await);
    rig.touches(&user, open).await;
    rig.touches(&user, ended).await;
    for _ in 0..2 {
        assert!(!rig.leaves(&user, ended, true).await);
    }
    assert!(!rig.leaves(&user, session(), true).await);
    assert!(rig.online(&user).await);
}

/// "A session has ended": a touch that was under way meanwhile is too late.
pub async fn an_ended_session_is_not_revived_by_a_late_touch(rig: Rig) {
    let (user, session) = (user(), session());
    rig.touches(&user, session).await;
    assert!(rig.leaves(&user, session, true).await);
    assert!(!rig.touches(&user, session).await);
    assert!(!rig.online(&user).await);
}

/// "What was lost by the backend heals by the next touch."
pub async fn what_was_lost_heals_by_the_next_touch(rig: Rig) {
    let (user, session) = (user(), session());
    rig.touches(&user, session).await;
    (rig.forget)().await;
    rig.touches(&user, session).await;
    assert!(rig.online(&user).await);
    assert!(rig.leaves(&user, session, true).await);
    assert!(!rig.online(&user).await);
}

/// "In the order of the question", also for those it knows nothing about.
pub async fn users_are_looked_up_in_the_order_of_the_question(rig: Rig) {
    let (here, away) = (user(), user());
    rig.touches(&here, session()).await;
    let asked = [away.clone(), here.clone(), away, here];
    let told = rig.ben.look(&asked).await.unwrap_or_default();
    let users: Vec<_> = told.iter().map(|state| &state.user).collect();
    assert_eq!(users, asked.iter().collect::<Vec<_>>());
    let online: Vec<_> = told.iter().map(|state| state.online).collect();
    assert_eq!(online, [false, true, false, true]);
}

/// "When the last connection closed, if it is known and they are offline."
pub async fn it_is_known_when_somebody_was_last_seen(rig: Rig) {
    let (user, first, second) = (user(), session(), session());
    let later = NOW.after(SKEW);
    rig.touches(&user, first).await;
    assert_eq!(rig.state(&user).await.last_seen_at, None);
    let gone = rig.ann.leave(&user, first, true, later).await;
    assert_eq!(gone.ok(), Some(true));
    let seen = rig.state(&user).await.last_seen_at;
    assert!(seen.is_none_or(|at| at == later));

    rig.touches(&user, second).await;
    assert_eq!(rig.state(&user).await.last_seen_at, None);
    let gone = rig.ann.leave(&user, second, false, later).await;
    assert_eq!(gone.ok(), Some(false));
    (rig.advance)(rig.grace + MARGIN).await;
    let told = rig.expired(&user).await;
    assert!(told.is_some_and(|state| state.last_seen_at == Some(later)));
}

/// Wall time steps back and forth; nobody goes or stays by it.
pub async fn a_clock_that_steps_changes_nothing(rig: Rig) {
    let (user, session) = (user(), session());
    rig.touches(&user, session).await;
    let ahead = rig.ann.expire(NOW.after(SKEW)).await.unwrap_or_default();
    assert!(ahead.iter().all(|state| state.user != user));
    assert!(rig.online(&user).await);

    let gone = rig.ann.leave(&user, session, false, NOW.after(SKEW)).await;
    assert_eq!(gone.ok(), Some(false));
    (rig.advance)(rig.grace + MARGIN).await;
    let told = rig.ann.expire(NOW).await.unwrap_or_default();
    assert!(told.iter().any(|state| state.user == user));
}

/// One call for all sessions of a server.
pub async fn many_users_come_and_go_at_once(rig: Rig) {
    let sessions: Vec<_> = (0..MANY).map(|_| (user(), session())).collect();
    let came = rig.ann.touch(&sessions, NOW).await.unwrap_or_default();
    assert_eq!(came.len(), MANY);
    let again = rig.ben.touch(&sessions, NOW).await.unwrap_or_default();
    assert!(again.is_empty());

    (rig.advance)(rig.expiry + rig.grace + MARGIN).await;
    let gone = rig.ann.expire(NOW).await.unwrap_or_default();
    let gone = gone.iter().map(|state| &state.user);
    let gone: std::collections::BTreeSet<_> = gone.collect();
    assert!(sessions.iter().all(|(user, _)| gone.contains(user)));
}

/// Nothing asked for is nothing done.
pub async fn empty_lists_are_harmless(rig: Rig) {
    assert_eq!(rig.ann.touch(&[], NOW).await.ok(), Some(vec![]));
    assert_eq!(rig.ann.look(&[]).await.ok(), Some(vec![]));
}

impl Rig {
    fn backend(&self, number: usize) -> Arc<dyn Presence> {
        Arc::clone(if number.is_multiple_of(2) {
            &self.ann
        } else {
            &self.ben
        })
    }

    /// Whether they came online by it.
    async fn touches(&self, user: &UserId, session: SessionId) -> bool {
        let told = self.ann.touch(&[(user.clone(), session)], NOW).await;
        assert!(told.is_ok(), "touch failed: {told:?}");
        told.is_ok_and(|came| came.contains(user))
    }

    /// Whether they went offline by it; told to the other server.
    async fn leaves(&self, user: &UserId, session: SessionId, clean: bool) -> bool {
        let told = self.ben.leave(user, session, clean, NOW).await;
        assert!(told.is_ok(), "leave failed: {told:?}");
        told.unwrap_or(false)
    }

    /// What the next `expire` of either server tells of them.
    async fn expired(&self, user: &UserId) -> Option<PresenceState> {
        let mut told = Vec::new();
        for backend in [&self.ann, &self.ben] {
            let gone = backend.expire(later()).await;
            assert!(gone.is_ok(), "expire failed: {gone:?}");
            told.extend(gone.unwrap_or_default());
        }
        told.retain(|state| state.user == *user);
        assert!(told.len() < 2, "told twice: {told:?}");
        told.pop()
    }

    async fn state(&self, user: &UserId) -> PresenceState {
        let told = self.ben.look(std::slice::from_ref(user)).await;
        assert!(told.is_ok(), "look failed: {told:?}");
        let mut told = told.unwrap_or_default();
        assert_eq!(told.len(), 1);
        told.remove(0)
    }

    async fn online(&self, user: &UserId) -> bool {
        self.state(user).await.online
    }
}

fn later() -> Timestamp {
    NOW.after(MARGIN)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_listed() {
        let source = include_str!("presence.rs");
        crate::conformance::rig::assert_all_listed(source, "presence_conformance");
    }
}
