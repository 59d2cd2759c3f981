//! When a call that is slow is sent to a second member as well.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beam_node::{Error, Function};
use hdrhistogram::Histogram;

/// When an idempotent call that has no answer yet is sent to a second member as well. The first
/// result counts, and the other call is cancelled.
///
/// That cuts the long tail of latencies for a few more calls: "The Tail at Scale" (Dean and Barroso,
/// 2013). It is paid from the [`RetryBudget`](crate::RetryBudget).
///
/// ```no_run
/// # use rpc_load_balancer::{Balancer, Error};
/// use rpc_load_balancer::Hedge;
///
/// # async fn example(balancer: Balancer) -> Result<(), Error> {
/// let call = balancer.call(("cache", "get"), ("key",)).hedge(Hedge::percentile(0.95));
/// let value: String = call.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hedge {
    when: When,
    at_least: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    After(Duration),
    Percentile(f64),
}

impl Hedge {
    /// After this time.
    pub const fn after(delay: Duration) -> Self {
        Self {
            when: When::After(delay),
            at_least: Duration::ZERO,
        }
    }

    /// After the time within which this part of the calls of the same function has been answered of
    /// late: `Hedge::percentile(0.95)` sends one in twenty a second time. It counts calls that are hedged
    /// so, through the same balancer, and begins once it has seen a hundred.
    pub const fn percentile(part: f64) -> Self {
        Self {
            when: When::Percentile(part),
            at_least: Duration::from_millis(1),
        }
    }

    /// Sets after what time at the earliest. Default: 1 ms with a percentile.
    pub const fn at_least(mut self, delay: Duration) -> Self {
        self.at_least = delay;
        self
    }

    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.when {
            When::Percentile(part) if !(part > 0.0 && part < 1.0) => {
                Err(Error::bad_request(format!(
                    "hedge: the percentile is {part}; expected a part between 0 and 1, such as 0.95"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// How long calls that are hedged have taken of late, for each function.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Mutex<HashMap<Function, Recent>>);

/// Of more functions than this nothing is kept; their calls are not hedged by a percentile.
const MOST_FUNCTIONS: usize = 1_024;

/// So many calls must have been seen, and no more than so many in each half of what is kept.
const LEAST_CALLS: u64 = 100;
const HALF: u64 = 1_000;

/// The latencies of the last one to two thousand calls, in microseconds.
#[derive(Debug)]
struct Recent {
    now: Histogram<u32>,
    before: Histogram<u32>,
}

impl Latencies {
    /// After what time a call is hedged; `None`: it is not.
    pub(super) fn delay(&self, function: &Function, hedge: &Hedge) -> Option<Duration> {
        let delay = match hedge.when {
            When::After(delay) => delay,
            When::Percentile(part) => self.functions().get(function)?.percentile(part)?,
        };
        Some(delay.max(hedge.at_least))
    }

    /// A call took so long, or was given up after so long for one that was faster.
    pub(super) fn record(&self, function: &Function, hedge: &Hedge, elapsed: Duration) {
        if let When::After(_) = hedge.when {
            return;
        }
        let mut functions = self.functions();
        if let Some(recent) = functions.get_mut(function) {
            recent.record(elapsed);
        } else if functions.len() < MOST_FUNCTIONS
            && let Some(mut recent) = Recent::new()
        {
            recent.record(elapsed);
            functions.insert(function.clone(), recent);
        }
    }

    fn functions(&self) -> MutexGuard<'_, HashMap<Function, Recent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn new() -> Option<Self> {
        // From a microsecond to an hour, to about 6 %: a kilobyte and a half.
        let empty = || Histogram::new_with_bounds(1, 3_600_000_000, 1).ok();
        Some(Self {
            now: empty()?,
            before: empty()?,
        })
    }

    fn record(&mut self, elapsed: Duration) {
        if self.now.len() >= HALF {
            std::mem::swap(&mut self.now, &mut self.before);
            self.now.reset();
        }
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.now.saturating_record(micros.max(1));
    }

    fn percentile(&self, part: f64) -> Option<Duration> {
        // The older ones alone once they are enough: those of now are too few at first.
        let seen = match self.before.len() {
            0 => &self.now,
            _ => &self.before,
        };
        (seen.len() >= LEAST_CALLS).then(|| {
            let micros = seen.value_at_quantile(part);
            Duration::from_micros(micros)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str) -> Function {
        Function::try_from(("m", name)).unwrap()
    }

    #[test]
    fn a_percentile_is_known_after_a_hundred_calls_and_follows_them() {
        let latencies = Latencies::default();
        let (get, hedge) = (function("get"), Hedge::percentile(0.95));
        let delay = || latencies.delay(&get, &hedge);
        for n in 1..=100 {
            assert_eq!(delay(), None);
            latencies.record(&get, &hedge, Duration::from_millis(n));
        }
        let near = |expected: u64| {
            let delay = delay().unwrap().as_secs_f64() * 1e3;
            (delay / expected as f64 - 1.0).abs() < 0.1
        };
        assert!(near(95), "{:?}", delay());
        for _ in 0..2 * HALF {
            latencies.record(&get, &hedge, Duration::from_millis(7));
        }
        assert!(near(7), "{:?}", delay());
        assert_eq!(latencies.delay(&function("put"), &hedge), None);
    }

    #[test]
    fn no_call_is_hedged_sooner_than_told() {
        let latencies = Latencies::default();
        let (get, hedge) = (function("get"), Hedge::percentile(0.5));
        for _ in 0..LEAST_CALLS {
            latencies.record(&get, &hedge, Duration::from_micros(50));
        }
        let delay = |hedge| latencies.delay(&get, &hedge);
        assert_eq!(delay(hedge), Some(Duration::from_millis(1)));
        let late = hedge.at_least(Duration::from_millis(20));
        assert_eq!(delay(late), Some(Duration::from_millis(20)));
        let fixed = Hedge::after(Duration::from_millis(3));
        assert_eq!(delay(fixed), Some(Duration::from_millis(3)));
    }

    #[test]
    fn the_functions_that_are_kept_are_bounded() {
        let latencies = Latencies::default();
        let hedge = Hedge::percentile(0.5);
        for n in 0..2 * MOST_FUNCTIONS {
            latencies.record(&function(&n.to_string()), &hedge, Duration::ZERO);
        }
        assert_eq!(latencies.functions().len(), MOST_FUNCTIONS);
    }

    #[test]
    fn percentiles_that_are_none_are_refused() {
        for part in [0.0, 1.0, 95.0, -0.5, f64::NAN] {
            let error = Hedge::percentile(part).check().unwrap_err();
            assert!(error.message.starts_with("hedge: "), "{error}");
        }
        assert!(Hedge::percentile(0.999).check().is_ok());
    }
}
