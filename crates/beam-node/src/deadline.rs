//! From how long something may take to when it must be over.

use std::time::Duration;

use tokio::time::Instant;

/// As good as never, and still an instant that clocks can tell.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant after which nobody wants the result any more.
pub(crate) fn after(timeout: Duration) -> Instant {
    of(timeout, None)
}

/// The same for a time that began earlier, or begins now.
pub(crate) fn of(timeout: Duration, since: Option<Instant>) -> Instant {
    since.unwrap_or_else(Instant::now) + timeout.min(LONGEST)
}

/// Whether a time that began earlier has run out already. One that begins now has not.
pub(crate) fn is_over(deadline: Instant, since: Option<Instant>) -> bool {
    since.is_some() && deadline <= Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_timeout_is_too_long() {
        assert!(after(Duration::MAX) > Instant::now());
    }
}
