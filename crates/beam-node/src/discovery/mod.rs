//! Finding nodes: those that are configured, and those that others know.

mod attempts;
mod configured;
mod hosts;
mod learned;
mod peers;
mod renewal;

use std::{fmt, sync::Arc, time::Duration};

use beam_dist::NodeName;

use crate::{peer::Slot, settling::Question, state::NodeState};

pub(crate) use configured::keep_connected;
pub(crate) use hosts::Hosts;
use learned::Learned;
pub(crate) use renewal::renew_silent_links;

/// How long somebody may take to say which nodes he knows.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Finds nodes by asking hosts and peers for those that they know, and connects to them.
#[derive(Debug)]
pub(crate) struct Discovery {
    interval: Duration,
    hosts: Hosts,
    asks_peers: bool,
    learned: Arc<Learned>,
}

/// What it asks, for those who wait for an answer.
impl fmt::Display for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts.names[..] {
            [] => f.write_str("nobody"),
            names => write!(f, "the EPMD of {}", names.join(", ")),
        }
    }
}

impl Discovery {
    /// Asks hosts, and perhaps peers, again and again, on average at this interval. The configured
    /// peers are connected without being found.
    pub(crate) fn new(
        interval: Duration,
        hosts: Hosts,
        asks_peers: bool,
        configured: &[NodeName],
    ) -> Self {
        Self {
            interval,
            hosts,
            asks_peers,
            learned: Arc::new(Learned::new(configured)),
        }
    }

    /// Asks a newcomer. The question is closed when all that it knows was tried.
    pub(crate) fn ask(&self, node: &Arc<NodeState>, slot: Arc<Slot>, question: Question) {
        if self.asks_peers {
            peers::ask_newcomer(node, slot, &self.learned, question);
        }
    }

    /// Takes a peer that has fallen silent for one to look for, whoever of the two made the
    /// connection: in a cut both are told of its end, and neither knows who looks for the other.
    pub(crate) fn fell_silent(&self, node: &Arc<NodeState>, name: &NodeName) {
        if self.asks_peers {
            self.learned
                .learn(node, name.as_str(), &"its silence", None);
        }
    }

    /// Whether there is nothing new in that a node cannot be reached.
    pub(crate) fn is_known_to_fail(&self, name: &NodeName) -> bool {
        self.learned.has_failed(name)
    }

    /// Asks again and again for as long as the node runs. Newcomers are asked when they come.
    ///
    /// Only the first pass is a question: one who never answers would leave the node unsettled for
    /// as long as it runs.
    pub(crate) async fn run(node: Arc<NodeState>, first: Question) {
        let discovery = &node.discovery;
        let run = async {
            discovery
                .hosts
                .ask(&node, &discovery.learned, Some(&first))
                .await;
            drop(first);
            loop {
                tokio::time::sleep(discovery.interval.mul_f64(0.5 + fastrand::f64())).await;
                discovery.hosts.ask(&node, &discovery.learned, None).await;
                if discovery.asks_peers {
                    peers::ask_some(&node, &discovery.learned);
                }
            }
        };
        node.draining.run_until_cancelled(run).await;
    }
}
