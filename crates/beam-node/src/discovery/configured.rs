//! Peers that are always to be connected.

use std::sync::Arc;

use beam_dist::NodeName;
use tokio::time::Instant;

use super::{LONGEST_PAUSE, SHORTEST_PAUSE};
use crate::{backoff::Backoff, deadline, settling::Question, state::NodeState};

/// Keeps a configured peer connected for as long as the node runs. The question is whether it can
/// be reached now.
pub(crate) async fn keep_connected(node: Arc<NodeState>, name: NodeName, question: Question) {
    let mut question = Some(question);
    let slot = node.slot(&name);
    let mut backoff = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
    let keep = async {
        loop {
            let attempt = slot
                .link(&node, deadline::after(node.handshake_timeout()))
                .await;
            drop(question.take());
            match attempt {
                Ok(_link) => {
                    let since = Instant::now();
                    slot.await_loss().await;
                    if since.elapsed() > LONGEST_PAUSE {
                        backoff.reset();
                    }
                }
                Err(error) => {
                    tracing::debug!(peer = %name, %error, "failed to connect to a configured peer");
                }
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    };
    node.draining.run_until_cancelled(keep).await;
}
