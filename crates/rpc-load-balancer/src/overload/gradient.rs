//! A limit that follows the latency.

use std::time::Duration;

use beam_node::Error;

/// A limit on calls in flight that grows as long as calls are as fast as usual, and shrinks when they
/// become slower: by then they wait somewhere for those before them.
///
/// The algorithm is `Gradient2` of Netflix's `concurrency-limits`: the usual latency is an average over
/// the last 600 calls; a call that takes up to one and a half times as long lets the limit grow by the
/// square root of it, and one that takes longer shrinks it in proportion, at most to a half; each
/// call moves the limit a fifth of the way. While less than half of the limit is used nothing changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient {
    first: usize,
    least: usize,
    most: usize,
}

impl Gradient {
    /// A limit between the least and the most; it begins with the first.
    pub const fn new(least: usize, first: usize, most: usize) -> Self {
        Self { first, least, most }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let Self { first, least, most } = *self;
        if least >= 1 && least <= first && first <= most {
            return Ok(());
        }
        Err(Error::bad_request(format!(
            "call_limits: the adaptive limit is to begin with {first} and to lie between {least} and {most}; expected 1 <= least <= first <= most"
        )))
    }

    /// The limit as it begins.
    pub(super) fn start(self) -> Adapting {
        Adapting {
            bounds: self,
            limit: self.first as f64,
            usual: None,
        }
    }
}

/// 20 to begin with, from 1 to 1,000.
impl Default for Gradient {
    fn default() -> Self {
        Self::new(1, 20, 1_000)
    }
}

/// The calls over which the usual latency is an average.
const WINDOW: f64 = 600.0;

/// How much slower than usual is not slow.
const TOLERANCE: f64 = 1.5;

/// How far each call moves the limit.
const STEP: f64 = 0.2;

/// A limit at work.
#[derive(Debug)]
pub(super) struct Adapting {
    bounds: Gradient,
    limit: f64,
    /// In seconds.
    usual: Option<f64>,
}

impl Adapting {
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A call ended that was one of so many in flight.
    pub(super) fn ended(&mut self, elapsed: Duration, in_flight: usize) {
        let elapsed = elapsed.as_secs_f64().max(1e-6);
        let usual = match self.usual {
            None => elapsed,
            Some(usual) => usual + (elapsed - usual) / WINDOW,
        };
        // After a slow time it would take long to forget.
        let usual = if usual > 2.0 * elapsed {
            usual * 0.95
        } else {
            usual
        };
        self.usual = Some(usual);
        if (in_flight as f64) < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * usual / elapsed).clamp(0.5, 1.0);
        let aim = self.limit * gradient + self.limit.sqrt();
        let limit = self.limit * (1.0 - STEP) + aim * STEP;
        self.limit = limit.clamp(self.bounds.least as f64, self.bounds.most as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(10);

    fn after(adapting: &mut Adapting, calls: usize, elapsed: Duration) -> usize {
        for _ in 0..calls {
            let in_flight = adapting.limit();
            adapting.ended(elapsed, in_flight);
        }
        adapting.limit()
    }

    #[test]
    fn the_limit_grows_while_calls_are_fast_and_shrinks_when_they_are_slow() {
        let mut adapting = Gradient::new(4, 20, 200).start();
        assert_eq!(after(&mut adapting, 200, FAST), 200);
        let shrunk = after(&mut adapting, 100, 10 * FAST);
        assert!(shrunk < 40, "{shrunk}");
        assert_eq!(after(&mut adapting, 500, FAST), 200);
    }

    #[test]
    fn the_limit_keeps_to_its_bounds() {
        let mut adapting = Gradient::new(30, 30, 40).start();
        assert_eq!(after(&mut adapting, 100, FAST), 40);
        assert_eq!(after(&mut adapting, 100, 100 * FAST), 30);
    }

    #[test]
    fn a_limit_that_is_not_used_does_not_move() {
        let mut adapting = Gradient::default().start();
        for _ in 0..100 {
            adapting.ended(FAST, 9);
        }
        assert_eq!(adapting.limit(), 20);
    }

    #[test]
    fn bounds_in_the_wrong_order_are_refused() {
        for gradient in [
            Gradient::new(0, 1, 2),
            Gradient::new(3, 2, 5),
            Gradient::new(1, 9, 5),
        ] {
            let error = gradient.check().unwrap_err();
            assert!(error.message.starts_with("call_limits: "), "{error}");
        }
        assert!(Gradient::default().check().is_ok());
    }
}
