//! Logs, on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts to log: what RUST_LOG says, else so much as was asked for with `-v`; as JSON, one object a line, where all that is
/// written is.
pub(crate) fn start(verbose: u8, as_json: bool) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
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
}
