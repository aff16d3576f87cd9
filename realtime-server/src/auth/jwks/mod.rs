//! The keys of an issuer, as a key set (RFC 7517) behind a URL.
//!
//! One task owns the fetching. It fetches at the start, every ten minutes, and
//! when a token names a key that is not known, but then at most once a minute:
//! forged tokens cannot turn this server against the issuer. Callers wait for
//! the task's result, so a caller that goes away does not take the fetch with
//! it. The last good keys stay until better ones arrive.

mod fetch;
mod key_set;
mod url;

use std::sync::Arc;

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

use self::fetch::Client;
pub use self::{fetch::FetchError, url::JwksUrl};
use super::{
    error::KeyError,
    key::VerificationKey,
    limits::{MAX_REFRESH_WAIT, MIN_REFRESH_INTERVAL, REFRESH_INTERVAL},
};

/// A key set that keeps itself up to date, until it is dropped.
#[derive(Debug)]
pub struct Jwks {
    state: watch::Receiver<State>,
    wanted: Arc<Notify>,
    task: AbortHandle,
}

/// How a wish for fresh keys ended.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The keys are as fresh as they may be.
    Fresh,
    /// The last fetch failed.
    Failed(FetchError),
}

/// What the task tells its callers.
#[derive(Debug, Clone, Default)]
struct State {
    keys: Arc<[VerificationKey]>,
    /// When the last fetch began.
    began: Option<Instant>,
    /// How many fetches have ended.
    ended: u64,
    /// Whether a fetch is under way.
    fetching: bool,
    /// Why the last fetch that ended failed.
    failure: Option<FetchError>,
}

impl Jwks {
    /// Begins to fetch the keys behind a URL and to keep them up to date.
    ///
    /// # Errors
    /// [`KeyError::NoRuntime`] outside a tokio runtime; [`KeyError::Tls`].
    pub fn start(url: JwksUrl) -> Result<Self, KeyError> {
        let runtime = Handle::try_current().map_err(|_| KeyError::NoRuntime)?;
        let client = Client::new(url)?;
        let (publish, state) = watch::channel(State::default());
        let wanted = Arc::new(Notify::new());
        let refresher = Refresher {
            client,
            publish,
            wanted: Arc::clone(&wanted),
        };
        let task = runtime.spawn(refresher.run()).abort_handle();
        Ok(Self {
            state,
            wanted,
            task,
        })
    }

    /// The last good keys; none before the first fetch has ended.
    pub(super) fn keys(&self) -> Arc<[VerificationKey]> {
        Arc::clone(&self.state.borrow().keys)
    }

    /// Waits for fresh keys, unless they were fetched within the last minute.
    pub(super) async fn refresh(&self) -> Outcome {
        let mut state = self.state.clone();
        let seen = state.borrow().clone();
        if seen.may_begin() {
            self.wanted.notify_one();
        }
        if seen.is_under_way() || seen.may_begin() {
            // An error means that the task is gone; then nothing will change.
            let ended = state.wait_for(|now| now.ended > seen.ended);
            let _ = timeout(MAX_REFRESH_WAIT, ended).await;
        }
        let failure = self.state.borrow().failure.clone();
        failure.map_or(Outcome::Fresh, Outcome::Failed)
    }
}

impl Drop for Jwks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// Whether a fetch is under way; the first one is from the start.
    fn is_under_way(&self) -> bool {
        self.fetching || self.began.is_none()
    }

    fn may_begin(&self) -> bool {
        !self.fetching
            && self
                .began
                .is_some_and(|began| began.elapsed() >= MIN_REFRESH_INTERVAL)
    }
}

/// The task behind a [`Jwks`].
struct Refresher {
    client: Client,
    publish: watch::Sender<State>,
    wanted: Arc<Notify>,
}

impl Refresher {
    async fn run(self) {
        loop {
            let began = Instant::now();
            self.fetch(began).await;
            sleep_until(began + MIN_REFRESH_INTERVAL).await;
            tokio::select! {
                () = self.wanted.notified() => {}
                () = sleep_until(self.next_fetch(began)) => {}
            }
        }
    }

    /// When to fetch unasked: soon after a failure.
    fn next_fetch(&self, began: Instant) -> Instant {
        let failed = self.publish.borrow().failure.is_some();
        began
            + if failed {
                MIN_REFRESH_INTERVAL
            } else {
                REFRESH_INTERVAL
            }
    }

    async fn fetch(&self, began: Instant) {
        self.publish.send_modify(|state| {
            state.began = Some(began);
            state.fetching = true;
        });
        let fetched = self
            .client
            .fetch()
            .await
            .and_then(|body| key_set::read(&body));
        self.publish.send_modify(|state| {
            state.fetching = false;
            state.ended += 1;
            state.failure = fetched.as_ref().err().cloned();
            if let Ok(keys) = fetched {
                state.keys = keys.into();
            }
        });
        self.tell();
    }

    fn tell(&self) {
        let state = self.publish.borrow();
        let (host, keys) = (self.client.host(), state.keys.len());
        match &state.failure {
            None => tracing::debug!(host, keys, "fetched the issuer's keys"),
            Some(error) => {
                tracing::warn!(host, keys, %error, "could not fetch the issuer's keys; the last good ones stay");
            }
        }
    }
}
