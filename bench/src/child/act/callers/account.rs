//! What becomes of the calls: how many are answered at each moment, and each call to the member that is watched.

use std::collections::VecDeque;

use rpc_load_balancer::{Code, NodeName, health::MemberState};

/// A call that was answered by what nobody asked for.
pub(super) const WRONG_ANSWER: &str = "wrong_answer";

/// How long a slice of time is in which answered calls are counted.
const SLICE: u64 = 10_000_000;

const SECOND: u64 = 1_000_000_000;

/// How many slices are looked at together to tell whether calls are answered at their usual rate.
const WINDOW: usize = 20;

/// What share of the usual rate is enough.
const ENOUGH: f64 = 0.6;

/// How many calls to the watched member are kept; older ones go.
const MOST_KEPT: usize = 4 << 20;

/// A call that has ended; times are nanoseconds of the clock that processes share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) begun: u64,
    pub(super) ended: u64,
    /// Why it failed, if it did.
    pub(super) error: Option<&'static str>,
}

/// The account of all callers.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// When the first slice begins.
    from: u64,
    answered: Vec<u32>,
    watched: Option<NodeName>,
    there: VecDeque<Ended>,
    /// When the watched member was not well any more.
    unwell: Vec<u64>,
    /// Those that failed at others, or at nobody.
    failed_elsewhere: Vec<Ended>,
}

impl Account {
    /// Begins anew, with this member as the one that is watched.
    pub(super) fn watch(&mut self, node: NodeName) {
        self.watched = Some(node);
        self.there.clear();
        self.unwell.clear();
        self.failed_elsewhere.clear();
    }

    pub(super) fn note(&mut self, node: Option<&NodeName>, call: Ended) {
        if call.error.is_none() {
            self.count(call.ended);
        }
        if self.watched.is_none() {
            return;
        }
        if node == self.watched.as_ref() {
            if self.there.len() == MOST_KEPT {
                self.there.pop_front();
            }
            self.there.push_back(call);
        } else if call.error.is_some() {
            self.failed_elsewhere.push(call);
        }
    }

    /// A member is in another state from this moment on.
    pub(super) fn changed(&mut self, node: &NodeName, state: MemberState, at: u64) {
        if self.watched.as_ref() == Some(node) && state != MemberState::Up {
            self.unwell.push(at);
        }
    }

    fn count(&mut self, at: u64) {
        if self.answered.is_empty() {
            self.from = at;
        }
        let slice = (at.saturating_sub(self.from) / SLICE) as usize;
        if slice >= self.answered.len() {
            self.answered.resize(slice + 1, 0);
        }
        self.answered[slice] += 1;
    }

    /// What became of the calls around a fault at this moment.
    pub(super) fn around(&self, at: u64) -> Vec<(&'static str, f64)> {
        let in_flight = |call: &&Ended| call.begun < at && call.ended >= at;
        let failed = |call: &&Ended| call.error.is_some();
        let there = self.there.iter();
        let last_begun = there.clone().map(|call| call.begun).max().unwrap_or(at);
        let failures = || {
            let there = self.there.iter().filter(failed);
            there.chain(&self.failed_elsewhere)
        };
        let with = |code: &str| failures().filter(|call| call.error == Some(code)).count();
        let unavailable = with(Code::ServiceUnavailable.as_str());
        let timed_out = with(Code::RequestTimeout.as_str());
        let usual = self.rate(at.saturating_sub(SECOND), at);
        let noticed = self.unwell.iter().find(|&&noticed| noticed >= at);
        let noticed = noticed.map_or(f64::NAN, |noticed| (noticed - at) as f64 / 1e6);
        let share =
            |second: u64| self.rate(at + second * SECOND, at + (second + 1) * SECOND) / usual;
        vec![
            ("in_flight", there.clone().filter(in_flight).count() as f64),
            ("failed", failures().count() as f64),
            ("failed_elsewhere", self.failed_elsewhere.len() as f64),
            ("unavailable", unavailable as f64),
            ("timed_out", timed_out as f64),
            (
                "other",
                (failures().count() - unavailable - timed_out) as f64,
            ),
            ("last_call_ms", last_begun.saturating_sub(at) as f64 / 1e6),
            ("noticed_ms", noticed),
            ("before", usual),
            ("first", share(0) * 100.0),
            ("second", share(1) * 100.0),
            ("third", share(2) * 100.0),
            ("recovered_ms", self.recovered(at, usual) as f64 / 1e6),
        ]
    }

    /// When the first call began to the watched member, since this moment, that was answered.
    pub(super) fn first_answered_since(&self, since: u64) -> Option<u64> {
        let answered = self
            .there
            .iter()
            .rev()
            // Calls are kept in the order in which they end, and none takes so long.
            .take_while(|call| call.ended >= since)
            .filter(|call| call.begun >= since && call.error.is_none());
        answered.map(|call| call.begun).min()
    }

    /// Answered calls per second between two moments.
    fn rate(&self, from: u64, to: u64) -> f64 {
        let slice = |at: u64| (at.saturating_sub(self.from) / SLICE) as usize;
        let slices = slice(from)..slice(to);
        let seconds = slices.len() as f64 * SLICE as f64 / SECOND as f64;
        let count = |slice: usize| u64::from(self.answered.get(slice).copied().unwrap_or(0));
        slices.map(count).sum::<u64>() as f64 / seconds
    }

    /// How long after this moment, within three seconds, calls were answered at less than their usual rate for the last
    /// time.
    fn recovered(&self, at: u64, usual: f64) -> u64 {
        let window = WINDOW as u64 * SLICE;
        let starts = (0..3 * SECOND / SLICE).map(|slice| at + slice * SLICE);
        let slow = |start: &u64| self.rate(*start, *start + window) < ENOUGH * usual;
        starts
            .filter(slow)
            .last()
            .map_or(0, |start| start + window - at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn node(name: &str) -> NodeName {
        name.parse().expect("it is a name")
    }

    fn value(values: &[(&str, f64)], name: &str) -> f64 {
        let found = values.iter().find(|(found, _)| *found == name);
        found.expect("there is such a value").1
    }

    /// Two members are called every 2 ms each, for 5 s; `b` answers nothing from the second second on, and is called
    /// until `out`.
    fn account(out: u64) -> Account {
        let (a, b) = (node("a@host"), node("b@host"));
        let mut account = Account::default();
        account.watch(b.clone());
        for begun in (0..5 * SECOND).step_by(2 * MS as usize) {
            let mut call = Ended {
                begun,
                ended: begun + MS,
                error: None,
            };
            account.note(Some(&a), call);
            if begun < out {
                if begun + MS > SECOND {
                    call.ended += SECOND;
                    call.error = Some("request_timeout");
                }
                account.note(Some(&b), call);
            }
        }
        account
    }

    #[test]
    fn calls_that_fail_are_told_apart_by_when_and_where_they_began() {
        let mut account = account(SECOND + 10 * MS);
        let fault = SECOND - MS;
        let values = account.around(fault);
        assert_eq!(value(&values, "in_flight"), 1.0);
        assert_eq!(value(&values, "failed"), 5.0);
        assert_eq!(value(&values, "timed_out"), 5.0);
        assert_eq!(value(&values, "failed_elsewhere"), 0.0);
        assert_eq!(value(&values, "last_call_ms"), 9.0);

        let lost = Ended {
            begun: 2 * SECOND,
            ended: 2 * SECOND,
            error: Some("service_unavailable"),
        };
        account.note(None, lost);
        let values = account.around(fault);
        assert_eq!(value(&values, "failed"), 6.0);
        assert_eq!(value(&values, "unavailable"), 1.0);
        assert_eq!(value(&values, "failed_elsewhere"), 1.0);
        assert_eq!(value(&values, "other"), 0.0);
    }

    #[test]
    fn a_fault_is_noticed_when_the_member_first_changes_its_state_after_it() {
        let (a, b) = (node("a@host"), node("b@host"));
        let mut account = account(SECOND);
        assert!(value(&account.around(SECOND), "noticed_ms").is_nan());
        account.changed(&b, MemberState::Suspect, SECOND - MS);
        account.changed(&a, MemberState::Suspect, SECOND + MS);
        account.changed(&b, MemberState::Up, SECOND + 2 * MS);
        account.changed(&b, MemberState::Down, SECOND + 3 * MS);
        account.changed(&b, MemberState::Down, SECOND + 4 * MS);
        assert_eq!(value(&account.around(SECOND), "noticed_ms"), 3.0);
    }

    #[test]
    fn the_rate_is_that_of_answered_calls_in_proportion_to_the_second_before() {
        let values = account(2 * SECOND).around(SECOND);
        assert!((value(&values, "before") - 1_000.0).abs() < 20.0);
        assert!((value(&values, "second") - 50.0).abs() < 2.0);
        // It never is at 60 % again.
        assert!(value(&values, "recovered_ms") >= 3_000.0);
    }

    #[test]
    fn a_member_is_back_with_the_first_call_that_it_answers() {
        let account = account(2 * SECOND);
        assert_eq!(account.first_answered_since(500 * MS), Some(500 * MS));
        assert_eq!(account.first_answered_since(SECOND), None);
    }
}
