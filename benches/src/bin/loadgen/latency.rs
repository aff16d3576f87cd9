//! Latency histograms: how they are made, filled and summed up.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::limits::{HISTOGRAM_DIGITS, HISTOGRAM_NANOS};

/// An empty histogram of nanoseconds.
///
/// # Errors
/// When [`HISTOGRAM_NANOS`] or [`HISTOGRAM_DIGITS`] make no histogram.
pub(crate) fn histogram() -> Result<Histogram<u64>, Failure> {
    let (low, high) = HISTOGRAM_NANOS;
    Histogram::new_with_bounds(low, high, HISTOGRAM_DIGITS)
        .map_err(|error| Failure::Usage(format!("no such histogram: {error}")))
}

/// Records one latency.
pub(crate) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    record_nanos(histogram, latency.as_nanos() as u64);
}

/// Records one latency in nanoseconds.
pub(crate) fn record_nanos(histogram: &mut Histogram<u64>, nanos: u64) {
    histogram.saturating_record(nanos);
}

/// The quantiles that every report shows, in microseconds.
pub(crate) fn summary(histogram: &Histogram<u64>) -> Value {
    let micros = |nanos: u64| nanos as f64 / 1_000.0;
    let quantile = |share| micros(histogram.value_at_quantile(share));
    json!({
        "count": histogram.len(),
        "p50_us": quantile(0.5),
        "p90_us": quantile(0.9),
        "p99_us": quantile(0.99),
        "p999_us": quantile(0.999),
        "max_us": micros(histogram.max()),
        "mean_us": histogram.mean() / 1_000.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_keep_three_digits_and_the_longest_latency_is_capped() {
        let mut histogram = histogram().unwrap();
        for micros in 1..=10_000 {
            record(&mut histogram, Duration::from_micros(micros));
        }
        let summed = summary(&histogram);
        assert_eq!(summed["count"], 10_000);
        for (name, expected) in [
            ("p50_us", 5_000.0),
            ("p99_us", 9_900.0),
            ("max_us", 10_000.0),
        ] {
            let found = summed[name].as_f64().unwrap();
            assert!((found / expected - 1.0).abs() < 0.002, "{name} is {found}");
        }
        record(&mut histogram, Duration::from_secs(100_000));
        let longest = Duration::from_nanos(histogram.max());
        assert!(longest >= Duration::from_secs(600) && longest < Duration::from_secs(1_200));
    }
}
