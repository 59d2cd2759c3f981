//! What became of many calls: per node, and the failures by their reason.

use std::{collections::BTreeMap, time::Duration};

use beam_node::NodeName;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{exit::Exit, failure::Failure};

/// A count of calls and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    nodes: BTreeMap<NodeName, NodeTally>,
    reasons: BTreeMap<String, Reason>,
    calls: u64,
    failed: u64,
    exit: Option<Exit>,
}

/// The calls of one node.
#[derive(Debug)]
pub(crate) struct NodeTally {
    calls: u64,
    failed: u64,
    /// Microseconds that the calls took that succeeded.
    latency_us: Histogram<u64>,
}

/// Failures that say the same.
#[derive(Debug, Serialize)]
pub(crate) struct Reason {
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) error: Failure,
}

/// How many reasons are told apart: messages may hold what differs from call to call.
const REASONS: usize = 20;

/// How many digits of a latency are exact.
const DIGITS: u8 = 3;

impl Tally {
    /// Counts a call that succeeded.
    pub(crate) fn succeeded(&mut self, node: &NodeName, took: Duration) {
        self.calls += 1;
        let node = self.nodes.entry(node.clone()).or_default();
        node.calls += 1;
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // The histogram grows as needed, so that every value fits.
        let _ = node.latency_us.record(took_us);
    }

    /// Counts a call that failed; without a node if none was picked.
    pub(crate) fn failed(&mut self, node: Option<&NodeName>, error: Failure) {
        self.calls += 1;
        self.failed += 1;
        self.exit = self.exit.into_iter().chain([error.exit()]).min();
        if let Some(node) = node {
            let node = self.nodes.entry(node.clone()).or_default();
            node.calls += 1;
            node.failed += 1;
        }
        if let Some(reason) = self.reasons.get_mut(error.message()) {
            reason.count += 1;
        } else if self.reasons.len() < REASONS {
            let message = error.message().to_owned();
            self.reasons.insert(message, Reason { count: 1, error });
        }
    }

    /// All calls.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// The calls that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed
    }

    /// The nodes that were called, sorted by name.
    pub(crate) fn nodes(&self) -> impl ExactSizeIterator<Item = (&NodeName, &NodeTally)> {
        self.nodes.iter()
    }

    /// The node of this name, if it was called.
    pub(crate) fn node(&self, name: &NodeName) -> Option<&NodeTally> {
        self.nodes.get(name)
    }

    /// The reasons of failures, the most frequent first.
    pub(crate) fn reasons(&self) -> Vec<&Reason> {
        let mut reasons: Vec<_> = self.reasons.values().collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        reasons
    }

    /// How many failures are in none of the [`reasons`](Self::reasons), which are bounded.
    pub(crate) fn other_failures(&self) -> u64 {
        let listed: u64 = self.reasons.values().map(|reason| reason.count).sum();
        self.failed - listed
    }

    /// With which code to exit; `None` if no call failed.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// All nodes together, with the calls that no node was picked for.
    pub(crate) fn total(&self) -> NodeTally {
        let mut total = NodeTally::default();
        for node in self.nodes.values() {
            let _ = total.latency_us.add(&node.latency_us);
        }
        NodeTally {
            calls: self.calls,
            failed: self.failed,
            ..total
        }
    }
}

impl NodeTally {
    /// The calls that the node was picked for.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Those of them that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed
    }

    /// The time within which this part of the calls, from 0 to 1, was answered; `None` if none
    /// was.
    pub(crate) fn latency_at(&self, quantile: f64) -> Option<Duration> {
        (!self.latency_us.is_empty())
            .then(|| Duration::from_micros(self.latency_us.value_at_quantile(quantile)))
    }
}

impl Default for NodeTally {
    fn default() -> Self {
        Self {
            calls: 0,
            failed: 0,
            latency_us: Histogram::new(DIGITS).expect("histograms have up to 5 exact digits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    #[test]
    fn calls_are_counted_per_node_with_their_latencies() {
        let mut tally = Tally::default();
        for ms in 1..=100 {
            tally.succeeded(&node("a@h"), Duration::from_millis(ms));
        }
        tally.failed(Some(&node("b@h")), Failure::no_route("gone"));
        tally.failed(None, Failure::no_route("no members"));

        assert_eq!((tally.calls(), tally.failures()), (102, 2));
        let a = tally.node(&node("a@h")).unwrap();
        assert_eq!((a.calls(), a.failures()), (100, 0));
        for (quantile, ms) in [(0.5, 50), (0.99, 99)] {
            let found = a.latency_at(quantile).unwrap().as_secs_f64() * 1e3;
            assert!((found - f64::from(ms)).abs() < 0.1, "{found}");
        }
        let b = tally.node(&node("b@h")).unwrap();
        assert_eq!((b.calls(), b.failures(), b.latency_at(0.5)), (1, 1, None));
        let total = tally.total();
        assert_eq!((total.calls(), total.failures()), (102, 2));
        assert_eq!(total.latency_at(0.5), a.latency_at(0.5));
    }

    #[test]
    fn failures_are_grouped_and_the_smallest_code_wins() {
        let mut tally = Tally::default();
        assert_eq!(tally.exit(), None);
        tally.failed(None, Failure::no_route("x"));
        tally.failed(None, Failure::internal("y"));
        tally.failed(None, Failure::no_route("x"));

        assert_eq!(tally.exit(), Some(Exit::Remote));
        let counts: Vec<_> = tally.reasons().iter().map(|reason| reason.count).collect();
        assert_eq!(counts, [2, 1]);
        assert_eq!(tally.other_failures(), 0);
    }

    #[test]
    fn reasons_are_bounded_but_every_failure_counts() {
        let mut tally = Tally::default();
        for n in 0..1000 {
            tally.failed(None, Failure::no_route(n.to_string()));
        }
        assert_eq!(tally.reasons().len(), REASONS);
        assert_eq!(tally.other_failures(), 1000 - REASONS as u64);
        assert_eq!(tally.failures(), 1000);
    }
}
