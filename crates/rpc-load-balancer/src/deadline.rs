//! From how long something may take to when it must be over.

use std::time::Duration;

use tokio::time::Instant;

/// As good as never, and still an instant that clocks can tell.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant that lies so long after another one; what no clock can tell is as good as never.
pub(crate) fn after(begun: Instant, duration: Duration) -> Instant {
    begun + duration.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_duration_is_too_long() {
        let now = Instant::now();
        assert!(after(now, Duration::MAX) > now);
        let second = Duration::from_secs(1);
        assert_eq!(after(now, second), now + second);
    }
}
