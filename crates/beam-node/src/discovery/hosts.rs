//! Nodes that are registered on hosts.

use std::sync::Arc;

use tokio::{task::JoinSet, time::Instant};

use super::{ASK_TIMEOUT, learned::Learned};
use crate::{epmd, settling::Question, state::NodeState};

/// Hosts whose EPMDs are asked which nodes they know.
#[derive(Debug)]
pub(crate) struct Hosts {
    pub(crate) names: Vec<String>,
    pub(crate) epmd_port: u16,
}

impl Hosts {
    /// Asks all of them, side by side: one that does not answer holds up no other.
    pub(super) async fn ask(
        &self,
        node: &Arc<NodeState>,
        learned: &Arc<Learned>,
        question: Option<&Question>,
    ) {
        let mut asked = JoinSet::new();
        for host in self.names.clone() {
            let port = self.epmd_port;
            let node = Arc::clone(node);
            asked.spawn(async move {
                let deadline = Instant::now() + ASK_TIMEOUT;
                let names = epmd::names(&host, port, &node.allowed, deadline).await;
                (host, names)
            });
        }
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok((host, Ok(names))) => {
                    for name in names {
                        learned.learn(node, &format!("{name}@{host}"), &host, question);
                    }
                }
                Ok((host, Err(error))) => {
                    tracing::debug!(%host, %error, "failed to ask for nodes");
                }
                Err(error) => tracing::error!(%error, "failed to ask for nodes"),
            }
        }
    }
}
