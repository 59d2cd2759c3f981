//! Logs with the time and the host of the simulation.

use std::fmt;

use tracing_subscriber::{
    EnvFilter,
    fmt::{format::Writer, time::FormatTime},
};

use crate::{clock, network::Net};

/// Logs what the variable `RUST_LOG` asks for, to standard error.
pub fn log_in_simulated_time() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_timer(Simulated)
        .with_writer(std::io::stderr)
        .init();
}

struct Simulated;

impl FormatTime for Simulated {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let (now, host) = (clock::now(), Net::host_name(clock::host()));
        write!(writer, "{:>8}.{:03} {host}", now / 1_000, now % 1_000)
    }
}
