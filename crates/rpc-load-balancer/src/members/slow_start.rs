//! A member's way back to its share of the calls.

use std::time::Duration;

use tokio::time::Instant;

use crate::deadline;

/// For how long a member gets less than its share of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStart {
    since: Instant,
    duration: Duration,
}

/// The share at the beginning: Envoy's `min_weight_percent`.
const FIRST_SHARE: f64 = 0.1;

impl SlowStart {
    /// A slow start of this duration. `None` for one that is over at once.
    pub fn new(since: Instant, duration: Duration) -> Option<Self> {
        (!duration.is_zero()).then_some(Self { since, duration })
    }

    /// The part of its share that the member gets at this time: a tenth at first, then as much as of
    /// the time has passed, and in the end all, 1.
    pub fn share(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        (passed / self.duration.as_secs_f64()).clamp(FIRST_SHARE, 1.0)
    }

    /// When it is over.
    pub fn end(&self) -> Instant {
        deadline::after(self.since, self.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_from_a_tenth_to_all() {
        let since = Instant::now();
        let start = SlowStart::new(since, Duration::from_secs(10)).unwrap();
        let share = |secs| start.share(since + Duration::from_secs(secs));
        assert_eq!([0, 1, 5, 10, 99].map(share), [0.1, 0.1, 0.5, 1.0, 1.0]);
        assert_eq!(start.end(), since + Duration::from_secs(10));
        assert_eq!(SlowStart::new(since, Duration::ZERO), None);
        assert!(SlowStart::new(since, Duration::MAX).unwrap().end() > since);
    }
}
