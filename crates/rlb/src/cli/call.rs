//! `rlb call`

use super::invoke::{InvokeOptions, Kind};
use crate::{exit, failure::Failure, printer::Printer};

/// Call a function on a node, or on a member of a balancer, and print its result
///
/// What the function prints goes to stderr.
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
#[command(override_usage = "rlb call [OPTIONS] NODE MODULE FUNCTION [ARGS]
       rlb call [OPTIONS] --balancer NAME --peer NODE MODULE FUNCTION [ARGS]")]
pub(super) struct Call {
    /// The function may run more than once: a call whose node is lost, falls silent or dies is sent
    /// again, to another member; needs --balancer
    #[arg(long, requires = "balancer")]
    idempotent: bool,

    #[command(flatten)]
    options: InvokeOptions,
}

impl Call {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        let kind = match self.idempotent {
            true => Kind::IdempotentCall,
            false => Kind::Call,
        };
        self.options.run(kind, printer).await
    }
}
