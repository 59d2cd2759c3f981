//! `rlb members`

use serde::Serialize;

use super::{
    balancer::{Algorithm, Found},
    cluster::{ClientOptions, stop},
};
use crate::{exit, failure::Failure, printer::Printer};

/// List the members of a balancer, one a line
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Members {
    /// The balancer
    #[arg(value_name = "BALANCER")]
    balancer: String,

    #[command(flatten)]
    client: ClientOptions,
}

impl Members {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Member<'a> {
            node: &'a str,
        }

        let found = Found::find(&self.balancer, Algorithm::default(), &self.client).await?;
        let members = found.balancer.members();
        stop(found.node).await;
        let members = members?;
        if printer.is_json() {
            let members = members.iter().map(|node| Member {
                node: node.as_str(),
            });
            return printer.json(members.collect::<Vec<_>>());
        }
        members.iter().try_for_each(|node| printer.line(node))
    }
}
