//! Warnings that others can cause as often as they like.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long nothing more is said of the same matter.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets one warning pass in a while, and counts those in between.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    silent_until: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Whether to warn now; then how many warnings were left out since the last one.
    pub(crate) fn now(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.silent_until.is_some_and(|until| now < until) {
            state.left_out += 1;
            return None;
        }
        state.silent_until = Some(now + PAUSE);
        Some(std::mem::take(&mut state.left_out))
    }
}

/// What a node warns of, one matter each.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    pub(crate) connections: Seldom,
    pub(crate) payloads: Seldom,
    pub(crate) monitors: Seldom,
    pub(crate) mailboxes: Seldom,
    pub(crate) results: Seldom,
}

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
}
