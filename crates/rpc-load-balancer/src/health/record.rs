//! How the calls to one member went.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    members::{Outcome, OutcomeKind},
    overload::Gate,
};

/// How the calls to one member went since somebody asked last.
///
/// It is written with each outcome, by many threads, and costs each one addition.
#[derive(Debug)]
pub(crate) struct Record {
    /// Failures since the last success.
    failures_in_a_row: AtomicU32,
    /// How many calls were answered, and the microseconds that it took them all together.
    answered: AtomicU64,
    failed: AtomicU32,
    /// Whether the member refused a call.
    has_refused: AtomicBool,
    /// Whether a call was given up since the last answer; so that answers need not look closer.
    has_abandoned: AtomicBool,
    abandoned: Mutex<Abandoned>,
    made: Instant,
    /// Since when it is the one that it is, in microseconds since this was made; 0: from the beginning.
    /// What was begun before was begun with another incarnation, or before the member was away.
    since: AtomicU64,
}

/// The calls that were given up since the member answered last.
#[derive(Debug, Default)]
struct Abandoned {
    /// For how long at least one of them waited since the first one was given up. Before that, there may
    /// have been an answer while it waited.
    waited: Duration,
    /// When the last one was given up.
    until: Option<Instant>,
}

/// The calls to a member between two comparisons.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Window {
    pub(super) answered: u32,
    pub(super) failed: u32,
    /// The mean time until an answer; zero where there was none.
    pub(super) latency: Duration,
}

/// What the records of a pool report at once, and to whom.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// After so many failures in a row; 0: never.
    failures_in_a_row: AtomicU32,
    raised_counts: AtomicBool,
    /// Whether there was a report that nobody has looked at.
    is_unread: AtomicBool,
    reported: Notify,
    /// Where calls may wait for a selection to end.
    gate: OnceLock<Arc<Gate>>,
}

/// The upper part of `answered` counts, the rest adds up time: twelve days in microseconds, and sixteen
/// million calls.
const ONE_ANSWER: u64 = 1 << 40;

/// No single answer counts for more, so that the sum cannot overflow into the count before the window
/// ends.
const LONGEST: Duration = Duration::from_secs(60);

/// An answer that took less spoils no mean, whenever its call was begun; so that most need no look at the
/// time.
const SHORT: Duration = Duration::from_millis(10);

impl Default for Record {
    fn default() -> Self {
        Self {
            failures_in_a_row: AtomicU32::default(),
            answered: AtomicU64::default(),
            failed: AtomicU32::default(),
            has_refused: AtomicBool::default(),
            has_abandoned: AtomicBool::default(),
            abandoned: Mutex::default(),
            made: Instant::now(),
            since: AtomicU64::default(),
        }
    }
}

impl Record {
    /// A call ended so. One that was begun before the member was away says nothing of it.
    pub(crate) fn note(&self, outcome: &Outcome, reports: &Reports) {
        let is_short = outcome.is_success() && outcome.elapsed < SHORT;
        if !is_short && self.is_of_before(outcome.elapsed) {
            return;
        }
        let failed = match outcome.kind {
            OutcomeKind::Success => false,
            OutcomeKind::Raised => reports.raised_counts.load(Ordering::Relaxed),
            OutcomeKind::TimedOut | OutcomeKind::Unreachable => true,
            OutcomeKind::Abandoned => return self.note_slowness(outcome.elapsed),
            OutcomeKind::Refused => {
                if !self.has_refused.swap(true, Ordering::Relaxed) {
                    reports.report();
                }
                true
            }
        };
        if !failed {
            if self.failures_in_a_row.load(Ordering::Relaxed) != 0 {
                self.failures_in_a_row.store(0, Ordering::Relaxed);
            }
            if self.has_abandoned.load(Ordering::Relaxed) {
                self.forget_abandoned();
            }
            self.answered
                .fetch_add(answer(outcome.elapsed), Ordering::Relaxed);
            return;
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
        let in_a_row = self.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if in_a_row == reports.failures_in_a_row.load(Ordering::Relaxed) {
            reports.report();
        }
    }

    /// What it means that a call is given up after this time; nothing where it was begun before the member
    /// was away. Else that the member did not answer in time, once it has answered nothing for as long as
    /// such a call may take. Calls may be given up long before that, because another member was faster, for
    /// example; a member that hangs must not be spared for it.
    pub(crate) fn abandon(&self, elapsed: Duration, patience: Duration) -> Option<OutcomeKind> {
        if self.is_of_before(elapsed) {
            return None;
        }
        let now = Instant::now();
        let mut abandoned = self.abandoned();
        if let Some(until) = abandoned.until.replace(now) {
            abandoned.waited += elapsed.min(now.saturating_duration_since(until));
        }
        self.has_abandoned.store(true, Ordering::Relaxed);
        Some(match abandoned.waited >= patience {
            true => OutcomeKind::TimedOut,
            false => OutcomeKind::Abandoned,
        })
    }

    /// An answer would have taken longer than this. That says something where others took less.
    fn note_slowness(&self, elapsed: Duration) {
        let answered = self.answered.load(Ordering::Relaxed);
        if elapsed > mean(answered) {
            self.answered.fetch_add(answer(elapsed), Ordering::Relaxed);
        }
    }

    fn forget_abandoned(&self) {
        self.has_abandoned.store(false, Ordering::Relaxed);
        *self.abandoned() = Abandoned::default();
    }

    fn abandoned(&self) -> MutexGuard<'_, Abandoned> {
        self.abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls since this was asked last.
    pub(crate) fn take_window(&self) -> Window {
        let answered = self.answered.swap(0, Ordering::Relaxed);
        Window {
            answered: (answered / ONE_ANSWER) as u32,
            failed: self.failed.swap(0, Ordering::Relaxed),
            latency: mean(answered),
        }
    }

    /// How many calls have failed since the last that did not, if they are enough to be reported; they
    /// are not reported again.
    pub(crate) fn take_failures(&self, reports: &Reports) -> Option<u32> {
        let enough = reports.failures_in_a_row.load(Ordering::Relaxed);
        let in_a_row = self.failures_in_a_row.load(Ordering::Relaxed);
        if enough == 0 || in_a_row < enough {
            return None;
        }
        self.failures_in_a_row.store(0, Ordering::Relaxed);
        Some(in_a_row)
    }

    /// Whether the member refused a call since this was asked last.
    pub(crate) fn take_refusal(&self) -> bool {
        self.has_refused.load(Ordering::Relaxed) && self.has_refused.swap(false, Ordering::Relaxed)
    }

    /// Whether a call that took so long until now was begun with an earlier incarnation of the member, or
    /// before it was away.
    fn is_of_before(&self, elapsed: Duration) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        since != 0 && self.made.elapsed() < Duration::from_micros(since).saturating_add(elapsed)
    }

    /// Forgets all: the member is another incarnation since `now`, or was away until then, and calls that
    /// were begun before, which may still fail, say nothing of it.
    pub(crate) fn begin_anew(&self, now: Instant) {
        let since = now.saturating_duration_since(self.made).as_micros();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.since.store(since.max(1), Ordering::Relaxed);
        self.failures_in_a_row.store(0, Ordering::Relaxed);
        self.has_refused.store(false, Ordering::Relaxed);
        self.forget_abandoned();
        self.take_window();
    }
}

/// What an answer that took so long adds.
fn answer(elapsed: Duration) -> u64 {
    ONE_ANSWER + elapsed.min(LONGEST).as_micros() as u64
}

/// How long the answers took on average; zero where there was none.
fn mean(answered: u64) -> Duration {
    let (count, micros) = (answered / ONE_ANSWER, answered % ONE_ANSWER);
    Duration::from_micros(micros.checked_div(count).unwrap_or(0))
}

impl Reports {
    /// Sets what is reported: so many failures in a row, where exceptions are failures or not.
    pub(crate) fn ask_for(&self, (failures_in_a_row, raised_counts): (u32, bool)) {
        self.failures_in_a_row
            .store(failures_in_a_row, Ordering::Relaxed);
        self.raised_counts.store(raised_counts, Ordering::Relaxed);
    }

    /// Sets where calls wait for selections to end; it stays.
    pub(crate) fn tell_of_room(&self, gate: &Arc<Gate>) {
        let _ = self.gate.set(Arc::clone(gate));
    }

    /// A selection has ended, or the members have changed: there may be room for a call.
    pub(crate) fn made_room(&self) {
        if let Some(gate) = self.gate.get() {
            gate.made_room();
        }
    }

    fn report(&self) {
        self.is_unread.store(true, Ordering::Release);
        self.reported.notify_one();
    }

    /// Whether something was reported since this was asked last.
    pub(crate) fn take(&self) -> bool {
        self.is_unread.swap(false, Ordering::Acquire)
    }

    /// Waits for a report. One that comes while nobody waits is not lost.
    pub(crate) async fn next(&self) {
        self.reported.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn note(record: &Record, reports: &Reports, kind: OutcomeKind, ms: u64) {
        let outcome = Outcome::new(kind, Duration::from_millis(ms));
        record.note(&outcome, reports);
    }

    #[test]
    fn failures_are_reported_once_they_are_enough_in_a_row() {
        let (record, reports) = (Record::default(), Reports::default());
        reports.ask_for((3, false));
        for kind in [
            OutcomeKind::TimedOut,
            OutcomeKind::Unreachable,
            // The member is there, and does what it is asked.
            OutcomeKind::Raised,
            OutcomeKind::TimedOut,
            OutcomeKind::TimedOut,
        ] {
            note(&record, &reports, kind, 1);
        }
        assert!(reports.next().now_or_never().is_none());
        assert_eq!(record.take_failures(&reports), None);
        note(&record, &reports, OutcomeKind::TimedOut, 1);
        assert!(reports.next().now_or_never().is_some());
        note(&record, &reports, OutcomeKind::TimedOut, 1);
        assert_eq!(record.take_failures(&reports), Some(4));
        assert_eq!(record.take_failures(&reports), None);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_are_given_up_are_failures_once_nothing_was_answered_for_as_long_as_they_may_take()
     {
        let (record, patience) = (Record::default(), 100 * MS);
        let abandon = |ms: u32| record.abandon(ms * MS, patience).unwrap();
        tokio::time::advance(90 * MS).await;
        note(&record, &Reports::default(), OutcomeKind::Success, 1);
        // That it waited before the answer says nothing.
        assert_eq!(abandon(90), OutcomeKind::Abandoned);
        // Of calls that wait at the same time the time counts once, and time without calls does not.
        tokio::time::advance(60 * MS).await;
        assert_eq!([abandon(60), abandon(150)], [OutcomeKind::Abandoned; 2]);
        tokio::time::advance(1_000 * MS).await;
        assert_eq!(abandon(30), OutcomeKind::Abandoned);
        tokio::time::advance(10 * MS).await;
        assert_eq!(abandon(10), OutcomeKind::TimedOut);
        assert_eq!(abandon(1), OutcomeKind::TimedOut);
        // An answer shows that the member does not hang.
        note(&record, &Reports::default(), OutcomeKind::Success, 1);
        tokio::time::advance(90 * MS).await;
        assert_eq!(abandon(90), OutcomeKind::Abandoned);
        tokio::time::advance(90 * MS).await;
        assert_eq!(abandon(90), OutcomeKind::Abandoned);
    }

    #[test]
    fn calls_that_are_given_up_are_no_failures_but_show_how_slow_the_member_is() {
        let (record, reports) = (Record::default(), Reports::default());
        note(&record, &reports, OutcomeKind::Success, 10);
        note(&record, &reports, OutcomeKind::Abandoned, 50);
        // It may have taken as long as others.
        note(&record, &reports, OutcomeKind::Abandoned, 2);
        let window = record.take_window();
        assert_eq!((window.answered, window.failed), (2, 0));
        assert_eq!(window.latency, 30 * MS);
    }

    #[test]
    fn exceptions_are_failures_where_they_are_said_to_be() {
        let (record, reports) = (Record::default(), Reports::default());
        reports.ask_for((2, true));
        note(&record, &reports, OutcomeKind::Raised, 1);
        note(&record, &reports, OutcomeKind::Raised, 1);
        assert_eq!(record.take_failures(&reports), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_were_begun_with_another_incarnation_say_nothing_of_this_one() {
        let (record, reports) = (Record::default(), Reports::default());
        reports.ask_for((1, false));
        note(&record, &reports, OutcomeKind::Unreachable, 1);
        tokio::time::advance(10 * MS).await;
        record.begin_anew(Instant::now());
        assert_eq!(record.take_failures(&reports), None);
        tokio::time::advance(10 * MS).await;
        note(&record, &reports, OutcomeKind::Unreachable, 11);
        assert_eq!(record.abandon(11 * MS, 11 * MS), None);
        assert_eq!(record.take_failures(&reports), None);
        note(&record, &reports, OutcomeKind::Unreachable, 9);
        assert_eq!(record.take_failures(&reports), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_to_calls_that_were_begun_before_the_member_was_away_are_none_of_its_answers_now()
     {
        let (record, reports) = (Record::default(), Reports::default());
        tokio::time::advance(40_000 * MS).await;
        record.begin_anew(Instant::now());
        tokio::time::advance(100 * MS).await;
        for _ in 0..200 {
            note(&record, &reports, OutcomeKind::Success, 1);
        }
        note(&record, &reports, OutcomeKind::Success, 30_000);
        note(&record, &reports, OutcomeKind::Raised, 30_000);
        note(&record, &reports, OutcomeKind::Abandoned, 30_000);
        assert_eq!(record.abandon(30_000 * MS, 60_000 * MS), None);
        let window = record.take_window();
        assert_eq!((window.answered, window.latency), (200, MS));
        // Those that were begun since then count, however long they take.
        note(&record, &reports, OutcomeKind::Success, 99);
        assert_eq!(record.take_window().latency, 99 * MS);
    }

    #[test]
    fn a_refusal_is_reported_at_once_and_only_once() {
        let (record, reports) = (Record::default(), Reports::default());
        note(&record, &reports, OutcomeKind::Refused, 0);
        assert!(reports.next().now_or_never().is_some());
        note(&record, &reports, OutcomeKind::Refused, 0);
        assert!(reports.next().now_or_never().is_none());
        assert!(record.take_refusal());
        assert!(!record.take_refusal());
    }

    #[test]
    fn a_window_has_the_calls_since_the_last_one() {
        let (record, reports) = (Record::default(), Reports::default());
        for ms in [10, 20, 60] {
            note(&record, &reports, OutcomeKind::Success, ms);
        }
        note(&record, &reports, OutcomeKind::TimedOut, 1_000);
        let window = Window {
            answered: 3,
            failed: 1,
            latency: Duration::from_millis(30),
        };
        assert_eq!(record.take_window(), window);
        assert_eq!(record.take_window(), Window::default());
    }

    #[test]
    fn long_answers_do_not_overflow_into_the_count() {
        let (record, reports) = (Record::default(), Reports::default());
        for _ in 0..1_000 {
            note(&record, &reports, OutcomeKind::Success, u64::MAX / 2_000);
        }
        let window = record.take_window();
        assert_eq!((window.answered, window.latency), (1_000, LONGEST));
    }
}
