//! What was found.

use std::fmt;

use measurement::Machine;
use serde::Serialize;

use crate::{pair::Pair, workload::Route};

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// What was not measured as it should have been, and why.
    pub(crate) failures: Vec<String>,
    /// Calls per second of the open loop.
    pub(crate) open_rate: Option<u64>,
    pub(crate) calls: Vec<Measured>,
    pub(crate) tables: Vec<Table>,
    /// What was to be shown, and whether it was.
    pub(crate) promises: Vec<Promise>,
}

impl Results {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            failures: Vec::new(),
            open_rate: None,
            calls: Vec::new(),
            tables: Vec::new(),
            promises: Vec::new(),
        }
    }

    /// What a pair did in a cell.
    pub(crate) fn find(
        &self,
        workload: &str,
        pressure: &str,
        route: Route,
        pair: Pair,
    ) -> Option<&Measured> {
        let (route, pair) = (route.to_string(), pair.to_string());
        self.calls.iter().find(|measured| {
            measured.workload == workload
                && measured.pressure == pressure
                && measured.route == route
                && measured.pair == pair
        })
    }
}

/// A cell, of one pair.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) workload: String,
    /// How many calls at a time, or `open`.
    pub(crate) pressure: String,
    pub(crate) route: String,
    pub(crate) pair: String,
    pub(crate) rounds: usize,
    pub(crate) calls_per_second: Spread,
    /// Without these for casts, which have no answer to wait for.
    pub(crate) p50_us: Option<Spread>,
    pub(crate) p99_us: Option<Spread>,
    pub(crate) p999_us: Option<Spread>,
    pub(crate) max_us: Option<Spread>,
    /// Seconds of processor time for 100,000 calls.
    pub(crate) caller_cpu: Spread,
    pub(crate) callee_cpu: Spread,
    /// Of one processor's time.
    pub(crate) caller_busy_percent: Spread,
    pub(crate) callee_busy_percent: Spread,
    /// What other programs had of both processors meanwhile.
    pub(crate) others_percent: Spread,
    pub(crate) caller_peak_mb: Spread,
    pub(crate) callee_peak_mb: Spread,
}

/// A median, and the ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` without values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }
}

/// Values that come with each round.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Vec<f64>);

impl Values {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Round by round, how many times as much as others.
    pub(super) fn ratio(&self, others: &Self) -> Option<Spread> {
        let rounds = self.0.iter().zip(&others.0);
        Spread::of(rounds.map(|(value, other)| value / other))
    }

    pub(super) fn spread(&self) -> Option<Spread> {
        Spread::of(self.0.iter().copied())
    }
}

/// Figures of any other kind.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// What a reader has to know.
    pub(crate) note: String,
    /// The first is that of the rows' names.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// Something that is promised, and what was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Promise {
    /// Of what.
    pub(crate) subject: String,
    pub(crate) promised: String,
    pub(crate) found: String,
    pub(crate) kept: bool,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject,
            promised,
            found,
            ..
        } = self;
        write!(f, "{subject}: {promised}; found: {found}")
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) figures: Vec<Option<Spread>>,
}

impl Table {
    pub(crate) fn new(title: &str, note: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            note: note.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, figures: Vec<Option<Spread>>) {
        self.rows.push(Row {
            name: name.into(),
            figures,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 100.0]).expect("there are values");
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 3.5, 100.0));
        let odd = Spread::of([9.0, 1.0, 2.0]).expect("there are values");
        assert_eq!(odd.median, 2.0);
        assert_eq!(Spread::of([]), None);
    }
}
