//! The time that a call has, and how it waits for somebody to call.

use std::time::Duration;

use beam_dist::NodeName;
use tokio::time::Instant;

use super::target::TargetChanges;
use crate::{deadline, retry::Tries};

/// The time that a call has.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) begun: Instant,
    pub(super) timeout: Duration,
    pub(super) until: Option<Instant>,
    pub(super) deadline: Instant,
}

impl Clock {
    pub(super) fn start(timeout: Duration, until: Option<Instant>) -> Self {
        let begun = Instant::now();
        let deadline = deadline::after(begun, timeout);
        Self {
            begun,
            timeout,
            until,
            deadline: until.map_or(deadline, |until| until.min(deadline)),
        }
    }

    /// How long the call may take.
    pub(super) fn patience(&self) -> Duration {
        self.deadline.saturating_duration_since(self.begun)
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

/// A request that nobody has taken yet.
pub(super) struct Waiting {
    tries: Tries,
    changes: TargetChanges,
    /// The end of the pause that goes on, however often it is interrupted in vain.
    due: Option<Instant>,
    /// Who was asked last, before it waited.
    pub(super) asked_last: Option<NodeName>,
}

impl Waiting {
    /// From here on, changes of who may be called are noticed.
    pub(super) fn new(tries: Tries, changes: TargetChanges) -> Self {
        Self {
            tries,
            changes,
            due: None,
            asked_last: None,
        }
    }

    /// Those who were asked may be asked again.
    pub(super) fn forget(&mut self, asked: &mut Vec<NodeName>) {
        self.asked_last = asked.pop().or(self.asked_last.take());
        asked.clear();
    }

    /// Waits for a change of who may be called, or for the end of the pause, which costs a try;
    /// `false` where no time or no try is left.
    pub(super) async fn next(&mut self, clock: &Clock) -> bool {
        if self.tries.are_used_up() || clock.is_over() {
            return false;
        }
        let pause = || self.tries.pause().unwrap_or(clock.deadline);
        let end = *self.due.get_or_insert_with(pause);
        if !self.changes.next(end.min(clock.deadline)).await {
            self.tries.take();
            self.due = None;
        }
        !clock.is_over()
    }
}
