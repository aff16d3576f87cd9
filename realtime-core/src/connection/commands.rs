//! What an accepted client may ask.

use std::{sync::Arc, time::Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::{Connection, joining::out_of_scope, now};
use crate::{
    change::{Actor, Change, Committed, Draft, Pointer},
    error::Error,
    event::Signal,
    hub::Subscriber,
    id::RoomId,
    limits::{CHANGES_PAGE, HISTORY_PAGE, PRESENCE_USERS},
    mailbox::Mailbox,
    metrics::Metrics,
    participant::Participant,
    ports::Action,
    protocol::{
        self, ChangesOf, ChangesView, Command, HistoryOf, HistoryView, Mark, NotificationsView,
        PointersView, PresenceView, Request, SentView, Typing,
    },
    seq::Rev,
    store::Window,
};

impl Connection {
    pub(super) async fn run(&self, request: Request) {
        let Some(subscriber) = self.subscriber.get() else {
            return;
        };
        let Request { id, command } = request;
        let action = if matches!(command, Command::Send(_)) {
            Action::Message
        } else {
            Action::Command
        };
        if let Err(error) = self.realtime.spend(&subscriber.user, action).await {
            return self.refuse(id, &error);
        }
        if room_of(&command).is_some_and(|room| !self.may_follow(room)) {
            return self.refuse_with(id, &out_of_scope());
        }
        if let Err(error) = self.dispatch(subscriber, id, command).await {
            self.realtime.count(&error);
            self.refuse(id, &error);
        }
    }

    async fn dispatch(
        &self,
        subscriber: &Arc<Subscriber>,
        id: Option<u32>,
        command: Command,
    ) -> Result<(), Error> {
        let by = || actor(subscriber);
        match command {
            Command::Send(send) => self.send(subscriber, id, *send).await?,
            Command::Edit(edit) => {
                let (room, seq) = (edit.room, edit.seq);
                let change = self.realtime.editing(by(), room, seq, edit.body)?;
                self.submit_message(id, change).await;
            }
            Command::Delete(at) => {
                let change = self.realtime.deleting(by(), at.room, at.seq)?;
                self.submit_message(id, change).await;
            }
            Command::Read(mark) => self.mark(subscriber, id, &mark, Pointer::Read).await,
            Command::Delivered(mark) => self.mark(subscriber, id, &mark, Pointer::Delivered).await,
            Command::History(history) => self.history(&by(), id, &history).await?,
            Command::Changes(changes) => self.changes(&by(), id, &changes).await?,
            Command::Typing(typing) => self.typing(subscriber, id, &typing).await?,
            Command::Presence(presence) => self.look_for(subscriber, id, &presence.users).await?,
            Command::Subscribe(subscribe) => self.subscribe(subscriber, id, subscribe).await?,
            Command::Unsubscribe(unsubscribe) => self.unsubscribe(subscriber, id, &unsubscribe),
            Command::Notifications(_) => self.answer(id, &EmptyFeed::default()),
            Command::NotificationsRead(_) => self.answer(id, &NotificationsView::default()),
            Command::Preferences(preferences) => {
                if preferences.set.is_some() {
                    let reason = "there are no preferences yet".to_owned();
                    return Err(Error::Invalid {
                        field: "set",
                        reason,
                    });
                }
                self.answer(id, &serde_json::Map::new());
            }
            // The session keeps these to itself.
            Command::Connect(_) | Command::Refresh(_) | Command::Pong(_) => {}
        }
        Ok(())
    }

    async fn send(
        &self,
        subscriber: &Subscriber,
        id: Option<u32>,
        send: protocol::Send,
    ) -> Result<(), Error> {
        let draft = Draft {
            room: send.room,
            from: actor(subscriber),
            client_id: send.client_id,
            body: send.body,
            kind: send.kind,
            reply_to: send.reply_to,
            metadata: send.metadata,
        };
        self.realtime.check_draft(&draft)?;
        if self
            .state()
            .typing(draft.room, false, now(), self.realtime.limits())
        {
            self.tell_typing(draft.room, false);
        }
        self.submit_message(id, Change::Send(draft)).await;
        Ok(())
    }

    /// Hands a change about a message to the committer, in the order in which the
    /// client asked, without waiting for the outcome.
    async fn submit_message(&self, id: Option<u32>, change: Change) {
        let Some(waiting) = self.waiting(id).await else {
            return;
        };
        let reply = Box::new(move |result: Result<Committed, Error>| match result {
            Ok(committed) => match SentView::of(&committed.answer) {
                Some(view) => waiting.answer(&view),
                None => waiting.refuse(&crate::service::mismatch(&committed.answer)),
            },
            Err(error) => waiting.refuse(&error),
        });
        self.realtime.inner().committer.submit(change, reply);
    }

    async fn mark(&self, subscriber: &Subscriber, id: Option<u32>, mark: &Mark, pointer: Pointer) {
        let Some(waiting) = self.waiting(id).await else {
            return;
        };
        let (room, user, seq) = (mark.room, subscriber.user.clone(), mark.seq);
        let change = Change::Mark {
            room,
            user: user.clone(),
            pointer,
            seq,
        };
        let realtime = self.realtime.clone();
        let reply = Box::new(move |result: Result<Committed, Error>| {
            let committed = match result {
                Ok(committed) => committed,
                Err(error) => return waiting.refuse(&error),
            };
            // What is left to read may have to be asked of the store, and the
            // committer must not wait.
            let tasks = realtime.inner().tasks.clone();
            tasks.spawn(async move {
                match realtime.marked(committed, &user, room, pointer).await {
                    Ok(marked) => waiting.answer(&PointersView {
                        read_seq: marked.receipt.read_seq,
                        delivered_seq: marked.receipt.delivered_seq,
                        rev: marked.rev,
                        unread: marked.unread,
                    }),
                    Err(error) => waiting.refuse(&error),
                }
            });
        });
        self.realtime.inner().committer.submit(change, reply);
    }

    /// A place among the commands under way; waits until there is one.
    async fn waiting(&self, id: Option<u32>) -> Option<Waiting> {
        let permit = self.in_flight.clone().acquire_owned().await.ok()?;
        Some(Waiting {
            id,
            mailbox: self.mailbox.clone(),
            metrics: self.realtime.metrics().clone(),
            started: now(),
            _permit: permit,
        })
    }

    async fn history(&self, by: &Actor, id: Option<u32>, asked: &HistoryOf) -> Result<(), Error> {
        let window = match (asked.before, asked.after, asked.around) {
            (None, None, None) => Window::Latest,
            (Some(seq), None, None) => Window::Before(seq),
            (None, Some(seq), None) => Window::After(seq),
            (None, None, Some(seq)) => Window::Around(seq),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                let reason = "only one of before, after and around".to_owned();
                return Err(Error::Invalid {
                    field: "before",
                    reason,
                });
            }
        };
        let limit = limit(asked.limit, HISTORY_PAGE)?;
        let page = self.realtime.history(by, asked.room, window, limit).await?;
        self.answer(id, &HistoryView::seen_by(&page, by.user_id()));
        Ok(())
    }

    async fn changes(&self, by: &Actor, id: Option<u32>, asked: &ChangesOf) -> Result<(), Error> {
        let limit = limit(asked.limit, CHANGES_PAGE)?;
        let set = self
            .realtime
            .changes(by, asked.room, asked.after_rev, limit)
            .await?;
        self.answer(
            id,
            &ChangesView::seen_by(&set, by.user_id(), self.realtime.now()),
        );
        Ok(())
    }

    async fn typing(
        &self,
        subscriber: &Subscriber,
        id: Option<u32>,
        typing: &Typing,
    ) -> Result<(), Error> {
        let hub = &self.realtime.inner().hub;
        let role = match hub.role_of(typing.room, subscriber) {
            Some(role) => role,
            // Not followed on this connection: then the store has to say.
            None => {
                let backend = &self.realtime.inner().backend;
                let found = backend.participant(typing.room, &subscriber.user).await?;
                found
                    .filter(Participant::is_active)
                    .ok_or(Error::NOT_FOUND)?
                    .role
            }
        };
        if !role.may_write() {
            return Err(Error::FORBIDDEN);
        }
        if self
            .state()
            .typing(typing.room, typing.active, now(), self.realtime.limits())
        {
            self.realtime.inner().signal(
                typing.room,
                Signal::Typing {
                    user: subscriber.user.clone(),
                    active: typing.active,
                },
            );
        }
        self.answer(id, &serde_json::Map::new());
        Ok(())
    }

    async fn look_for(
        &self,
        subscriber: &Subscriber,
        id: Option<u32>,
        users: &[crate::id::UserId],
    ) -> Result<(), Error> {
        if users.len() > PRESENCE_USERS {
            let reason = format!("at most {PRESENCE_USERS}");
            return Err(Error::Invalid {
                field: "users",
                reason,
            });
        }
        let users = self.realtime.presence(&subscriber.user, users).await?;
        self.answer(id, &PresenceView { users: &users });
        Ok(())
    }
}

/// On whose behalf a connection asks.
fn actor(subscriber: &Subscriber) -> Actor {
    Actor::User {
        id: subscriber.user.clone(),
        name: subscriber.name.clone(),
    }
}

/// A command whose outcome is not known yet.
struct Waiting {
    id: Option<u32>,
    mailbox: Arc<Mailbox>,
    metrics: Metrics,
    started: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Waiting {
    fn answer(&self, ok: &impl serde::Serialize) {
        self.metrics
            .send_seconds
            .observe(now().saturating_duration_since(self.started));
        if let Some(id) = self.id {
            self.mailbox.insist(&protocol::answer(id, ok));
        }
    }

    fn refuse(&self, error: &Error) {
        self.metrics.rejects.of(error.code().as_str()).inc();
        if self.id.is_some() {
            self.mailbox
                .insist(&protocol::failure(self.id, &error.to_wire()));
        }
    }
}

#[derive(serde::Serialize, Default)]
struct EmptyFeed {
    items: [(); 0],
    rev: Rev,
    unread: u32,
    unseen: u32,
    has_older: bool,
}

/// The room that a command is about, if it is one that a scope limits.
const fn room_of(command: &Command) -> Option<RoomId> {
    match command {
        Command::Send(send) => Some(send.room),
        Command::Edit(edit) => Some(edit.room),
        Command::Delete(at) | Command::Read(at) | Command::Delivered(at) => Some(at.room),
        Command::History(history) => Some(history.room),
        Command::Changes(changes) => Some(changes.room),
        Command::Typing(typing) => Some(typing.room),
        Command::Connect(_)
        | Command::Refresh(_)
        | Command::Subscribe(_)
        | Command::Unsubscribe(_)
        | Command::Presence(_)
        | Command::Notifications(_)
        | Command::NotificationsRead(_)
        | Command::Preferences(_)
        | Command::Pong(_) => None,
    }
}

/// How many rows to read: the default, or what was asked for, which must be sensible.
fn limit(asked: Option<u32>, (max, default): (u32, u32)) -> Result<u32, Error> {
    match asked {
        None => Ok(default),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(_) => Err(Error::Invalid {
            field: "limit",
            reason: format!("from 1 to {max}"),
        }),
    }
}
