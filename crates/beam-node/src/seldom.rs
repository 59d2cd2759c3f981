//! Warnings that others can cause as often as they like.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long nothing more is said of the same matter.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets one warning pass in a while, or a few, and counts those in between.
#[derive(Debug)]
pub(crate) struct Seldom {
    /// How many pass in a while.
    few: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    passed: u32,
    left_out: u64,
}

impl Seldom {
    /// Lets so many pass in a while.
    pub(crate) fn few(few: u32) -> Self {
        Self {
            few,
            state: Mutex::default(),
        }
    }

    /// Whether to warn now; then how many warnings were left out since the last one.
    pub(crate) fn now(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.since.is_none_or(|since| now >= since + PAUSE) {
            state.since = Some(now);
            state.passed = 0;
        }
        if state.passed >= self.few {
            state.left_out += 1;
            return None;
        }
        state.passed += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

impl Default for Seldom {
    fn default() -> Self {
        Self::few(1)
    }
}

/// What a node warns of, one matter each, so that none keeps another from being told.
#[derive(Debug)]
pub(crate) struct Warnings {
    /// Peers with another cookie.
    pub(crate) authentication: Seldom,
    /// Peers that are on no list of those that may connect.
    pub(crate) not_allowed: Seldom,
    /// Peers for which there is no room.
    pub(crate) peers: Seldom,
    pub(crate) connections: Seldom,
    /// Callers that are on no list of those that may call.
    pub(crate) callers: Seldom,
    pub(crate) payloads: Seldom,
    pub(crate) monitors: Seldom,
    pub(crate) mailboxes: Seldom,
    pub(crate) results: Seldom,
    /// Events of refused connections.
    pub(crate) refusals: Seldom,
}

impl Default for Warnings {
    fn default() -> Self {
        Self {
            authentication: Seldom::default(),
            not_allowed: Seldom::default(),
            peers: Seldom::default(),
            connections: Seldom::default(),
            callers: Seldom::default(),
            payloads: Seldom::default(),
            monitors: Seldom::default(),
            mailboxes: Seldom::default(),
            results: Seldom::default(),
            refusals: Seldom::few(REFUSALS),
        }
    }
}

/// How many refused connections are told as events in a while: a tenth of those that a listener may
/// fall behind.
const REFUSALS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_warning_passes_in_a_while_and_tells_how_many_did_not() {
        let seldom = Seldom::default();
        assert_eq!(seldom.now(), Some(0));
        assert_eq!([seldom.now(), seldom.now()], [None, None]);
        tokio::time::advance(PAUSE).await;
        assert_eq!(seldom.now(), Some(2));
        assert_eq!(seldom.now(), None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(seldom.now(), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_may_pass_at_once() {
        let seldom = Seldom::few(2);
        assert_eq!(
            [seldom.now(), seldom.now(), seldom.now()],
            [Some(0), Some(0), None]
        );
        tokio::time::advance(PAUSE).await;
        assert_eq!(
            [seldom.now(), seldom.now(), seldom.now()],
            [Some(1), Some(0), None]
        );
    }
}
