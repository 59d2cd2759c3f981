//! How fast selections are: every algorithm of `rpc-load-balancer`, beside `pingora-load-balancing` and
//! `tower`, in one run.
#![forbid(unsafe_code)]

mod contestants;
mod elixir;
mod plan;
mod report;
mod results;
mod timing;

use std::{env, error::Error, process::ExitCode};

use measurement::{Machine, Program};

use crate::{plan::Effort, results::Results, timing::Workers};

const USAGE: &str = "\
Measures selections, joins and leaves, and writes a table, a chart and the numbers to target/bench.

Usage: rpc-load-balancer-benches [--quick]
       rpc-load-balancer-benches --select ALGORITHM MEMBERS COUNT

  --quick    take about a minute, for a first impression
  --select   only make so many selections, measuring nothing: for profilers
  --help     print this";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => measure(Effort::FULL),
        ["--quick"] => measure(Effort::QUICK),
        ["--select", algorithm, members, count] => select(algorithm, members, count),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Lets one algorithm of this project select, in this thread.
fn select(algorithm: &str, members: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let entries = contestants::entries();
    let entry = entries.iter().find(|entry| entry.algorithm == algorithm);
    let entry = entry.ok_or_else(|| format!("there is no algorithm {algorithm}"))?;
    entry.contestant(members.parse()?).alone(count.parse()?);
    Ok(())
}

fn measure(effort: Effort) -> Result<(), Box<dyn Error>> {
    let processors = measurement::processors();
    let workers = Workers::on(&processors[..processors.len().min(2)]);
    if workers.count() < 2 {
        eprintln!("there is one processor only, so two threads are not measured");
    }
    let mut results = Results {
        machine: Machine::before(program(effort)),
        is_quick: effort == Effort::QUICK,
        selections: Vec::new(),
        changes: Vec::new(),
    };
    plan::run(effort, &workers, &mut results)?;
    results.machine.after();
    for path in report::write(&results)? {
        eprintln!("wrote {}", path.display());
    }
    println!("{}", report::markdown(&results));
    Ok(())
}

fn program(effort: Effort) -> Program {
    let command = "cargo run --release --manifest-path crates/rpc-load-balancer/benches/Cargo.toml";
    let quick = if effort == Effort::QUICK {
        " -- --quick"
    } else {
        ""
    };
    Program {
        command: format!("{command}{quick}"),
        lock: include_str!("../Cargo.lock"),
        packages: &[
            "rpc-load-balancer",
            "arc-swap",
            "pingora-load-balancing",
            "tower",
        ],
    }
}
