//! One client's connection, whatever carries it: frames go in, lines come out of the
//! mailbox. The [`Session`] decides, this performs.

mod commands;
mod joining;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    error::Error,
    event::Signal,
    hub::Subscriber,
    id::{RoomId, SessionId, UserId},
    mailbox::Mailbox,
    ports::{Action, Authenticator, Identity, NoTokens},
    protocol::{self, CloseCode, Connect, ErrorCode, Line, WireError},
    service::Realtime,
    session::{Effect, Session},
};

/// To what a connection is limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these three")]
pub enum Scope {
    /// Everything of the user.
    #[default]
    All,
    /// One room.
    Room(RoomId),
    /// The feed of notifications.
    Notifications,
}

/// How a connection starts.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "transports build it")]
pub struct Opening {
    /// To what it is limited.
    pub scope: Scope,
    /// Who it is, if the transport knows already; `connect` may then leave the token out.
    pub identity: Option<Identity>,
    /// Who checks the token of `connect`.
    pub authenticator: Arc<dyn Authenticator>,
}

impl Opening {
    /// A connection of a user whom the host knows already, to everything of theirs.
    pub fn of(user: UserId) -> Self {
        Self {
            scope: Scope::All,
            identity: Some(Identity::of(user)),
            authenticator: Arc::new(NoTokens),
        }
    }
}

/// One open connection. Ended by [`finish`](Self::finish); dropping it ends it too,
/// as if the client had vanished.
#[derive(Debug)]
pub struct Connection {
    realtime: Realtime,
    session_id: SessionId,
    scope: Scope,
    identity: Mutex<Option<Identity>>,
    authenticator: Arc<dyn Authenticator>,
    session: Mutex<Session>,
    mailbox: Arc<Mailbox>,
    subscriber: OnceLock<Arc<Subscriber>>,
    /// One permit for each command that may be under way.
    in_flight: Arc<Semaphore>,
    /// Whether a frame is being handled.
    receiving: AtomicBool,
    finished: bool,
}

/// Marks a connection for as long as it handles a frame.
struct Receiving<'a>(&'a AtomicBool);

impl<'a> Receiving<'a> {
    fn new(receiving: &'a AtomicBool) -> Self {
        receiving.store(true, Ordering::Relaxed);
        Self(receiving)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Realtime {
    /// Starts a connection.
    pub fn accept(&self, opening: Opening) -> Connection {
        let limits = self.limits();
        let mailbox = Mailbox::new(limits.queue_bytes_soft, limits.queue_bytes_hard);
        self.metrics().connections_opened.inc();
        Connection {
            realtime: self.clone(),
            session_id: SessionId::from_uuid(Uuid::now_v7()),
            scope: opening.scope,
            identity: Mutex::new(opening.identity),
            authenticator: opening.authenticator,
            session: Mutex::new(Session::new(now(), limits)),
            mailbox: Arc::new(mailbox),
            subscriber: OnceLock::new(),
            in_flight: Arc::new(Semaphore::new(limits.commands_in_flight())),
            receiving: AtomicBool::new(false),
            finished: false,
        }
    }
}

/// The monotonic clock; tokio's, so that tests can pause it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Connection {
    /// This connection's name, for logs.
    pub fn session(&self) -> SessionId {
        self.session_id
    }

    /// Takes one text frame: JSON objects, one a line. Answers go to the mailbox. It
    /// returns when the next frame may be taken: not reading the socket until then is
    /// the back pressure.
    ///
    /// # Cancel safety
    /// Not cancel safe: the rest of the frame would be lost. What was submitted to the
    /// store stands.
    pub async fn receive(&self, frame: &str) {
        let _receiving = Receiving::new(&self.receiving);
        if let Err(error) = self.check_frame(frame) {
            self.mailbox.drained().await;
            let effect = self.state().complain(None, &error);
            return self.perform(effect).await;
        }
        for line in frame
            .split('\n')
            .filter(|line| !line.trim_ascii().is_empty())
        {
            // Who does not read answers may not ask for more.
            self.mailbox.drained().await;
            let effect = self.state().on_line(line);
            if let Some(effect) = effect {
                self.perform(effect).await;
            }
            if self.mailbox.is_closed() {
                return;
            }
        }
    }

    fn check_frame(&self, frame: &str) -> Result<(), WireError> {
        let limits = self.realtime.limits();
        if frame.len() > limits.frame_bytes {
            let message = format!("a frame has at most {} bytes", limits.frame_bytes);
            return Err(WireError::new(ErrorCode::TooLarge, message));
        }
        let mut lines = frame
            .split('\n')
            .filter(|line| !line.trim_ascii().is_empty());
        if lines.next().is_none() {
            return Err(WireError::new(ErrorCode::BadRequest, "an empty frame"));
        }
        if lines.nth(limits.frame_objects.saturating_sub(1)).is_some() {
            let message = format!("a frame has at most {} objects", limits.frame_objects);
            return Err(WireError::new(ErrorCode::BadRequest, message));
        }
        Ok(())
    }

    /// Starts listening without a frame, for transports on which the client says
    /// nothing. The answer to `connect` is the first line.
    ///
    /// # Errors
    /// What `connect` would be refused with; the connection is then closing.
    ///
    /// # Cancel safety
    /// Not cancel safe: drop the connection then.
    pub async fn listen(&self, connect: Connect) -> Result<(), Error> {
        self.state().expect_connect();
        self.connect(None, connect).await
    }

    /// Takes lines of up to `max_bytes` in all, at least one, into `into`.
    /// `Ready(Some(code))`: nothing more will come, close with this code.
    pub fn poll_lines(
        &self,
        cx: &mut Context<'_>,
        max_bytes: usize,
        into: &mut Vec<Line>,
    ) -> Poll<Option<CloseCode>> {
        self.mailbox.poll_lines(cx, max_bytes, into)
    }

    /// The next line, or `None` once the connection is closing and nothing waits.
    ///
    /// # Cancel safety
    /// Cancel safe: a line leaves the mailbox only when it is returned.
    pub async fn next_line(&self) -> Option<Line> {
        let mut lines = Vec::new();
        // One byte: never more than one line.
        std::future::poll_fn(|cx| self.poll_lines(cx, 1, &mut lines)).await;
        lines.pop()
    }

    /// Whether the connection is closing.
    pub fn is_closing(&self) -> bool {
        self.mailbox.is_closed()
    }

    /// How many bytes wait to be taken.
    pub fn waiting_bytes(&self) -> usize {
        self.mailbox.bytes()
    }

    /// Anything arrived from the client, a ping or pong of the transport included.
    pub fn heard(&self) {
        self.state().heard();
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.state().deadline(self.realtime.limits())
    }

    /// Does what is due at this moment.
    pub fn tick(&self) {
        // While a frame is handled the next one is not read, be it the answer to a ping.
        if self.receiving.load(Ordering::Relaxed) {
            self.heard();
        }
        let effects = self.state().on_time(now(), self.realtime.limits());
        for effect in effects {
            match effect {
                Effect::Say(line) => self.mailbox.insist(&line),
                Effect::Close(code) => self.mailbox.close(code),
                Effect::StoppedTyping(room) => self.tell_typing(room, false),
                // Time alone asks for nothing that has to be waited for.
                Effect::Connect { .. } | Effect::Refresh { .. } | Effect::Run(_) => {}
            }
        }
    }

    /// Asks for closing; what waits is taken first.
    pub fn close(&self, code: CloseCode) {
        self.mailbox.close(code);
    }

    /// The transport is gone. `clean`: the client said goodbye, and counts as offline
    /// at once.
    ///
    /// # Cancel safety
    /// Cancel safe: the rest is done by dropping.
    pub async fn finish(mut self, clean: bool) {
        self.finished = true;
        if let Some(subscriber) = self.detach() {
            self.realtime
                .depart(&subscriber.user, self.session_id, clean)
                .await;
        }
    }

    /// Takes the connection out of everything but presence.
    fn detach(&self) -> Option<Arc<Subscriber>> {
        for room in self.state().typing_rooms() {
            self.tell_typing(room, false);
        }
        self.mailbox.abandon();
        let subscriber = self.subscriber.get()?;
        if self.realtime.inner().people.leave(subscriber) {
            self.realtime.inner().sweeper.user_left(&subscriber.user);
        }
        self.realtime.inner().hub.leave_all(subscriber);
        Some(subscriber.clone())
    }

    fn tell_typing(&self, room: RoomId, active: bool) {
        if let Some(subscriber) = self.subscriber.get() {
            let user = subscriber.user.clone();
            self.realtime
                .inner()
                .signal(room, Signal::Typing { user, active });
        }
    }

    async fn perform(&self, effect: Effect) {
        match effect {
            Effect::Say(line) => self.mailbox.insist(&line),
            Effect::Connect { id, connect } => {
                // What went wrong was told.
                let _ = self.connect(id, *connect).await;
            }
            Effect::Refresh { id, token } => self.refresh(id, &token).await,
            Effect::Run(request) => self.run(request).await,
            Effect::StoppedTyping(room) => self.tell_typing(room, false),
            Effect::Close(code) => self.mailbox.close(code),
        }
    }

    fn answer(&self, id: Option<u32>, ok: &impl serde::Serialize) {
        if let Some(id) = id {
            self.mailbox.insist(&protocol::answer(id, ok));
        }
    }

    /// Refuses a command; one without an `id` gets no answer.
    fn refuse(&self, id: Option<u32>, error: &Error) {
        self.refuse_with(id, &error.to_wire());
    }

    fn refuse_with(&self, id: Option<u32>, error: &WireError) {
        if id.is_some() {
            self.mailbox.insist(&protocol::failure(id, error));
        }
    }

    async fn refresh(&self, id: Option<u32>, token: &str) {
        #[derive(serde::Serialize)]
        struct Refreshed {
            #[serde(skip_serializing_if = "Option::is_none")]
            expires_at: Option<crate::time::Timestamp>,
        }
        // Checking a signature costs more than most commands.
        if let Some(subscriber) = self.subscriber.get() {
            let spent = self.realtime.spend(&subscriber.user, Action::Command);
            if let Err(error) = spent.await {
                return self.refuse(id, &error);
            }
        }
        let identity = match self.authenticator.authenticate(token).await {
            Ok(identity) => identity,
            Err(error) => return self.refuse(id, &error.into()),
        };
        let refreshed = self
            .state()
            .refreshed(&identity, now(), self.realtime.now());
        match refreshed {
            Ok(()) => self.answer(
                id,
                &Refreshed {
                    expires_at: identity.expires_at,
                },
            ),
            Err(error) => self.refuse_with(id, &error),
        }
    }

    fn state(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if let Some(subscriber) = self.detach() {
            let (realtime, session) = (self.realtime.clone(), self.session_id);
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime
                    .spawn(async move { realtime.depart(&subscriber.user, session, false).await });
            }
        }
    }
}

/// The range of a client's first pause before it reconnects.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(20));
