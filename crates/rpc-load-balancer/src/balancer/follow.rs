//! Keeping the pool of a balancer at the members of its group, and at their weights.

use std::{collections::HashMap, sync::Arc};

use beam_dist::NodeName;
use beam_node::Members;
use tokio::sync::watch;

use super::{selector::Selector, weights::Weights};
use crate::members::Candidate;

/// The members of the group that the pool has been told of, whatever their weights.
pub(super) type Followed = watch::Receiver<Arc<Members>>;

/// What the members of a pool follow from.
struct Sources {
    members: watch::Receiver<Arc<Members>>,
    weights: watch::Receiver<HashMap<NodeName, u32>>,
}

/// Fills the pool with the members of now. The future keeps it at those of later, for as long
/// as it runs.
pub(super) fn follow(
    pool: Arc<dyn Selector>,
    members: watch::Receiver<Arc<Members>>,
    weights: &Weights,
) -> (Followed, impl Future<Output = ()> + Send + 'static) {
    let mut sources = Sources {
        members,
        weights: weights.follow(),
    };
    let followed = watch::Sender::new(sources.take(&*pool));
    let receiver = followed.subscribe();
    let task = async move {
        while sources.changed().await {
            followed.send_replace(sources.take(&*pool));
        }
    };
    (receiver, task)
}

impl Sources {
    /// Waits for a change; `false` when there will be none any more.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            changed = self.members.changed() => changed.is_ok(),
            changed = self.weights.changed() => changed.is_ok(),
        }
    }

    fn take(&mut self, pool: &dyn Selector) -> Arc<Members> {
        // The clone ends the borrow, which would keep the group from changing meanwhile.
        let members = Arc::clone(&self.members.borrow_and_update());
        let candidates = {
            let weights = self.weights.borrow_and_update();
            let weigh = |node: &NodeName| {
                let weight = weights.get(node).copied().unwrap_or(1);
                Candidate::new(node.clone(), weight)
            };
            members.nodes().map(weigh).collect()
        };
        pool.update(candidates);
        members
    }
}
