//! The port to the other servers: a [`Broker`] carries hints, never the truth.
//!
//! # Contract
//! - A hint says that a topic has reached a `rev`, and may carry the change. It may
//!   be lost, repeated, late or out of order: whoever receives it checks it against
//!   what they hold and reads the store when something is missing.
//! - A broker that has any doubt whether hints were lost (lag, a new connection, a
//!   probe that did not come back) says [`BrokerEvent::Gap`]. A doubt too many costs
//!   a read, a doubt too few costs up to one sweep.
//! - A node may hear its own hints; it must not rely on it.
//! - [`Broker::publish`] never waits for a receiver.
//! - **Concurrency.** All methods may be called at once from any number of tasks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{
    event::{RoomEvent, Signal, Topic, UserEvent},
    id::RoomId,
    seq::Rev,
    store::Cause,
};

/// What one server tells the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "brokers must decide how to carry a new hint"
)]
pub enum Hint {
    /// A room changed; the change comes along.
    Changed(Arc<RoomEvent>),
    /// A topic has reached a `rev`; what changed is to be read.
    Head {
        /// Which stream.
        topic: Topic,
        /// How far it is.
        rev: Rev,
    },
    /// What a user takes part in changed.
    User(UserEvent),
    /// Something that matters only now, in a room.
    Signal {
        /// Which room.
        room: RoomId,
        /// What.
        signal: Signal,
    },
}

impl Hint {
    /// The stream that it is about.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Changed(event) => Topic::Room(event.room),
            Self::Head { topic, .. } => topic.clone(),
            Self::User(event) => Topic::User(event.user.clone()),
            Self::Signal { room, .. } => Topic::Room(*room),
        }
    }

    /// The `rev` that the stream has reached by it; `None` for a signal.
    pub fn rev(&self) -> Option<Rev> {
        match self {
            Self::Changed(event) => Some(event.rev),
            Self::Head { rev, .. } => Some(*rev),
            Self::User(event) => Some(event.rev),
            Self::Signal { .. } => None,
        }
    }
}

/// Which topics may have lost hints.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "some or all")]
pub enum Doubt {
    /// These.
    Topics(Vec<Topic>),
    /// Every one.
    All,
}

/// What a broker tells its node.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a node must decide what a new event means"
)]
pub enum BrokerEvent {
    /// A hint of a subscribed topic.
    Hint(Hint),
    /// Hints may have been lost: compare with the store.
    Gap(Doubt),
    /// The connection works (again).
    Up,
    /// The connection is in doubt: sweep faster until it is up.
    Degraded,
}

/// Whether hints get through at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "brokers build it")]
pub struct BrokerHealth {
    /// Whether the broker believes that they do.
    pub up: bool,
    /// How long ago that was last proven; `None` when there is nothing to prove.
    pub last_proof: Option<Duration>,
}

/// Why a broker did not take something. The store and the sweep make up for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The other side does not answer. Try again, later.
    #[error("the broker is unavailable")]
    Unavailable(#[source] Cause),
}

/// Carries hints between servers. See the [module](self) for the contract.
#[async_trait]
pub trait Broker: Send + Sync + std::fmt::Debug {
    /// Tells the other servers.
    ///
    /// # Errors
    /// The hints may or may not have been told.
    async fn publish(&self, hints: &[Hint]) -> Result<(), BrokerError>;

    /// From when this returns, hints of these topics are heard. Subscribing twice
    /// is as once.
    ///
    /// # Errors
    /// The broker goes on trying by itself, and says [`BrokerEvent::Gap`] for these
    /// topics once it has succeeded.
    async fn subscribe(&self, topics: &[Topic]) -> Result<(), BrokerError>;

    /// Hints of these topics need no longer be heard.
    ///
    /// # Errors
    /// They may still be heard.
    async fn unsubscribe(&self, topics: &[Topic]) -> Result<(), BrokerError>;

    /// What this node hears, from now on. One consumer; a second call takes over.
    /// The stream ends when the broker has shut down. The broker bounds what waits
    /// here, and what it drops becomes a [`BrokerEvent::Gap`].
    fn events(&self) -> BoxStream<'static, BrokerEvent>;

    /// Whether hints get through at present. Does not wait.
    fn health(&self) -> BrokerHealth;
}
