//! Trying again when there is nobody to call.

use std::time::Duration;

use beam_node::{Cause, Error};
use tokio::time::Instant;

use crate::deadline;

/// How often, and how patiently, to try again when there is no route: no member, or none that can be
/// reached. A call that may have reached anybody is not sent again for that; one that may run more than
/// once is, see [`RetryBudget`](crate::RetryBudget).
///
/// Default: five times, with pauses of 5 s. A balanced call does not sit a pause out: it goes on the
/// moment that a member joins, which costs none of the tries. Its timeout bounds all of it.
///
/// ```
/// use std::time::Duration;
///
/// use rpc_load_balancer::Retry;
///
/// let patient = Retry::times(20).pause(Duration::from_millis(500));
/// assert_eq!(Retry::default(), Retry::times(5).pause(Duration::from_secs(5)));
/// assert_ne!(patient, Retry::forever());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// None: without end.
    times: Option<u32>,
    pause: Duration,
}

impl Retry {
    /// One try only.
    pub const fn never() -> Self {
        Self::times(0)
    }

    /// So many tries after the first.
    pub const fn times(times: u32) -> Self {
        Self {
            times: Some(times),
            pause: Duration::from_secs(5),
        }
    }

    /// Tries without end. The timeout of a call still ends them.
    pub const fn forever() -> Self {
        Self {
            times: None,
            ..Self::never()
        }
    }

    /// Sets how long to wait between two tries. Default: 5 s.
    pub const fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub(crate) fn begin(self) -> Tries {
        Tries {
            left: self.times,
            pause: self.pause,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::times(5)
    }
}

/// The tries that are left.
#[derive(Debug)]
pub(crate) struct Tries {
    left: Option<u32>,
    pause: Duration,
}

impl Tries {
    /// Whether there is none left.
    pub(crate) fn are_used_up(&self) -> bool {
        self.left == Some(0)
    }

    /// When the next pause ends, if there is still a try after it.
    pub(crate) fn pause(&self) -> Option<Instant> {
        (!self.are_used_up()).then(|| deadline::after(Instant::now(), self.pause))
    }

    /// A pause was sat out: the next try counts.
    pub(crate) fn take(&mut self) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
    }
}

/// Does something again as long as it fails for want of a route, and `retry` lets it.
///
/// Everything else is returned as it comes: it may have been done. There is no timeout; wrap the
/// future in one where it is needed.
///
/// ```
/// use std::time::Duration;
///
/// use rpc_load_balancer::{Balancer, Error, Retry, with_retry};
///
/// # async fn example(balancer: Balancer) -> Result<(), Error> {
/// let retry = Retry::times(3).pause(Duration::from_millis(200));
/// let lease = with_retry(retry, async || balancer.select()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The last one of `attempt`.
///
/// # Cancellation safety
///
/// As that of `attempt`.
pub async fn with_retry<T>(
    retry: Retry,
    mut attempt: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut tries = retry.begin();
    loop {
        match attempt().await {
            Err(error) if is_no_route(&error) => match tries.pause() {
                Some(due) => tokio::time::sleep_until(due).await,
                None => return Err(error),
            },
            done => return done,
        }
        tries.take();
    }
}

/// Whether there was nobody to call, so that nothing has happened.
pub(crate) fn is_no_route(error: &Error) -> bool {
    matches!(error.cause(), Cause::NoMembers | Cause::NotConnected(_))
}

#[cfg(test)]
mod tests {
    use beam_node::Code;

    use super::*;

    fn no_members() -> Error {
        Error::new(Code::ServiceUnavailable, "no members", Cause::NoMembers)
    }

    /// How often something is tried that fails so.
    async fn tries(retry: Retry, error: &Error) -> u32 {
        let mut tries = 0;
        let result: Result<(), Error> = with_retry(retry, async || {
            tries += 1;
            Err(error.clone())
        })
        .await;
        assert_eq!(result.unwrap_err().code, error.code);
        tries
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_want_of_a_route_is_tried_again() {
        assert_eq!(tries(Retry::default(), &no_members()).await, 6);
        assert_eq!(tries(Retry::never(), &no_members()).await, 1);
        let lost = Error::new(Code::ServiceUnavailable, "lost", Cause::ConnectionLost);
        assert_eq!(tries(Retry::forever(), &lost).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_without_end_end_with_success() {
        let begun = Instant::now();
        let mut failures = 100;
        let result = with_retry(Retry::forever(), async || {
            failures -= 1;
            if failures > 0 {
                Err(no_members())
            } else {
                Ok(7)
            }
        });
        assert_eq!(result.await.unwrap(), 7);
        assert_eq!(begun.elapsed(), 99 * Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_can_be_of_any_length() {
        let retry = Retry::times(1).pause(Duration::MAX);
        assert_eq!(tries(retry, &no_members()).await, 2);
    }
}
