//! Calls into clusters of Erlang, Elixir and Rust nodes from a shell.
#![forbid(unsafe_code)]

mod cli;
mod demo;
mod exit;
mod failure;
mod format;
mod json;
mod logging;
mod printer;
mod secret;
mod signals;
mod summary;
mod tally;

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use tokio::runtime::Runtime;

use crate::{cli::Cli, exit::Exit, failure::Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let as_json = cli.output.json;
    if as_json {
        printer::note_in_json();
    }
    let done = logging::start(cli.output.verbose, as_json).and_then(|()| run(cli));
    match done {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            failure.print(as_json);
            failure.exit().into()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = Runtime::new()
        .map_err(|error| Failure::internal(format!("failed to start threads: {error}")))?;
    let done = runtime.block_on(cli.run());
    // A name that takes forever to resolve must not keep the program from its end.
    runtime.shutdown_background();
    done
}

/// Tells how the program is used: as asked for, or because it was used otherwise.
fn misused(error: &clap::Error) -> ExitCode {
    let is_error = error.use_stderr();
    if !is_error {
        // Help, or the version, is what was asked for.
        return match error.print().and_then(|()| io::stdout().flush()) {
            Ok(()) => Exit::Done.into(),
            Err(error) => {
                let failure = Failure::from(error);
                failure.print(false);
                failure.exit().into()
            }
        };
    }
    if env::args_os().any(|argument| argument == "--json") {
        Failure::usage(error.to_string().trim_end()).print(true);
    } else {
        // There is nobody to tell when this fails.
        let _ = error.print();
    }
    Exit::Usage.into()
}
