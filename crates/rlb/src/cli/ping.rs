//! `rlb ping`

use beam_node::NodeName;
use serde::Serialize;

use super::{
    cluster::{ClientOptions, left, stop},
    name::node_name,
};
use crate::{exit, failure::Failure, format::Short, printer::Printer};

/// Connect to a node and measure how long it takes to answer
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Ping {
    /// The node
    #[arg(value_parser = node_name)]
    node: NodeName,
    #[command(flatten)]
    client: ClientOptions,
}

impl Ping {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Answer<'a> {
            node: &'a str,
            round_trip_us: u128,
        }

        let deadline = self.client.deadline();
        let node = self.client.start(Some(&self.node), deadline).await?;
        let answered = node.peer(&self.node)?.ping(left(deadline)).await;
        stop(node).await;
        let took = answered?;
        printer.result(
            format_args!("{} answered in {}", self.node, Short(took)),
            Answer {
                node: self.node.as_str(),
                round_trip_us: took.as_micros(),
            },
        )
    }
}
