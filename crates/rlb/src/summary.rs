//! What became of many calls, for people and as JSON.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    format::{Short, table},
    tally::{NodeTally, Reason, Tally},
};

/// A tally with the time that the calls took together.
///
/// ```text
///  node         calls  share  failed     p50     p99
///  w1@10.0.0.7     50  50.0%       0  401 µs  1.2 ms
///  w2@10.0.0.8     50  50.0%       1  410 µs  1.2 ms
///  total          100             1  405 µs  1.2 ms
/// 100 calls in 22.1 ms, 1 failed:
///   1 × the reason
/// ```
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    calls: u64,
    failed: u64,
    elapsed_ms: f64,
    nodes: Vec<Node<'a>>,
    failures: Vec<&'a Reason>,
    /// Failures for reasons that are not listed.
    other_failures: u64,
    #[serde(skip)]
    took: Duration,
    #[serde(skip)]
    total: Node<'a>,
}

/// The calls of one node.
#[derive(Debug, Serialize)]
struct Node<'a> {
    node: &'a str,
    calls: u64,
    failed: u64,
    share_percent: f64,
    p50_us: Option<u128>,
    p99_us: Option<u128>,
    #[serde(skip)]
    p50: Option<Duration>,
    #[serde(skip)]
    p99: Option<Duration>,
}

impl<'a> Summary<'a> {
    pub(crate) fn new(tally: &'a Tally, took: Duration) -> Self {
        let node = |(name, node)| Node::new(name, node, tally.calls());
        let total = tally.total();
        Self {
            calls: total.calls(),
            failed: total.failures(),
            elapsed_ms: took.as_secs_f64() * 1e3,
            nodes: tally
                .nodes()
                .map(|(name, node)| (name.as_str(), node))
                .map(node)
                .collect(),
            failures: tally.reasons(),
            other_failures: tally.other_failures(),
            took,
            total: Node::new("total", &total, total.calls()),
        }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["node", "calls", "share", "failed", "p50", "p99"];
        let rows = self.nodes.iter().chain([&self.total]).map(Node::row);
        writeln!(f, "{}", table(header, rows))?;
        let calls = if self.calls == 1 { "call" } else { "calls" };
        write!(f, "{} {calls} in {}", self.calls, Short(self.took))?;
        if self.failed == 0 {
            return f.write_str(", none failed");
        }
        write!(f, ", {} failed:", self.failed)?;
        for reason in &self.failures {
            write!(f, "\n  {} × {}", reason.count, reason.error)?;
        }
        match self.other_failures {
            0 => Ok(()),
            others => write!(f, "\n  {others} × other reasons"),
        }
    }
}

impl<'a> Node<'a> {
    fn new(node: &'a str, tally: &NodeTally, all_calls: u64) -> Self {
        let (p50, p99) = (tally.latency_at(0.5), tally.latency_at(0.99));
        Self {
            node,
            calls: tally.calls(),
            failed: tally.failures(),
            share_percent: tally.calls() as f64 / all_calls.max(1) as f64 * 100.0,
            p50_us: p50.map(|latency| latency.as_micros()),
            p99_us: p99.map(|latency| latency.as_micros()),
            p50,
            p99,
        }
    }

    fn row(&self) -> [String; 6] {
        let latency = |latency: Option<Duration>| match latency {
            Some(latency) => Short(latency).to_string(),
            None => "-".to_owned(),
        };
        [
            self.node.to_owned(),
            self.calls.to_string(),
            format!("{:.1}%", self.share_percent),
            self.failed.to_string(),
            latency(self.p50),
            latency(self.p99),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    fn tally() -> Tally {
        let mut tally = Tally::default();
        let (a, b) = ("a@h".parse().unwrap(), "b@h".parse().unwrap());
        for _ in 0..3 {
            tally.succeeded(&a, Duration::from_millis(2));
        }
        tally.failed(Some(&b), Failure::no_route("gone"));
        tally
    }

    #[test]
    fn people_get_a_table_and_the_reasons() {
        let tally = tally();
        let text = Summary::new(&tally, Duration::from_millis(5)).to_string();
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "node calls share failed p50 p99",
                "a@h 3 75.0% 0 2.00 ms 2.00 ms",
                "b@h 1 25.0% 1 - -",
                "total 4 100.0% 1 2.00 ms 2.00 ms",
                "4 calls in 5.00 ms, 1 failed:",
                "1 × gone",
            ]
        );
    }

    #[test]
    fn programs_get_the_same_numbers() {
        let tally = tally();
        let json = serde_json::to_value(Summary::new(&tally, Duration::from_millis(5))).unwrap();
        assert_eq!(json["calls"], 4);
        assert_eq!(json["elapsed_ms"], 5.0);
        assert_eq!(json["nodes"][1]["node"], "b@h");
        assert_eq!(json["nodes"][1]["p50_us"], serde_json::Value::Null);
        assert_eq!(json["failures"][0]["count"], 1);
        assert_eq!(json["failures"][0]["error"]["message"], "gone");
    }
}
