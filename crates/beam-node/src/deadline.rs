//! From how long something may take to when it must be over.

use std::time::Duration;

use tokio::time::Instant;

/// As good as never, and still an instant that clocks can tell.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant after which nobody wants the result any more.
pub(crate) fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST)
}

/// How long a call or cast may take, as its caller says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) timeout: Duration,
    /// When the timeout began, if it did not begin with the call.
    pub(crate) since: Option<Instant>,
    /// When it is over in any case.
    pub(crate) until: Option<Instant>,
}

/// The time that is left, as of an instant not long ago.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remaining {
    /// The instant after which nobody wants the result any more.
    pub(crate) deadline: Instant,
    /// How long it was in all.
    pub(crate) timeout: Duration,
    now: Instant,
}

impl Patience {
    /// So much from the beginning.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            since: None,
            until: None,
        }
    }

    /// The time that is left now, if any is.
    pub(crate) fn begin(self) -> Option<Remaining> {
        let now = Instant::now();
        let begun = self.since.unwrap_or(now);
        let mut deadline = begun + self.timeout.min(LONGEST);
        let mut timeout = self.timeout;
        if let Some(until) = self.until
            && until < deadline
        {
            deadline = until;
            timeout = until.saturating_duration_since(begun);
        }
        (deadline > now).then_some(Remaining {
            deadline,
            timeout,
            now,
        })
    }
}

impl Remaining {
    /// What is left by now.
    pub(crate) fn updated(self) -> Self {
        Self {
            now: Instant::now(),
            ..self
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline <= self.now
    }

    /// In whole milliseconds, at least one as long as it is not over.
    pub(crate) fn as_millis(&self) -> u64 {
        let left = self.deadline.saturating_duration_since(self.now);
        let millis = left.as_secs() * 1000 + u64::from(left.subsec_millis());
        millis.max(u64::from(!self.is_over()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn no_timeout_is_too_long() {
        assert!(after(Duration::MAX) > Instant::now());
        let longest = Patience::new(Duration::MAX).begin().unwrap();
        assert_eq!(longest.as_millis(), LONGEST.as_millis() as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn whichever_comes_first_the_timeout_or_the_deadline_counts() {
        let now = Instant::now();
        let left = |since: Option<Duration>, until: Option<Duration>| {
            let patience = Patience {
                since: since.map(|ago| now - ago),
                until: until.map(|ahead| now + ahead),
                ..Patience::new(4 * SECOND)
            };
            let remaining = patience.begin()?;
            assert!(!remaining.is_over());
            Some((remaining.deadline - now, remaining.timeout))
        };
        let (short, long) = (Some(SECOND), Some(9 * SECOND));
        assert_eq!(left(None, None), Some((4 * SECOND, 4 * SECOND)));
        assert_eq!(left(None, long), Some((4 * SECOND, 4 * SECOND)));
        assert_eq!(left(None, short), Some((SECOND, SECOND)));
        assert_eq!(left(short, None), Some((3 * SECOND, 4 * SECOND)));
        assert_eq!(left(short, short), Some((SECOND, 2 * SECOND)));
        assert_eq!(left(long, long), None);
        assert_eq!(left(None, Some(Duration::ZERO)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_counted_in_whole_milliseconds_and_never_as_nothing() {
        let remaining = Patience::new(SECOND + MILLISECOND / 2).begin().unwrap();
        assert_eq!(remaining.as_millis(), 1000);
        tokio::time::advance(SECOND).await;
        assert_eq!(remaining.as_millis(), 1000);
        let last = remaining.updated();
        assert!(!last.is_over());
        assert_eq!(last.as_millis(), 1);
        tokio::time::advance(MILLISECOND).await;
        let none = last.updated();
        assert!(none.is_over());
        assert_eq!(none.as_millis(), 0);
    }
}
