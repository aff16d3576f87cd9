//! Who is online, kept in this process.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::lock::lock;
use crate::{
    id::{SessionId, UserId},
    limits::{Limits, PRESENCE_CHUNK, PRESENCE_ENDED, PRESENCE_EXPIRY, PRESENCE_LAST_SEEN},
    ports::{PortError, Presence},
    presence::PresenceState,
    time::Timestamp,
};

/// Longer spans count as this one: an [`Instant`] cannot be arbitrarily late.
const LONGEST_SPAN: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Who is online, kept in this process; for one server, or several in one process.
///
/// - A user goes offline when that is told: by a clean [`Presence::leave`] of the
///   last open session, at once, whatever grace an earlier session left behind; or
///   by the first [`Presence::expire`] after grace or expiry is over. What
///   [`Presence::look`] answers is always what was told last.
/// - Spans are measured by the monotonic clock; the given `now` is only kept as
///   the time when somebody was last seen.
/// - A session that has left stays ended, also when a touch arrives after that.
/// - Memory is bounded by the open sessions, the users within their grace,
///   [`PRESENCE_LAST_SEEN`] and [`PRESENCE_ENDED`], as long as
///   [`Presence::expire`] is called.
#[derive(Debug)]
pub struct MemoryPresence {
    grace: Duration,
    expiry: Duration,
    users: Mutex<Users>,
}

impl MemoryPresence {
    /// Nobody is online. `grace`: how long a user still counts as online after the
    /// last session was lost. `expiry`: how long a session lives untouched.
    pub fn new(grace: Duration, expiry: Duration) -> Self {
        Self {
            grace: grace.min(LONGEST_SPAN),
            expiry: expiry.min(LONGEST_SPAN),
            users: Mutex::default(),
        }
    }
}

impl Default for MemoryPresence {
    /// With the default grace and an expiry of [`PRESENCE_EXPIRY`].
    fn default() -> Self {
        Self::new(Limits::default().presence_grace, PRESENCE_EXPIRY)
    }
}

#[async_trait]
impl Presence for MemoryPresence {
    async fn touch(
        &self,
        sessions: &[(UserId, SessionId)],
        now: Timestamp,
    ) -> Result<Vec<UserId>, PortError> {
        let expires = Instant::now() + self.expiry;
        let mut came = Vec::new();
        for chunk in sessions.chunks(PRESENCE_CHUNK) {
            let mut users = lock(&self.users);
            for (user, session) in chunk {
                if users.touch(user, *session, expires, now) {
                    came.push(user.clone());
                }
            }
        }
        Ok(came)
    }

    async fn leave(
        &self,
        user: &UserId,
        session: SessionId,
        clean: bool,
        now: Timestamp,
    ) -> Result<bool, PortError> {
        let mut users = lock(&self.users);
        let moment = Instant::now();
        users.ended.insert(session);
        if !users.close(user, session, moment, now) {
            return Ok(false);
        }
        if clean {
            users.tell_offline(user);
        } else {
            users.check_at(user, moment + self.grace);
        }
        Ok(clean)
    }

    async fn expire(&self, _now: Timestamp) -> Result<Vec<PresenceState>, PortError> {
        let now = Instant::now();
        let mut gone = Vec::new();
        loop {
            let mut users = lock(&self.users);
            for _ in 0..PRESENCE_CHUNK {
                match users.next_due(now) {
                    Some(user) => gone.extend(users.check(&user, now, self.grace)),
                    None => return Ok(gone),
                }
            }
        }
    }

    async fn look(&self, asked: &[UserId]) -> Result<Vec<PresenceState>, PortError> {
        let users = lock(&self.users);
        Ok(asked.iter().map(|user| users.state(user)).collect())
    }
}

/// Everybody who was told online and not yet offline, and a memory of some others.
#[derive(Debug, Default)]
struct Users {
    online: HashMap<UserId, Online>,
    /// When to look at whom, one entry for each who is online. May be earlier than
    /// needed: a touch leaves it alone, which makes touching cheap.
    checks: BTreeSet<(Instant, UserId)>,
    last_seen: LastSeen,
    ended: Ended,
}

#[derive(Debug)]
struct Online {
    /// Open sessions by id, and when each is lost unless touched again.
    sessions: Vec<(SessionId, Instant)>,
    /// When the session that closed last did so.
    closed: Option<Instant>,
    seen_at: Timestamp,
    check_at: Instant,
}

impl Users {
    /// Answers whether the user came online by it.
    fn touch(
        &mut self,
        user: &UserId,
        session: SessionId,
        expires: Instant,
        now: Timestamp,
    ) -> bool {
        if self.ended.contains(session) {
            return false;
        }
        match self.online.entry(user.clone()) {
            Entry::Occupied(mut online) => {
                online.get_mut().open(session, expires);
                online.get_mut().seen_at = now;
                false
            }
            Entry::Vacant(offline) => {
                offline.insert(Online {
                    sessions: vec![(session, expires)],
                    closed: None,
                    seen_at: now,
                    check_at: expires,
                });
                self.checks.insert((expires, user.clone()));
                true
            }
        }
    }

    /// Answers whether it was the last one open.
    fn close(
        &mut self,
        user: &UserId,
        session: SessionId,
        moment: Instant,
        now: Timestamp,
    ) -> bool {
        let Some(online) = self.online.get_mut(user) else {
            return false;
        };
        if !online.close(session) {
            return false;
        }
        online.expire(moment);
        online.closed = Some(moment);
        online.seen_at = now;
        online.sessions.is_empty()
    }

    fn tell_offline(&mut self, user: &UserId) -> Option<PresenceState> {
        let online = self.online.remove(user)?;
        self.checks.remove(&(online.check_at, user.clone()));
        self.last_seen.remember(user.clone(), online.seen_at);
        Some(self.state(user))
    }

    fn check_at(&mut self, user: &UserId, moment: Instant) {
        if let Some(online) = self.online.get_mut(user) {
            self.checks.remove(&(online.check_at, user.clone()));
            online.check_at = moment;
            self.checks.insert((moment, user.clone()));
        }
    }

    fn next_due(&mut self, now: Instant) -> Option<UserId> {
        let (moment, _) = self.checks.first()?;
        if *moment > now {
            return None;
        }
        self.checks.pop_first().map(|(_, user)| user)
    }

    /// Drops the sessions that were lost. Tells the user offline, or notes when to
    /// look again: always later than `now`.
    fn check(&mut self, user: &UserId, now: Instant, grace: Duration) -> Option<PresenceState> {
        let online = self.online.get_mut(user)?;
        online.expire(now);
        let next = online.next_check(grace).filter(|next| *next > now);
        let Some(next) = next else {
            return self.tell_offline(user);
        };
        self.check_at(user, next);
        None
    }

    fn state(&self, user: &UserId) -> PresenceState {
        let online = self.online.contains_key(user);
        PresenceState {
            user: user.clone(),
            online,
            last_seen_at: if online {
                None
            } else {
                self.last_seen.of(user)
            },
        }
    }
}

impl Online {
    fn open(&mut self, session: SessionId, expires: Instant) {
        match self.find(session) {
            Ok(place) => self.sessions[place].1 = expires,
            Err(place) => self.sessions.insert(place, (session, expires)),
        }
    }

    fn close(&mut self, session: SessionId) -> bool {
        let found = self.find(session);
        if let Ok(place) = found {
            self.sessions.remove(place);
        }
        found.is_ok()
    }

    fn find(&self, session: SessionId) -> Result<usize, usize> {
        self.sessions
            .binary_search_by_key(&session, |(open, _)| *open)
    }

    /// Drops the sessions that are lost by now.
    fn expire(&mut self, now: Instant) {
        let expired = self.sessions.iter().map(|(_, expires)| *expires);
        let expired = expired.filter(|expires| *expires <= now).max();
        self.closed = self.closed.max(expired);
        self.sessions.retain(|(_, expires)| *expires > now);
    }

    /// When something may next happen by itself.
    fn next_check(&self, grace: Duration) -> Option<Instant> {
        let last = self.sessions.iter().map(|(_, expires)| *expires).max();
        last.or_else(|| self.closed.map(|closed| closed + grace))
    }
}

/// When offline users were last seen; the longest known is forgotten first.
#[derive(Debug, Default)]
struct LastSeen {
    users: HashMap<UserId, (u64, Timestamp)>,
    oldest: BTreeMap<u64, UserId>,
    count: u64,
}

impl LastSeen {
    fn remember(&mut self, user: UserId, at: Timestamp) {
        self.forget(&user);
        self.count += 1;
        self.oldest.insert(self.count, user.clone());
        self.users.insert(user, (self.count, at));
        if self.users.len() > PRESENCE_LAST_SEEN
            && let Some((_, user)) = self.oldest.pop_first()
        {
            self.users.remove(&user);
        }
    }

    fn forget(&mut self, user: &UserId) {
        if let Some((number, _)) = self.users.remove(user) {
            self.oldest.remove(&number);
        }
    }

    fn of(&self, user: &UserId) -> Option<Timestamp> {
        self.users.get(user).map(|(_, at)| *at)
    }
}

/// The sessions that ended last.
#[derive(Debug, Default)]
struct Ended {
    sessions: HashSet<SessionId>,
    order: VecDeque<SessionId>,
}

impl Ended {
    fn insert(&mut self, session: SessionId) {
        if self.sessions.insert(session) {
            self.order.push_back(session);
        }
        if self.order.len() > PRESENCE_ENDED
            && let Some(oldest) = self.order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
    }

    fn contains(&self, session: SessionId) -> bool {
        self.sessions.contains(&session)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const GRACE: Duration = Duration::from_secs(15);
    const EXPIRY: Duration = Duration::from_secs(60);
    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("user-{number}")).unwrap()
    }

    fn session(number: usize) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(number as u128))
    }

    async fn touches(presence: &MemoryPresence, who: usize, session_number: usize) -> bool {
        let sessions = [(user(who), session(session_number))];
        let came = presence.touch(&sessions, NOW).await.unwrap();
        assert!(came.is_empty() || came == [user(who)]);
        !came.is_empty()
    }

    async fn leaves(
        presence: &MemoryPresence,
        who: usize,
        session_number: usize,
        clean: bool,
    ) -> bool {
        let session = session(session_number);
        presence
            .leave(&user(who), session, clean, NOW)
            .await
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_of_those_who_left_is_bounded() {
        let presence = MemoryPresence::new(GRACE, EXPIRY);
        let many = PRESENCE_LAST_SEEN + 10;
        for number in 0..many {
            assert!(touches(&presence, number, number).await);
            assert!(leaves(&presence, number, number, true).await);
        }
        let users = lock(&presence.users);
        assert_eq!(users.online.len(), 0);
        assert_eq!(users.checks.len(), 0);
        assert_eq!(users.last_seen.users.len(), PRESENCE_LAST_SEEN);
        assert_eq!(users.last_seen.oldest.len(), PRESENCE_LAST_SEEN);
        assert_eq!(users.ended.sessions.len(), PRESENCE_ENDED);
        assert_eq!(users.ended.order.len(), PRESENCE_ENDED);
        assert_eq!(users.last_seen.of(&user(0)), None);
        assert_eq!(users.last_seen.of(&user(many - 1)), Some(NOW));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_and_goes_is_remembered_once() {
        let presence = MemoryPresence::new(GRACE, EXPIRY);
        for number in 0..10 {
            assert!(touches(&presence, 0, number).await);
            assert!(leaves(&presence, 0, number, true).await);
        }
        let users = lock(&presence.users);
        assert_eq!(users.last_seen.oldest.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_that_were_lost_are_collected_while_another_lives_on() {
        let presence = MemoryPresence::new(GRACE, EXPIRY);
        for number in 0..100 {
            touches(&presence, 0, number).await;
            touches(&presence, 0, 1_000).await;
            tokio::time::advance(EXPIRY / 2).await;
            assert_eq!(presence.expire(NOW).await.unwrap(), []);
        }
        let users = lock(&presence.users);
        assert!(users.online[&user(0)].sessions.len() < 5);
        assert_eq!(users.checks.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_goodbye_is_not_held_up_by_a_session_lost_long_ago() {
        let presence = MemoryPresence::new(GRACE, EXPIRY);
        assert!(touches(&presence, 0, 1).await);
        tokio::time::advance(EXPIRY / 2).await;
        assert!(!touches(&presence, 0, 2).await);
        tokio::time::advance(EXPIRY / 2).await;
        assert!(leaves(&presence, 0, 2, true).await);
    }

    #[tokio::test(start_paused = true)]
    async fn absurd_spans_are_survived() {
        let presence = MemoryPresence::new(Duration::MAX, Duration::MAX);
        assert!(touches(&presence, 0, 1).await);
        assert!(!leaves(&presence, 0, 1, false).await);
        assert_eq!(presence.expire(NOW).await.unwrap(), []);
    }

    #[cfg(feature = "conformance")]
    mod conformance {
        use std::{future::ready, sync::Arc};

        use super::*;
        use crate::conformance::presence::Rig;

        fn rig() -> Rig {
            let presence = Arc::new(MemoryPresence::new(GRACE, EXPIRY));
            let backend = Arc::clone(&presence);
            Rig {
                ann: Arc::<MemoryPresence>::clone(&presence),
                ben: presence,
                grace: GRACE,
                expiry: EXPIRY,
                advance: Box::new(|span| Box::pin(tokio::time::advance(span))),
                forget: Box::new(move || {
                    *lock(&backend.users) = Users::default();
                    Box::pin(ready(()))
                }),
            }
        }

        crate::presence_conformance! { #[tokio::test(start_paused = true)] ready(rig()) }
    }
}
