//! Nodes that peers are connected to.

use std::sync::Arc;

use beam_term::Atom;

use super::{ASK_TIMEOUT, learned::Learned};
use crate::{Function, peer::Slot, settling::Question, state::NodeState};

/// How many peers are asked at a time which nodes they know.
const ASKED_AT_A_TIME: usize = 3;

/// Asks some of those that are connected.
pub(super) fn ask_some(node: &Arc<NodeState>, learned: &Arc<Learned>) {
    let mut links = node.links.all();
    fastrand::shuffle(&mut links);
    links.truncate(ASKED_AT_A_TIME);
    for link in links {
        ask(node, node.slot(&link.peer), learned, None);
    }
}

/// Asks one peer, and tries every name that is new. The answer is of no use to a node that stops.
pub(super) fn ask(
    node: &Arc<NodeState>,
    slot: Arc<Slot>,
    learned: &Arc<Learned>,
    question: Option<Question>,
) {
    let (asker, learned) = (Arc::clone(node), Arc::clone(learned));
    node.spawn(async move {
        let Some(known) = asker
            .draining
            .run_until_cancelled(known(&asker, &slot))
            .await
        else {
            return;
        };
        for name in known {
            learned.learn(&asker, name.as_str(), slot.name(), question.as_ref());
        }
    });
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
