//! How fast calls between nodes are, beside what else one could pick. See the README of this package.
#![forbid(unsafe_code)]

mod cell;
mod child;
mod cli;
mod failure;
mod latency;
mod measure;
mod pair;
mod process;
mod protocol;
mod report;
mod workload;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let ended = match cli::Cli::parse().into_task() {
        cli::Task::Child(role) => child::run(role),
        cli::Task::Measure(plan) => measure::run(&plan),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
