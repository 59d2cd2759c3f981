//! `rlb nodes`

use std::collections::BTreeMap;

use beam_node::{Error, Node, NodeName, Peer};
use beam_term::Atom;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    balancer::{connect, require_peer},
    cluster::{ClientOptions, stop},
};
use crate::{exit, failure::Failure, printer::Printer};

/// List the nodes that --peer is connected to, and how it sees each: visible or hidden
///
/// A node that was asked is listed as `peer`, unless another one that was asked sees it.
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Nodes {
    #[command(flatten)]
    client: ClientOptions,
}

/// How a node was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A peer shows it in `nodes()`.
    Visible,
    /// A peer is connected to it, and does not show it.
    Hidden,
    /// It was asked.
    Peer,
}

impl Nodes {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Found<'a> {
            node: &'a str,
            kind: Kind,
        }

        require_peer(&self.client.node.peers)?;
        let deadline = self.client.deadline();
        let node = self.client.start(None, deadline).await?;
        let found = self.find(&node, deadline).await;
        stop(node).await;
        let found = found?;
        if printer.is_json() {
            let found = found.iter().map(|(node, &kind)| Found {
                node: node.as_str(),
                kind,
            });
            return printer.json(found.collect::<Vec<_>>());
        }
        let width = found.keys().map(|node| node.as_str().len()).max();
        for (node, kind) in &found {
            printer.line(format_args!(
                "{node:width$}  {kind}",
                width = width.unwrap_or(0)
            ))?;
        }
        Ok(())
    }

    /// Asks every peer for its nodes.
    async fn find(
        &self,
        node: &Node,
        deadline: Instant,
    ) -> Result<BTreeMap<NodeName, Kind>, Failure> {
        let peers = connect(node, &self.client.node.peers, deadline).await?;
        let mut found = BTreeMap::new();
        for (kind, which) in [(Kind::Visible, "visible"), (Kind::Hidden, "hidden")] {
            for peer in &peers {
                for known in ask(peer, Atom::from_static(which), deadline).await? {
                    found.entry(known).or_insert(kind);
                }
            }
        }
        found.remove(node.name());
        for peer in &peers {
            found.entry(peer.name().clone()).or_insert(Kind::Peer);
        }
        Ok(found)
    }
}

async fn ask(peer: &Peer, which: Atom, deadline: Instant) -> Result<Vec<NodeName>, Error> {
    let names: Vec<Atom> = peer
        .call(("erlang", "nodes"), (which,))
        .timeout(deadline.saturating_duration_since(Instant::now()))
        .await?;
    // A node of a kind that has names of another form is of no use to anybody here.
    Ok(names
        .iter()
        .filter_map(|name| NodeName::try_from(name).ok())
        .collect())
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Visible => "visible",
            Self::Hidden => "hidden",
            Self::Peer => "peer",
        })
    }
}
