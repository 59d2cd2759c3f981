//! `rlb cast`

use super::invoke::{InvokeOptions, Kind};
use crate::{exit, failure::Failure, printer::Printer};

/// Let a function run on a node, or on a member of a balancer, without waiting for its result
///
/// Prints `ok` when the node has received it. Whether the function exists there, or fails, is not
/// known.
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
#[command(override_usage = "rlb cast [OPTIONS] NODE MODULE FUNCTION [ARGS]
       rlb cast [OPTIONS] --balancer NAME --peer NODE MODULE FUNCTION [ARGS]")]
pub(super) struct Cast {
    #[command(flatten)]
    options: InvokeOptions,
}

impl Cast {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        self.options.run(Kind::Cast, printer).await
    }
}
