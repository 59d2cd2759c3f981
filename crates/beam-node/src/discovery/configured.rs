//! Peers that are always to be connected.

use std::sync::Arc;

use beam_dist::NodeName;
use tokio::time::Instant;

use super::attempts::Attempts;
use crate::{deadline, settling::Question, state::NodeState};

/// Keeps a configured peer connected for as long as the node runs. The question is whether it can
/// be reached now.
pub(crate) async fn keep_connected(node: Arc<NodeState>, name: NodeName, question: Question) {
    let mut question = Some(question);
    let slot = node.slot(&name);
    let mut attempts = Attempts::new();
    let keep = async {
        loop {
            attempts.begin();
            let attempt = slot
                .link(&node, deadline::after(node.handshake_timeout()))
                .await;
            drop(question.take());
            match attempt {
                Ok(_link) => {
                    let since = Instant::now();
                    slot.await_loss().await;
                    attempts.lost(since.elapsed());
                }
                Err(error) => {
                    attempts.failed();
                    tracing::debug!(peer = %name, %error, "failed to connect to a configured peer");
                }
            }
            attempts.pause().await;
        }
    };
    node.draining.run_until_cancelled(keep).await;
}
