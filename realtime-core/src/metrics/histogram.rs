//! A histogram without a lock: the one of `prometheus-client` takes a mutex for
//! each observation, and deliveries are observed a million times a second.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

const NANOS_PER_SECOND: f64 = 1e9;
/// Upper bounds in nanoseconds, 50 us to 10 s: from a commit that waits for
/// nothing to the time-outs.
const SPANS: &[u64] = &[
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
/// Upper bounds of batch sizes, to the largest batch.
const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// How observations are distributed over fixed buckets. Clones observe together.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: &'static [u64],
    /// What one unit of the metric is in the numbers kept here.
    unit: f64,
    /// One for each bound, and one for what lies above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// For spans of time, told in seconds.
    pub(super) fn seconds() -> Self {
        Self::new(SPANS, NANOS_PER_SECOND)
    }

    /// For numbers of things.
    pub(super) fn sizes() -> Self {
        Self::new(SIZES, 1.0)
    }

    fn new(bounds: &'static [u64], unit: f64) -> Self {
        Self(Arc::new(Inner {
            bounds,
            unit,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }))
    }

    /// Observes a span, in a histogram of seconds.
    pub fn observe(&self, span: Duration) {
        self.observe_each(span, 1);
    }

    /// Observes the same span for so many things.
    pub fn observe_each(&self, span: Duration, count: u64) {
        self.add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), count);
    }

    /// Observes a number, in a histogram of sizes.
    pub fn observe_size(&self, size: usize) {
        self.add(u64::try_from(size).unwrap_or(u64::MAX), 1);
    }

    /// How many observations there were.
    pub fn count(&self) -> u64 {
        let counts = self.0.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn add(&self, value: u64, count: u64) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.0.counts.get(bucket) {
            bucket.fetch_add(count, Ordering::Relaxed);
        }
        let sum = value.saturating_mul(count);
        self.0.sum.fetch_add(sum, Ordering::Relaxed);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::seconds()
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the format knows only floats; 2^53 ns are 104 days of summed waiting"
    )]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let inner = &*self.0;
        let bounds = inner.bounds.iter().map(|bound| *bound as f64 / inner.unit);
        let counts = inner
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        // Counted from the same numbers, or a scrape could tell more than all.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = inner.sum.load(Ordering::Relaxed) as f64 / inner.unit;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    fn told(histogram: Histogram) -> String {
        let mut registry = Registry::default();
        registry.register("it", "It", histogram);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn spans_are_told_in_seconds_and_buckets_are_cumulative() {
        let histogram = Histogram::seconds();
        histogram.observe(Duration::from_micros(50));
        histogram.observe_each(Duration::from_millis(2), 2);
        histogram.observe(Duration::from_secs(60));
        assert_eq!(histogram.count(), 4);

        let text = told(histogram);
        for line in [
            "it_sum 60.00405",
            "it_count 4",
            "it_bucket{le=\"0.00005\"} 1",
            "it_bucket{le=\"0.001\"} 1",
            "it_bucket{le=\"0.0025\"} 3",
            "it_bucket{le=\"10.0\"} 3",
            "it_bucket{le=\"+Inf\"} 4",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }

    #[test]
    fn sizes_are_told_as_they_are() {
        let histogram = Histogram::sizes();
        histogram.observe_size(3);
        let text = told(histogram);
        assert!(text.contains("it_sum 3.0"), "{text}");
        assert!(text.contains("it_bucket{le=\"2.0\"} 0"), "{text}");
        assert!(text.contains("it_bucket{le=\"4.0\"} 1"), "{text}");
    }
}
