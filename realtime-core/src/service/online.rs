//! Who is online, and who hears of it: those who share a small room.

use std::time::Duration;

use super::Realtime;
use crate::{
    error::Error,
    event::Signal,
    id::{RoomId, SessionId, UserId},
    presence::PresenceState,
    store::StoreError,
};

/// How often it is looked who went offline: they are told at most this late.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often open sessions are touched: three times before they would expire.
const TOUCH_EVERY: Duration = Duration::from_secs(20);
/// Sessions touched in one call.
const TOUCH_BATCH: usize = 1_000;

impl Realtime {
    /// Whether these users are online, those left out who share no room with `user`.
    ///
    /// # Errors
    /// [`Error::Busy`] without a store or presence.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn presence(
        &self,
        user: &UserId,
        of: &[UserId],
    ) -> Result<Vec<PresenceState>, Error> {
        let inner = self.inner();
        let known = inner.backend.acquaintances(user, of).await?;
        let mut states = inner.presence.look(&known).await.map_err(|error| {
            tracing::warn!(%error, "presence is unavailable");
            Error::Busy {
                retry_after: Duration::from_secs(1),
            }
        })?;
        let offline: Vec<UserId> = states
            .iter()
            .filter(|state| !state.online)
            .map(|state| state.user.clone())
            .collect();
        let seen = inner.backend.last_seen(&offline).await?;
        for (user, seen) in offline.iter().zip(seen) {
            let unknown =
                |state: &&mut PresenceState| state.user == *user && state.last_seen_at.is_none();
            if let Some(state) = states.iter_mut().find(unknown) {
                state.last_seen_at = seen;
            }
        }
        Ok(states)
    }

    /// A connection was opened. `rooms`: those in which it is told if the user came
    /// online by it, as far as they are known; `None`: all are to be looked up.
    pub(crate) async fn arrive(
        &self,
        user: &UserId,
        session: SessionId,
        rooms: Option<Vec<RoomId>>,
    ) {
        let inner = self.inner();
        match inner
            .presence
            .touch(&[(user.clone(), session)], inner.clock.now())
            .await
        {
            Ok(came) if came.is_empty() => {}
            Ok(_) => {
                let state = online(user);
                match rooms {
                    Some(rooms) => self.tell_in(&rooms, &state),
                    None => self.tell_all(vec![state]).await,
                }
            }
            Err(error) => {
                tracing::debug!(%error, "presence is unavailable");
                inner.metrics.errors.of("presence").inc();
            }
        }
    }

    /// A connection was closed.
    pub(crate) async fn depart(&self, user: &UserId, session: SessionId, clean: bool) {
        let inner = self.inner();
        let now = inner.clock.now();
        match inner.presence.leave(user, session, clean, now).await {
            Ok(false) => {}
            Ok(true) => {
                let left = PresenceState {
                    user: user.clone(),
                    online: false,
                    last_seen_at: Some(now),
                };
                self.tell_offline(vec![left]).await;
            }
            Err(error) => {
                tracing::debug!(%error, "presence is unavailable");
                inner.metrics.errors.of("presence").inc();
            }
        }
    }

    /// Tells who went offline, and keeps the open sessions alive.
    pub(super) async fn follow_presence(self) {
        let inner = self.inner();
        let mut touched = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match inner.presence.expire(inner.clock.now()).await {
                Ok(gone) if gone.is_empty() => {}
                Ok(gone) => self.tell_offline(gone).await,
                Err(error) => tracing::debug!(%error, "presence is unavailable"),
            }
            if touched.elapsed() >= TOUCH_EVERY {
                touched = tokio::time::Instant::now();
                self.touch_all().await;
            }
        }
    }

    async fn touch_all(&self) {
        let inner = self.inner();
        let everyone = inner.people.everyone();
        for some in everyone.chunks(TOUCH_BATCH) {
            let sessions: Vec<_> = some.iter().map(|s| (s.user.clone(), s.session)).collect();
            match inner.presence.touch(&sessions, inner.clock.now()).await {
                // They were taken for offline though they were here all the time.
                Ok(came) => self.tell_all(came.iter().map(online).collect()).await,
                Err(error) => tracing::debug!(%error, "presence is unavailable"),
            }
        }
    }

    async fn tell_offline(&self, gone: Vec<PresenceState>) {
        let inner = self.inner();
        let users: Vec<UserId> = gone.iter().map(|state| state.user.clone()).collect();
        let noted = inner.backend.saw(&users, inner.clock.now()).await;
        self.note_failure(noted);
        self.tell_all(gone).await;
    }

    async fn tell_all(&self, states: Vec<PresenceState>) {
        let inner = self.inner();
        let most = self.room_limit();
        for state in states {
            let rooms = inner.backend.memberships(&state.user, most).await;
            self.note_failure(rooms.map(|(rooms, _)| self.tell_in(&rooms, &state)));
        }
    }

    fn tell_in(&self, rooms: &[RoomId], state: &PresenceState) {
        for room in rooms {
            self.inner().signal(*room, Signal::Presence(state.clone()));
        }
    }

    fn note_failure(&self, told: Result<(), StoreError>) {
        if let Err(error) = told {
            tracing::warn!(%error, "telling who is online failed");
            self.inner().metrics.errors.of("presence").inc();
        }
    }
}

fn online(user: &UserId) -> PresenceState {
    PresenceState {
        user: user.clone(),
        online: true,
        last_seen_at: None,
    }
}
