//! Logs, on stderr.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Starts to log: what RUST_LOG says, else so much as was asked for with `-v`; as JSON, one object a line, where all that is
/// written is.
pub(crate) fn start(verbose: u8, as_json: bool) -> Result<(), Failure> {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = match env::var_os(EnvFilter::DEFAULT_ENV) {
        None => EnvFilter::new(level),
        Some(_) => EnvFilter::try_from_default_env().map_err(|error| {
            Failure::usage(format!(
                "failed to read {}: {error}",
                EnvFilter::DEFAULT_ENV
            ))
            .advise("it is written as in RUST_LOG=warn,beam_node=debug")
        })?,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would be told on stderr that stderr is closed, by a macro that panics then.
        .log_internal_errors(false);
    if as_json {
        log.json().init();
    } else {
        log.init();
    }
    Ok(())
}
