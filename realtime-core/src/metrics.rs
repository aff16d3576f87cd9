//! What the core counts and measures, for Prometheus.
//!
//! Everything is updated with a few atomic operations and works without a registry.
//! Label values are `&'static str` out of a closed list of the caller's, never
//! something that came from outside.

mod histogram;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

pub use histogram::Histogram;

/// What every metric's name begins with.
const PREFIX: &str = "realtime";

/// The handle that everyone clones; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Instruments>);

impl Deref for Metrics {
    type Target = Instruments;

    fn deref(&self) -> &Instruments {
        &self.0
    }
}

/// One metric for each value of a label.
#[derive(Debug, Clone)]
pub struct Labelled<M> {
    key: &'static str,
    family: Family<[(&'static str, &'static str); 1], M>,
}

impl<M: Clone + Default> Labelled<M> {
    fn by(key: &'static str) -> Self {
        Self {
            key,
            family: Family::default(),
        }
    }

    /// The metric of this value of the label. Who needs it often keeps it.
    pub fn of(&self, value: &'static str) -> M {
        self.family.get_or_create_owned(&[(self.key, value)])
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for Labelled<M> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        self.family.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.family.is_empty()
    }
}

/// Declares each metric in one place: the field's name is the metric's, its
/// documentation is the help text.
macro_rules! instruments {
    ($( $(#[doc = $help:literal])+ $field:ident: $kind:ty = $start:expr; )*) => {
        /// The single metrics. In Prometheus their names begin with `realtime_`, and
        /// those of counters end with `_total`.
        #[derive(Debug)]
        #[non_exhaustive]
        pub struct Instruments {
            $( $(#[doc = $help])+ pub $field: $kind, )*
        }

        impl Default for Instruments {
            fn default() -> Self {
                Self { $( $field: $start, )* }
            }
        }

        impl Metrics {
            /// Lets a registry tell all of them. Once for each registry.
            pub fn register(&self, registry: &mut Registry) {
                let registry = registry.sub_registry_with_prefix(PREFIX);
                $( registry.register(
                    stringify!($field),
                    help(concat!($($help),+)),
                    self.$field.clone(),
                ); )*
            }
        }
    };
}

/// Without the full stop, which the registry adds.
fn help(documentation: &str) -> &str {
    documentation.trim().trim_end_matches('.')
}

instruments! {
    /// Open connections, by `transport` (`ws`, `sse`, `local`).
    connections: Labelled<Gauge> = Labelled::by("transport");
    /// Topics that somebody listens to.
    topics: Gauge = Gauge::default();
    /// Listeners over all topics: one connection counts once for each of its topics.
    listeners: Gauge = Gauge::default();
    /// Bytes that wait in all mailboxes.
    queue_bytes: Gauge = Gauge::default();
    /// Changes that wait for a transaction, over all lanes.
    commit_queue: Gauge = Gauge::default();

    /// Messages stored for the first time.
    messages: Counter = Counter::default();
    /// Repeats of a change that was stored before, answered with the first answer.
    duplicates: Counter = Counter::default();
    /// Transactions that were committed.
    commits: Counter = Counter::default();
    /// Durable events put into mailboxes: one event for ten listeners counts ten.
    deliveries: Counter = Counter::default();
    /// Typing and presence that were not delivered because a mailbox was too full.
    dropped_signals: Counter = Counter::default();
    /// Gaps in a topic's order that were closed by reading the store.
    gaps_repaired: Counter = Counter::default();
    /// Reads of the store by the hub: gaps, catching up, sweeps.
    hub_store_reads: Counter = Counter::default();
    /// Times that messages of a room were given up because they had passed their time.
    retained: Counter = Counter::default();
    /// Parts of what was given up or erased that were tidied away.
    tidied: Counter = Counter::default();
    /// Rooms that wait for the search index.
    search_queue: Gauge = Gauge::default();
    /// Seconds for which what was committed longest ago waits for the search index.
    search_lag_seconds: Gauge<f64, AtomicU64> = Gauge::default();
    /// Messages that were brought into the search index, or taken out of it.
    search_indexed: Counter = Counter::default();
    /// Listeners that were told to load the room anew.
    resets: Counter = Counter::default();
    /// Times that a mailbox was too full and its reader was switched to the store.
    slow_readers: Counter = Counter::default();
    /// Requests that were refused, by `reason` (the protocol's error code).
    rejects: Labelled<Counter> = Labelled::by("reason");
    /// Failures that an operator should know of, by `part` (`store`, `broker`, ...).
    errors: Labelled<Counter> = Labelled::by("part");
    /// Background tasks that ended unexpectedly and were started again, by `task`.
    task_restarts: Labelled<Counter> = Labelled::by("task");
    /// Connections that were accepted.
    connections_opened: Counter = Counter::default();
    /// Connections that ended, by close `code` (see [`close_code`]).
    connections_closed: Labelled<Counter> = Labelled::by("code");
    /// Times that the broker did not take hints.
    publish_failures: Counter = Counter::default();

    /// Seconds that a batch spent in the store, from begin to committed.
    commit_seconds: Histogram = Histogram::seconds();
    /// Changes that shared one transaction.
    commit_batch_size: Histogram = Histogram::sizes();
    /// Seconds from a change being committed to it being queued for a socket.
    delivery_seconds: Histogram = Histogram::seconds();
    /// Seconds from a send being decoded to its answer being queued.
    send_seconds: Histogram = Histogram::seconds();
    /// Seconds that one read of the store took, by `what` was read.
    store_read_seconds: Labelled<Histogram> = Labelled::by("what");
    /// Seconds from an HTTP request being read to its answer being ready.
    http_seconds: Histogram = Histogram::seconds();
}

/// The label of a close code: the number for those of the protocol and the common
/// ones of RFC 6455, `other` for the rest, which a peer can make up.
pub const fn close_code(code: u16) -> &'static str {
    match code {
        1000 => "1000",
        1001 => "1001",
        1002 => "1002",
        1003 => "1003",
        1005 => "1005",
        1006 => "1006",
        1007 => "1007",
        1008 => "1008",
        1009 => "1009",
        1011 => "1011",
        4000 => "4000",
        4001 => "4001",
        4002 => "4002",
        4003 => "4003",
        4200 => "4200",
        4201 => "4201",
        4300 => "4300",
        4301 => "4301",
        4500 => "4500",
        4501 => "4501",
        4502 => "4502",
        4503 => "4503",
        4504 => "4504",
        4505 => "4505",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scraped(metrics: &Metrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn every_metric_is_told_with_prefix_help_and_suffix() {
        let metrics = Metrics::default();
        metrics.connections.of("ws").inc();
        metrics.rejects.of("busy").inc_by(3);
        metrics.connections_closed.of(close_code(4_002)).inc();
        metrics.messages.inc();
        metrics
            .store_read_seconds
            .of("heads")
            .observe(Duration::from_millis(2));

        let text = scraped(&metrics);
        for line in [
            "realtime_connections{transport=\"ws\"} 1",
            "realtime_rejects_total{reason=\"busy\"} 3",
            "realtime_connections_closed_total{code=\"4002\"} 1",
            "realtime_messages_total 1",
            "realtime_queue_bytes 0",
            "realtime_store_read_seconds_count{what=\"heads\"} 1",
            "# HELP realtime_messages Messages stored for the first time.",
            "# TYPE realtime_commit_seconds histogram",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::default();
        let clone = metrics.clone();
        metrics.deliveries.inc();
        clone.deliveries.inc();
        assert_eq!(metrics.deliveries.get(), 2);
    }

    #[test]
    fn a_made_up_close_code_makes_no_new_label() {
        assert_eq!(close_code(4_002), "4002");
        assert_eq!(close_code(4_999), "other");
    }
}
