//! What came out.

use measurement::Machine;
use serde::Serialize;

use crate::{
    contestants::{Change, Library},
    timing::Sample,
};

/// All that was measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) is_quick: bool,
    pub(crate) selections: Vec<Selections>,
    pub(crate) changes: Vec<Changes>,
}

/// By which function members were selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Through {
    /// `Pool::select`, or that of the others.
    Pool,
    /// `Balancer::select`.
    Balancer,
}

/// Nanoseconds for each selection of all threads together.
#[derive(Debug, Serialize)]
pub(crate) struct Selections {
    pub(crate) library: Library,
    pub(crate) algorithm: &'static str,
    pub(crate) through: Through,
    pub(crate) members: usize,
    pub(crate) threads: usize,
    pub(crate) nanos: Spread,
    /// How many chunks there were, of which those counted in which every thread ran throughout.
    pub(crate) chunks: usize,
}

/// Microseconds until selections see a change.
#[derive(Debug, Serialize)]
pub(crate) struct Changes {
    pub(crate) library: Library,
    pub(crate) algorithm: &'static str,
    pub(crate) change: Change,
    pub(crate) members: usize,
    pub(crate) micros: Spread,
}

/// A median, and what a tenth of the values is below or above.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) count: usize,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut values = values.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |part: f64| values[(last as f64 * part).round() as usize];
        Some(Self {
            median: at(0.5),
            low: at(0.1),
            high: at(0.9),
            count: values.len(),
        })
    }

    /// How far the values are apart: half of what lies between the outer tenths, in percent.
    pub(crate) fn percent(&self) -> f64 {
        50.0 * (self.high - self.low) / self.median
    }
}

impl Results {
    /// Records what was measured; nothing, if no chunk counted.
    pub(crate) fn record(
        &mut self,
        (library, algorithm, through): (Library, &'static str, Through),
        (members, threads): (usize, usize),
        sample: &Sample,
    ) {
        if let Some(nanos) = Spread::of(&sample.nanos) {
            self.selections.push(Selections {
                library,
                algorithm,
                through,
                members,
                threads,
                nanos,
                chunks: sample.chunks,
            });
        }
    }

    pub(crate) fn selection(
        &self,
        (library, algorithm, through): (Library, &str, Through),
        (members, threads): (usize, usize),
    ) -> Option<&Selections> {
        self.selections.iter().find(|cell| {
            (cell.library, cell.algorithm, cell.through) == (library, algorithm, through)
                && (cell.members, cell.threads) == (members, threads)
        })
    }

    pub(crate) fn change(
        &self,
        (library, algorithm): (Library, &str),
        members: usize,
        change: Change,
    ) -> Option<&Changes> {
        self.changes.iter().find(|cell| {
            (cell.library, cell.algorithm) == (library, algorithm)
                && (cell.members, cell.change) == (members, change)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_the_sorted_values() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        let spread = Spread::of(&values).expect("there are values");
        assert_eq!((spread.median, spread.low, spread.high), (50.0, 10.0, 90.0));
        assert_eq!((spread.count, spread.percent()), (101, 80.0));
        assert!(Spread::of(&[]).is_none());
    }
}
