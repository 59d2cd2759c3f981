//! The measurements.

mod calls;
mod faults;
mod footprint;
mod ground;
mod hub;
mod interference;
mod results;
mod running;
mod scale;
mod soak;

pub(crate) use results::{Measured, Promise, Results, Spread, Table};

use std::env;

use measurement::{Machine, Program};

use crate::{
    cli::{Plan, Suite},
    failure::Failure,
    report,
};
use ground::Ground;

/// Measures what is planned, and writes what was found.
pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    let mut results = Results::new(Machine::before(program()));
    let ground = Ground::new(plan)?;
    for &suite in &plan.suites {
        let results = &mut results;
        let measured = match suite {
            Suite::Calls => calls::measure(plan, &ground, results),
            Suite::Interference => interference::measure(plan, &ground, results),
            Suite::Footprint => footprint::measure(plan, &ground, results),
            Suite::Hub => hub::measure(plan, &ground, results),
            Suite::Scale => scale::measure(plan, &ground, results),
            Suite::Faults => faults::measure(plan, &ground, results),
            Suite::Soak(soak) => soak::measure(soak, &ground, results),
        };
        // What was measured is worth having, whatever becomes of the rest.
        if let Err(failure) = measured {
            results.failures.push(failure.to_string());
        }
    }
    results.machine.after();
    report::write(&results, &plan.out)?;
    let mut failures = results.failures;
    let broken = results.promises.iter().filter(|promise| !promise.kept);
    failures.extend(broken.map(|promise| format!("not kept: {promise}")));
    if failures.is_empty() {
        Ok(())
    } else {
        let failures = failures.join("\n  ");
        Err(Failure::Other(format!("not all went well:\n  {failures}")))
    }
}

fn program() -> Program {
    let command = "cargo run --release -p bench --".to_owned();
    let words: Vec<String> = [command].into_iter().chain(env::args().skip(1)).collect();
    Program {
        command: words.join(" "),
        lock: include_str!("../../../Cargo.lock"),
        packages: &["tokio", "tarpc", "tonic", "prost"],
    }
}
