//! When a node is tried that could not be reached.

use std::{io::ErrorKind, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{backoff::Backoff, connect::ConnectError};

/// The shortest pause after a failed attempt to connect.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between the beginnings of two attempts. A connection that lasts no longer is no
/// reason to begin with short pauses again.
///
/// It decides how soon nodes find each other again after a cut: an attempt that meets with silence
/// takes the time of a handshake, 5 s, in which the system tries the last time after 3 s, and the next
/// follows at once; one that is refused is followed by another after 2 s. So nodes are connected some
/// 2 s after the network is whole.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// After how long a node counts as gone for good.
pub(super) const LONG_OUTAGE: Duration = Duration::from_secs(10 * 60);

/// The longest pause after an attempt at a node that is gone for good.
const LATE_PAUSE: Duration = Duration::from_secs(10);

/// The attempts to connect to one node, and the pauses between them.
#[derive(Debug)]
pub(super) struct Attempts {
    early: Backoff,
    late: Backoff,
    began: Instant,
    failing_since: Option<Instant>,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            early: Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE),
            late: Backoff::new(LATE_PAUSE, LATE_PAUSE),
            began: Instant::now(),
            failing_since: None,
        }
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// It failed.
    pub(super) fn failed(&mut self) {
        self.failing_since.get_or_insert(self.began);
    }

    /// It led to a connection, which was lost after this long.
    pub(super) fn lost(&mut self, lasted: Duration) {
        self.began = Instant::now();
        self.failing_since = None;
        if lasted > LONGEST_PAUSE {
            self.early.reset();
        }
    }

    /// Whether all attempts have failed for so long that the node may be gone for good.
    pub(super) fn is_long_outage(&self) -> bool {
        self.failing_since
            .is_some_and(|since| since.elapsed() >= LONG_OUTAGE)
    }

    /// Waits until it is time for the next one.
    ///
    /// The pause counts from the beginning of the one before: where that waited in vain it has been
    /// pause enough.
    pub(super) async fn pause(&mut self) {
        let now = Instant::now();
        let next = match self.is_long_outage() {
            true => now + self.late.pause(),
            false => (self.began + self.early.pause()).max(now + SHORTEST_PAUSE / 2),
        };
        sleep_until(next).await;
    }
}

/// Whether an attempt met with silence, as in a network that is cut, rather than with an answer.
pub(super) fn met_with_silence(error: &ConnectError) -> bool {
    match error {
        ConnectError::TimedOut { .. } => true,
        // A name that is not known, and a server that cannot be asked, look alike otherwise.
        ConnectError::HostUnresolved { error, .. } => error.kind == ErrorKind::TimedOut,
        ConnectError::NoEpmd { error, .. }
        | ConnectError::Unreachable { error, .. }
        | ConnectError::Io { error, .. } => !matches!(
            error.kind,
            ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::InvalidData
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// Makes attempts that fail after this long, and gives the longest time between the end of one
    /// and the beginning of the next.
    async fn longest_pause(attempts: &mut Attempts, count: u32, taking: Duration) -> Duration {
        let mut longest = Duration::ZERO;
        for _ in 0..count {
            attempts.begin();
            advance(taking).await;
            attempts.failed();
            let ended = Instant::now();
            attempts.pause().await;
            longest = longest.max(ended.elapsed());
        }
        longest
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_refuses_is_tried_every_two_seconds_at_least() {
        let mut attempts = Attempts::new();
        let longest = longest_pause(&mut attempts, 100, Duration::ZERO).await;
        assert!(longest > LONGEST_PAUSE / 2 && longest <= LONGEST_PAUSE + TICK);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_waited_in_vain_is_followed_by_another_at_once() {
        let mut attempts = Attempts::new();
        let longest = longest_pause(&mut attempts, 100, Duration::from_secs(5)).await;
        assert!(longest <= SHORTEST_PAUSE, "{longest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_gone_for_good_is_tried_less_often() {
        let mut attempts = Attempts::new();
        while !attempts.is_long_outage() {
            longest_pause(&mut attempts, 1, Duration::from_secs(5)).await;
        }
        let begun = Instant::now();
        longest_pause(&mut attempts, 10, Duration::from_secs(5)).await;
        assert!(begun.elapsed() >= 10 * LATE_PAUSE, "{:?}", begun.elapsed());

        attempts.lost(LONGEST_PAUSE * 2);
        assert!(!attempts.is_long_outage());
        let longest = longest_pause(&mut attempts, 3, Duration::ZERO).await;
        assert!(longest <= SHORTEST_PAUSE * 4 + TICK, "{longest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_do_not_last_are_made_less_and_less_often() {
        let mut attempts = Attempts::new();
        let begun = Instant::now();
        for _ in 0..20 {
            attempts.begin();
            attempts.lost(Duration::ZERO);
            attempts.pause().await;
        }
        assert!(begun.elapsed() >= 14 * LONGEST_PAUSE / 2);
    }

    /// How exactly tokio's timers fire.
    const TICK: Duration = Duration::from_millis(1);
}
