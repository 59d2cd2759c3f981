//! The measurements.

mod calls;
mod footprint;
mod ground;
mod hub;
mod interference;
mod results;
mod running;
mod scale;

pub(crate) use results::{Measured, Results, Spread, Table};

use crate::{
    cli::{Plan, Suite},
    failure::Failure,
    machine::Machine,
    report,
};
use ground::Ground;

/// Measures what is planned, and writes what was found.
pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    let mut results = Results::new(Machine::before());
    let ground = Ground::new(plan)?;
    for &suite in &plan.suites {
        let measure = match suite {
            Suite::Calls => calls::measure,
            Suite::Interference => interference::measure,
            Suite::Footprint => footprint::measure,
            Suite::Hub => hub::measure,
            Suite::Scale => scale::measure,
        };
        // What was measured is worth having, whatever becomes of the rest.
        if let Err(failure) = measure(plan, &ground, &mut results) {
            results.failures.push(failure.to_string());
        }
    }
    results.machine.after();
    report::write(&results, &plan.out)?;
    if results.failures.is_empty() {
        Ok(())
    } else {
        let failures = results.failures.join("\n  ");
        Err(Failure::Other(format!("not all went well:\n  {failures}")))
    }
}
