//! The average latency of a member, which follows peaks at once.

use crate::sync::atomic::{AtomicU64, Ordering};

/// An average of latencies, in which each counts the less the older it is.
///
/// It follows the average named Peak EWMA of Finagle (Twitter) and of `tower`: a sample above the
/// average replaces it at once, while those below it draw it down over a time. Without samples it
/// sinks towards 0, so that a member that is avoided is tried again.
///
/// The average at any moment follows from one number, the *level*: the logarithm of the average as
/// it was, plus the time of then, counted in decay times. What sinks by the factor e in each of these
/// has the same level for ever, so that averages are compared without a look at the clock. It also
/// fits into one word, which is exchanged as a whole.
#[derive(Debug, Default)]
pub struct Latency {
    /// The bits of an `f64`.
    level: AtomicU64,
    /// Up to when time was counted for samples, in nanoseconds.
    counted: AtomicU64,
}

/// A moment, and how fast averages decay: what a level is relative to. Both in nanoseconds, of which
/// the former counts from some moment that is the same for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) nanos: u64,
    pub(super) decay: f64,
}

impl Latency {
    /// An average that is this level now.
    pub(super) fn starting_at(level: f64, now: Now) -> Self {
        Self {
            level: AtomicU64::new(level.to_bits()),
            counted: AtomicU64::new(now.nanos),
        }
    }

    pub(super) fn level(&self) -> f64 {
        f64::from_bits(self.level.load(Ordering::Relaxed))
    }

    /// Takes in that a sample would have been so many nanoseconds at least.
    pub(super) fn record_at_least(&self, sample: f64, now: Now) {
        if now.level(sample) > self.level() {
            self.record(sample, now);
        }
    }

    /// Takes in a sample in nanoseconds.
    pub(super) fn record(&self, sample: f64, now: Now) {
        // Samples that come at once share the time since the last one among them, each part once.
        let since = self.counted.fetch_max(now.nanos, Ordering::Relaxed);
        let elapsed = now.nanos.saturating_sub(since) as f64;
        let share = -(-elapsed / now.decay).exp_m1();
        let sampled = now.level(sample);
        let next = |level: f64| {
            if level <= sampled {
                return sampled;
            }
            // What is left of the average is what it sank to; the share that it lost goes to the
            // sample.
            now.level(now.average(level) + sample * share).max(level)
        };
        let mut before = self.level.load(Ordering::Relaxed);
        // Relaxed: nothing else is read by what is read here.
        while let Err(changed) = self.level.compare_exchange_weak(
            before,
            next(f64::from_bits(before)).to_bits(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            before = changed;
        }
    }
}

impl Now {
    /// The level of an average of so many nanoseconds now.
    pub(super) fn level(self, nanos: f64) -> f64 {
        nanos.max(1.0).ln() + self.age()
    }

    /// The average now, in nanoseconds, at this level.
    pub(super) fn average(self, level: f64) -> f64 {
        (level - self.age()).exp()
    }

    fn age(self) -> f64 {
        self.nanos as f64 / self.decay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: f64 = 1e9;

    fn at(seconds: f64) -> Now {
        Now {
            nanos: (seconds * SECOND) as u64,
            decay: 10.0 * SECOND,
        }
    }

    fn starting_at(nanos: f64) -> Latency {
        Latency::starting_at(at(0.0).level(nanos), at(0.0))
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < other * 1e-6
    }

    #[test]
    fn a_peak_replaces_the_average_at_once() {
        let latency = starting_at(1e6);
        latency.record(5e8, at(1.0));
        assert!(close(at(1.0).average(latency.level()), 5e8));
    }

    #[test]
    fn lower_samples_draw_the_average_down_over_the_decay_time() {
        let latency = starting_at(1e9);
        for tenths in 1..=100 {
            latency.record(1e6, at(f64::from(tenths) / 10.0));
        }
        // One decay time is over: the distance has shrunk by the factor e.
        let expected = 1e6 + (1e9 - 1e6) / 1_f64.exp();
        let average = at(10.0).average(latency.level());
        assert!((average - expected).abs() < expected * 0.01, "{average}");
    }

    #[test]
    fn an_average_without_samples_sinks_and_keeps_its_level() {
        let latency = starting_at(1e9);
        assert!(close(at(20.0).average(latency.level()), 1e9 / 2_f64.exp()));
        assert_eq!(latency.level(), at(0.0).level(1e9));
    }

    #[test]
    fn lower_samples_at_one_moment_change_nothing() {
        let latency = starting_at(1e9);
        latency.record(1e6, at(1.0));
        let level = latency.level();
        latency.record(2.0, at(1.0));
        // The clocks of threads may be read in another order than they come here in.
        latency.record(2.0, at(0.5));
        assert_eq!(latency.level(), level);
    }

    #[test]
    fn years_of_decay_do_no_harm() {
        let latency = starting_at(1e9);
        let year = 365.0 * 86_400.0;
        assert_eq!(at(year).average(latency.level()), 0.0);
        latency.record(1e6, at(year));
        assert!((at(year).average(latency.level()) - 1e6).abs() < 1e3);
        latency.record(0.0, at(2.0 * year));
        assert!(latency.level().is_finite());
    }
}

#[cfg(all(test, rlb_loom))]
mod models {
    use loom::{sync::Arc, thread};

    use super::*;

    /// What becomes of an average of 1 s when two threads record these, a second later.
    fn recorded(samples: [f64; 2]) -> Vec<u64> {
        let found = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = std::sync::Arc::clone(&found);
        loom::model(move || {
            let at = |nanos| Now { nanos, decay: 1e10 };
            let start = at(0);
            let latency = Arc::new(Latency::starting_at(start.level(1e9), start));
            let thread = {
                let latency = Arc::clone(&latency);
                thread::spawn(move || latency.record(samples[0], at(1_000_000_000)))
            };
            latency.record(samples[1], at(1_000_000_000));
            thread.join().unwrap();
            let average = at(1_000_000_000).average(latency.level());
            seen.lock().unwrap().push(average.round() as u64);
        });
        let mut found = std::mem::take(&mut *found.lock().unwrap());
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn loom_a_peak_is_not_lost_beside_a_lower_sample() {
        let averages = recorded([1e6, 5e9]);
        // The lower one adds the share of time that it got, if it came second.
        assert!(
            averages.iter().all(|&nanos| nanos >= 5_000_000_000),
            "{averages:?}"
        );
        assert!(
            averages.iter().all(|&nanos| nanos <= 5_000_100_000),
            "{averages:?}"
        );
    }

    #[test]
    fn loom_the_time_between_samples_is_shared_out_once() {
        // Both are below the average, so that whichever takes the second's share gives the same.
        let averages = recorded([1e6, 1e6]);
        assert_eq!(averages.len(), 1, "{averages:?}");
    }
}
