//! Answers of this node that may not have arrived.

use std::time::Duration;

use tokio::time::Instant;

/// Until when the caller of a call waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It came with no deadline, as from nodes of OTP.
    ForEver,
    /// The deadline that came with it.
    Until(Instant),
}

/// How long callers that say no deadline are taken to wait for an answer from who is silent. TCP tries
/// within it what it has sent in vain before, some 13 s after the first time, and not soon again.
const PATIENCE: Duration = Duration::from_secs(15);

/// The answers that were given to a peer and may not have arrived.
///
/// A probe that is answered proves that all that was written before it has arrived: TCP keeps the order.
#[derive(Debug, Default)]
pub(super) struct Answers {
    since_probe: Given,
    /// Those before the last probe, which no probe has confirmed.
    before_probe: Given,
}

/// The last of some answers.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    /// The latest deadline.
    until: Option<Instant>,
    /// When the last one was given to who said none.
    undated: Option<Instant>,
}

impl Answers {
    /// An answer was queued.
    pub(super) fn give(&mut self, wanted: Wanted) {
        let given = &mut self.since_probe;
        match wanted {
            Wanted::Until(deadline) => given.until = given.until.max(Some(deadline)),
            Wanted::ForEver => given.undated = Some(Instant::now()),
        }
    }

    /// A probe is to follow.
    pub(super) fn probe(&mut self) {
        let given = std::mem::take(&mut self.since_probe);
        let all = &mut self.before_probe;
        all.until = all.until.max(given.until);
        all.undated = given.undated.or(all.undated);
    }

    /// What was given before the last probe has arrived.
    pub(super) fn confirm(&mut self) {
        self.before_probe = Given::default();
    }

    /// Whether there are any.
    pub(super) fn are_unconfirmed(&self) -> bool {
        [self.before_probe, self.since_probe]
            .iter()
            .any(|given| given.until.is_some() || given.undated.is_some())
    }

    /// Whether somebody is taken to wait for any of them, where the peer has been silent for so long.
    pub(super) fn are_wanted(&self, silent_for: Duration) -> bool {
        [self.before_probe, self.since_probe].iter().any(|given| {
            let waits = |given: Instant| silent_for.min(given.elapsed()) < PATIENCE;
            given.until.is_some_and(|until| until > Instant::now())
                || given.undated.is_some_and(waits)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_wanted_until_its_deadline_or_a_probe_after_it_is_answered() {
        let mut answers = Answers::default();
        assert!(!answers.are_wanted(PATIENCE));
        answers.give(Wanted::Until(Instant::now()));
        assert!(!answers.are_wanted(PATIENCE));
        answers.give(Wanted::Until(Instant::now() + 2 * PATIENCE));
        answers.give(Wanted::Until(Instant::now()));
        assert!(answers.are_wanted(PATIENCE));
        // The answer to a probe before it says nothing of it.
        answers.confirm();
        assert!(answers.are_wanted(PATIENCE));
        answers.probe();
        assert!(answers.are_wanted(PATIENCE));
        advance(2 * PATIENCE).await;
        assert!(!answers.are_wanted(PATIENCE));

        answers.give(Wanted::Until(Instant::now() + PATIENCE));
        answers.probe();
        answers.confirm();
        assert!(!answers.are_wanted(PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_a_deadline_is_wanted_for_some_time_of_silence_after_it() {
        let mut answers = Answers::default();
        let silent = 2 * PATIENCE;
        answers.give(Wanted::ForEver);
        // Neither hides the other.
        answers.give(Wanted::Until(Instant::now()));
        assert!(answers.are_wanted(silent));
        answers.probe();
        advance(PATIENCE).await;
        assert!(!answers.are_wanted(silent));
        assert!(answers.are_wanted(Duration::ZERO));
        answers.give(Wanted::Until(Instant::now() + PATIENCE));
        answers.give(Wanted::ForEver);
        advance(PATIENCE / 2).await;
        assert!(answers.are_wanted(silent));
        answers.probe();
        answers.confirm();
        assert!(!answers.are_wanted(Duration::ZERO));
    }
}
