//! Which calls are measured.

use std::fmt;

use crate::workload::{Route, Size, Workload};

/// What may be in flight at most, in bytes of payload one way; what has more is left out.
const BYTES_IN_FLIGHT: usize = 32 << 20;

/// How many calls are under way at a time.
const CONCURRENCIES: [usize; 4] = [1, 16, 256, 1024];

/// A row of the tables: one workload, by one route, under one load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) workload: Workload,
    pub(crate) route: Route,
    pub(crate) pressure: Pressure,
}

/// How much is asked of the callee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// So many calls at a time; of casts, so many that are not known to have arrived.
    Concurrency(usize),
    /// Calls at a fixed rate.
    FixedRate,
}

impl Cell {
    pub(crate) fn closed(workload: Workload, route: Route, concurrency: usize) -> Self {
        Self {
            workload,
            route,
            pressure: Pressure::Concurrency(concurrency),
        }
    }

    /// Whether two cells differ by nothing but the route.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.workload == other.workload && self.pressure == other.pressure
    }

    fn is_worthwhile(&self) -> bool {
        match (self.workload, self.route, self.pressure) {
            // A cast that waits for the one before it is a call.
            (Workload::Cast, _, Pressure::Concurrency(1)) => false,
            // What a balancer costs does not depend on what is sent.
            (Workload::Cast | Workload::Echo(Size::Kib64 | Size::Mib1), Route::RoundRobin, _) => {
                false
            }
            (_, _, Pressure::Concurrency(calls)) => {
                calls * self.workload.payload_bytes() <= BYTES_IN_FLIGHT
            }
            (_, _, Pressure::FixedRate) => true,
        }
    }
}

/// `add/256/direct`
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.workload, self.pressure, self.route)
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concurrency(calls) => write!(f, "{calls}"),
            Self::FixedRate => f.write_str("open"),
        }
    }
}

/// The rate that the open loop takes from the results, unless it is told one.
pub(crate) const RATE_GIVER: Cell = Cell {
    workload: Workload::Add,
    route: Route::Direct,
    pressure: Pressure::Concurrency(256),
};

/// All that a full run measures. Cells that differ by their route alone follow each other, and take turns.
pub(crate) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for workload in Workload::ALL {
        for concurrency in CONCURRENCIES {
            cells.push(Cell::closed(workload, Route::Direct, concurrency));
            cells.push(Cell::closed(workload, Route::RoundRobin, concurrency));
        }
    }
    cells.push(open());
    cells.retain(Cell::is_worthwhile);
    cells
}

/// What fits into a minute.
pub(crate) fn quick() -> Vec<Cell> {
    vec![
        Cell::closed(Workload::Add, Route::Direct, 1),
        Cell::closed(Workload::Add, Route::Direct, 16),
        Cell::closed(Workload::Add, Route::Direct, 256),
        Cell::closed(Workload::Add, Route::RoundRobin, 256),
        Cell::closed(Workload::Add, Route::Direct, 1024),
        Cell::closed(Workload::Echo(Size::Kib1), Route::Direct, 256),
        Cell::closed(Workload::Echo(Size::Kib64), Route::Direct, 16),
        Cell::closed(Workload::Echo(Size::Mib1), Route::Direct, 1),
        Cell::closed(Workload::Map20, Route::Direct, 256),
        Cell::closed(Workload::Cast, Route::Direct, 1024),
        open(),
    ]
}

fn open() -> Cell {
    Cell {
        workload: Workload::Add,
        route: Route::Direct,
        pressure: Pressure::FixedRate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_has_more_in_flight_than_the_bound() {
        let cells = all();
        let named = |name: &str| cells.iter().any(|cell| cell.to_string() == name);
        assert!(named("echo_1m/16/direct"));
        assert!(!named("echo_1m/256/direct"));
        assert!(named("echo_64k/256/direct"));
        assert!(!named("echo_64k/1024/direct"));
        assert!(named("add/1024/round_robin"));
        assert!(named("add/open/direct"));
    }

    #[test]
    fn the_rate_of_the_open_loop_is_measured_before_it() {
        for cells in [all(), quick()] {
            let at = |wanted: Cell| cells.iter().position(|&cell| cell == wanted);
            assert!(at(RATE_GIVER) < at(open()));
            assert!(at(RATE_GIVER).is_some());
        }
    }
}
