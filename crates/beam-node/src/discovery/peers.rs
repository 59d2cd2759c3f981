//! Nodes that peers are connected to.

use std::{sync::Arc, time::Duration};

use beam_term::Atom;
use tokio::time::sleep;

use super::{ASK_TIMEOUT, learned::Learned};
use crate::{Function, peer::Slot, settling::Question, state::NodeState};

/// How many peers are asked at a time which nodes they know.
const ASKED_AT_A_TIME: usize = 3;

/// How often a newcomer is asked that knows nobody.
const QUESTIONS_TO_A_NEWCOMER: u32 = 4;

/// How long a newcomer that knows nobody has to learn of others: half of the time within which they try
/// to connect to it.
const LEARNING_TIME: Duration = Duration::from_secs(1);

/// Asks some of those that are connected, and answer.
pub(super) fn ask_some(node: &Arc<NodeState>, learned: &Arc<Learned>) {
    let mut links = node.links.all();
    links.retain(|link| !link.is_suspect());
    fastrand::shuffle(&mut links);
    links.truncate(ASKED_AT_A_TIME);
    for link in links {
        let (asker, learned) = (Arc::clone(node), Arc::clone(learned));
        let slot = node.slot(&link.peer);
        spawn(node, async move {
            ask(&asker, &slot, &learned, None).await;
        });
    }
}

/// Asks a peer that was connected just now. The question is closed with its first answer.
///
/// One that knows nobody may have been started a moment ago, as this node may know nobody else for
/// the same reason: those who know it connect to it in the next seconds, so that it is asked some times
/// more. That ends with its link: over the next one it is a newcomer again.
pub(super) fn ask_newcomer(
    node: &Arc<NodeState>,
    slot: Arc<Slot>,
    learned: &Arc<Learned>,
    question: Question,
) {
    let Some(newcomer) = slot.live().map(|link| link.id) else {
        return;
    };
    let (asker, learned) = (Arc::clone(node), Arc::clone(learned));
    spawn(node, async move {
        let mut question = Some(question);
        let asking = async {
            for _ in 0..QUESTIONS_TO_A_NEWCOMER {
                if ask(&asker, &slot, &learned, question.take().as_ref()).await {
                    return;
                }
                sleep(LEARNING_TIME).await;
            }
        };
        tokio::select! {
            () = asking => {}
            () = slot.await_end(newcomer) => {}
        }
    });
}

/// Does this until the node stops, which has no use for an answer.
fn spawn(node: &Arc<NodeState>, asking: impl Future<Output = ()> + Send + 'static) {
    let asker = Arc::clone(node);
    node.spawn(async move {
        asker.draining.run_until_cancelled(asking).await;
    });
}

/// Asks one peer, and tries every name that is new. Tells whether the peer knows anybody but this node.
async fn ask(
    node: &Arc<NodeState>,
    slot: &Slot,
    learned: &Arc<Learned>,
    question: Option<&Question>,
) -> bool {
    let known = known(node, slot).await;
    for name in &known {
        learned.learn(node, name.as_str(), slot.name(), question);
    }
    known
        .iter()
        .any(|name| name.as_str() != node.name().as_str())
}

async fn known(node: &Arc<NodeState>, slot: &Slot) -> Vec<Atom> {
    let peer = node.peer(slot.name());
    let nodes = Function {
        module: Atom::from_static("erlang"),
        name: Atom::from_static("nodes"),
    };
    let which = vec![Atom::from_static("visible"), Atom::from_static("hidden")];
    match peer
        .call(&nodes, (which,))
        .timeout(ASK_TIMEOUT)
        .send()
        .await
    {
        Ok(known) => known,
        Err(error) => {
            tracing::debug!(peer = %slot.name(), %error, "failed to ask for nodes");
            Vec::new()
        }
    }
}
