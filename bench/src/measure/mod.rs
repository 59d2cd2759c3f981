//! The measurements.

mod calls;
mod ground;
mod results;
mod running;

pub(crate) use results::{Measured, Results, Row, Spread, Table};

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
        match suite {
            Suite::Calls => calls::measure(plan, &ground, &mut results)?,
            Suite::Interference | Suite::Footprint | Suite::Hub | Suite::Scale => {}
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
