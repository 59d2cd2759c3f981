//! Answers of this node that may not have arrived.

use std::time::Duration;

use tokio::time::Instant;

/// Until when the caller of a call waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    /// It came with no deadline. Nodes of OTP say none; those of this library may say none at first, and what
    /// they say later counts for more.
    ForEver,
    /// The deadline that came with it.
    Until(Instant),
}

/// How long callers that say no deadline are taken to wait for an answer from who is silent. TCP tries
/// within it what it has sent in vain before, some 13 s after the first time, and not soon again.
const PATIENCE: Duration = Duration::from_secs(15);

/// Until when somebody waits for an answer that was given to a peer and may not have arrived.
///
/// A probe that is answered proves that all that was written before it has arrived: TCP keeps the order.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Those that were given since the last probe.
    since_probe: Option<Wanted>,
    /// Those before it that no probe has confirmed.
    before_probe: Option<Wanted>,
}

impl Answers {
    /// An answer was queued.
    pub(super) fn give(&mut self, wanted: Wanted) {
        self.since_probe = self.since_probe.max(Some(wanted));
    }

    /// A probe is to follow.
    pub(super) fn probe(&mut self) {
        self.before_probe = self.before_probe.max(self.since_probe.take());
    }

    /// What was given before the last probe has arrived.
    pub(super) fn confirm(&mut self) {
        self.before_probe = None;
    }

    /// Whether somebody is taken to wait for any of them, where the peer has been silent for so long.
    pub(super) fn are_wanted(&self, silent_for: Duration) -> bool {
        match self.before_probe.max(self.since_probe) {
            Some(Wanted::Until(deadline)) => deadline > Instant::now(),
            Some(Wanted::ForEver) => silent_for < PATIENCE,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: Duration = Duration::from_secs(14);

    #[test]
    fn an_answer_is_wanted_until_its_deadline_or_a_probe_after_it_is_answered() {
        let mut answers = Answers::default();
        assert!(!answers.are_wanted(SILENT));
        answers.give(Wanted::Until(Instant::now()));
        assert!(!answers.are_wanted(SILENT));
        for wanted in [
            Wanted::Until(Instant::now() + Duration::from_secs(600)),
            Wanted::ForEver,
        ] {
            answers.give(wanted);
            let is_dated = wanted != Wanted::ForEver;
            assert_eq!(answers.are_wanted(PATIENCE), is_dated);
            // The answer to a probe before it says nothing of it.
            answers.confirm();
            assert!(answers.are_wanted(SILENT));
            answers.probe();
            assert!(answers.are_wanted(SILENT));
            answers.confirm();
            assert!(!answers.are_wanted(SILENT));
        }
    }

    #[test]
    fn an_answer_without_a_deadline_hides_none_that_has_one() {
        let mut answers = Answers::default();
        answers.give(Wanted::Until(Instant::now() + Duration::from_secs(600)));
        answers.give(Wanted::ForEver);
        assert!(answers.are_wanted(PATIENCE));
        answers.probe();
        assert!(answers.are_wanted(PATIENCE));
    }
}
