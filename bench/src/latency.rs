//! How long calls took: counts in buckets that are about 1 % wide, in nanoseconds.

use hdrhistogram::Histogram;

/// Longer than any deadline. `rlb_bench.erl` counts in the same buckets.
const LONGEST_NANOS: u64 = (1 << 36) - 1;
const SIGNIFICANT_DIGITS: u8 = 2;

/// Latencies of many calls.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NANOS, SIGNIFICANT_DIGITS);
        Self(histogram.expect("the bounds are in order"))
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    pub(crate) fn record_many(&mut self, nanos: u64, count: u64) {
        self.0.saturating_record_n(nanos, count);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that so many percent of the calls did not exceed; `None` without calls.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        (self.count() > 0).then(|| self.0.value_at_percentile(percent) as f64)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let merged = self.0.add(&other.0);
        merged.expect("both have the same bounds");
    }

    /// Each bucket with calls in it: its middle, and how many.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter_recorded().map(|bucket| {
            let middle = self.0.median_equivalent(bucket.value_iterated_to());
            (middle, bucket.count_at_value())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_of_several_sources_are_those_of_all() {
        let mut all = Latencies::new();
        all.record_many(1_000, 98);
        let mut others = Latencies::new();
        others.record(50_000);
        others.record(70_000);
        all.merge(&others);

        assert_eq!(all.count(), 100);
        let near = |percent: f64, nanos: f64| {
            let found = all.percentile(percent).expect("there are calls");
            assert!((found / nanos - 1.0).abs() < 0.01, "{percent}: {found}");
        };
        near(50.0, 1_000.0);
        near(99.0, 50_000.0);
        near(100.0, 70_000.0);
    }

    #[test]
    fn buckets_told_and_recorded_again_are_the_same_buckets() {
        let mut latencies = Latencies::new();
        for nanos in [1, 255, 256, 12_345, 9_999_999, 10_000_000_000] {
            latencies.record(nanos);
        }
        let mut again = Latencies::new();
        for (nanos, count) in latencies.buckets() {
            again.record_many(nanos, count);
        }
        assert!(latencies.buckets().eq(again.buckets()));
        assert_eq!(again.count(), 6);
    }

    #[test]
    fn without_calls_there_is_no_percentile() {
        assert_eq!(Latencies::new().percentile(50.0), None);
    }
}
