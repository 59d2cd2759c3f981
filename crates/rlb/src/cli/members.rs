//! `rlb members`

use serde::Serialize;

use super::{
    balancer::Found,
    cluster::{ClientOptions, stop},
};
use crate::{exit, failure::Failure, json::Json, printer::Printer};

/// List the members of a balancer, one a line; with --json also their weights and metadata
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
            weight: u32,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<Json<'a>>,
        }

        let found = Found::find(&self.balancer, None, &self.client).await?;
        let members = found.balancer.member_statuses();
        stop(found.node).await;
        if printer.is_json() {
            let members = members.iter().map(|member| Member {
                node: member.node.as_str(),
                weight: member.weight,
                metadata: member.metadata.as_ref().map(Json),
            });
            return printer.json(members.collect::<Vec<_>>());
        }
        members
            .iter()
            .try_for_each(|member| printer.line(&member.node))
    }
}
