//! From how long something may take to when it must be over.

use std::time::Duration;

use tokio::time::Instant;

/// As good as never, and still an instant that clocks can tell.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant after which nobody wants the result any more.
pub(crate) fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST)
}

/// The same for a time that began earlier, or begins now; `None` where there is no time left.
pub(crate) fn of(timeout: Duration, since: Option<Instant>) -> Option<Instant> {
    if timeout.is_zero() {
        return None;
    }
    let Some(since) = since else {
        return Some(after(timeout));
    };
    let deadline = since + timeout.min(LONGEST);
    (deadline > Instant::now()).then_some(deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_timeout_is_too_long() {
        assert!(after(Duration::MAX) > Instant::now());
    }
}
