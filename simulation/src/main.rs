//! Runs simulations by their seeds.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(rlb_simulation)]
mod cli;

#[cfg(rlb_simulation)]
fn main() -> ExitCode {
    cli::main()
}

#[cfg(not(rlb_simulation))]
fn main() -> ExitCode {
    eprintln!(
        "nodes of this build use the network of the operating system; build with \
         RUSTFLAGS=\"--cfg rlb_simulation --cfg tokio_unstable\", or run simulation/run"
    );
    ExitCode::from(2)
}
