//! Answers of this node that may not have arrived.

use tokio::time::Instant;

/// Until when the caller of a call waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    /// The deadline that came with it.
    Until(Instant),
    /// It came with none.
    ForEver,
}

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

    /// Whether somebody waits for any of them.
    pub(super) fn are_wanted(&self) -> bool {
        match self.before_probe.max(self.since_probe) {
            Some(Wanted::Until(deadline)) => deadline > Instant::now(),
            Some(Wanted::ForEver) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_is_wanted_until_its_deadline_or_a_probe_after_it_is_answered() {
        let mut answers = Answers::default();
        assert!(!answers.are_wanted());
        answers.give(Wanted::Until(Instant::now()));
        assert!(!answers.are_wanted());
        for wanted in [
            Wanted::Until(Instant::now() + Duration::from_secs(600)),
            Wanted::ForEver,
        ] {
            answers.give(wanted);
            answers.give(Wanted::Until(Instant::now()));
            assert!(answers.are_wanted());
            // The answer to a probe before it says nothing of it.
            answers.confirm();
            assert!(answers.are_wanted());
            answers.probe();
            assert!(answers.are_wanted());
            answers.confirm();
            assert!(!answers.are_wanted());
        }
    }
}
