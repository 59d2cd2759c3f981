//! `rlb demo`

use super::number::number;
use crate::{demo, exit, failure::Failure, printer::Printer};

/// Show a cluster at work, with nothing but this program: balance calls over worker processes
/// while one is killed, one stops gracefully and one is started
///
/// Ends with what each worker did, which calls failed and why, and how long it took until the
/// killed worker was no longer picked. Only calls that were with the killed worker may fail; the
/// exit code is 1 if others did.
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Demo {
    /// How many calls to make
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = number(100..=1_000_000_000_u64), allow_negative_numbers = true)]
    calls: u64,

    /// How many workers to start with
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = number(3..=64_u16), allow_negative_numbers = true)]
    workers: u16,

    /// How many calls are in flight at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = number(1..=4096_u16), allow_negative_numbers = true)]
    concurrency: u16,
}

impl Demo {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        let settings = demo::Settings {
            calls: self.calls,
            workers: self.workers,
            concurrency: self.concurrency,
        };
        demo::run(settings, printer).await
    }
}
