//! What the Elixir library `rpc_load_balancer` loses to the same faults.

use super::{COLUMNS, Fault};
use crate::measure::{Spread, Table};

pub(super) const NOTE: &str = "Rows *reference*: the Elixir library `rpc_load_balancer` 0.4.0 on OTP 25 in the same set-up, \
     measured once on another day; after `kill -STOP` it answered about 13 calls/s while the member hung, and of 64 calls \
     of 3 s it lost 20 to a stop.";

/// Adds what was found of it.
pub(super) fn row(fault: Fault, table: &mut Table) {
    let (name, figures): (_, &[(&str, Option<Spread>)]) = match fault {
        Fault::Kill => (
            "kill -9, *reference*",
            &[
                ("failed calls", Spread::of([60.0])),
                ("out of the pool after ms", Spread::of([15.0, 20.0])),
            ],
        ),
        Fault::Hang => (
            "kill -STOP, *reference*",
            &[
                ("failed calls", Spread::of([512.0])),
                ("out of the pool after ms", Spread::of([72_900.0])),
            ],
        ),
        Fault::Stop => (
            "stop, *reference*, 3 s",
            &[("failed calls", Spread::of([20.0]))],
        ),
    };
    let figure = |column: &&str| {
        let found = figures.iter().find(|(name, _)| name == column);
        found.and_then(|&(_, figure)| figure)
    };
    table.row(name, COLUMNS.iter().skip(1).map(figure).collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_the_reference_stand_in_their_columns() {
        let mut table = Table::new("", "", &COLUMNS);
        for fault in [Fault::Kill, Fault::Hang, Fault::Stop] {
            row(fault, &mut table);
        }
        let failed = table
            .rows
            .iter()
            .map(|row| row.figures[2].map(|found| found.median));
        assert_eq!(
            failed.collect::<Vec<_>>(),
            [Some(60.0), Some(512.0), Some(20.0)]
        );
        let told: usize = table
            .rows
            .iter()
            .map(|row| row.figures.iter().flatten().count())
            .sum();
        assert_eq!(told, 5);
    }
}
