//! Keeping the pool of a balancer at the members of its group, and at their weights.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use beam_dist::NodeName;
use beam_node::Members;
use tokio::sync::watch;

use super::{selector::Selector, weights::Weights};
use crate::{members::Candidate, telemetry::Telemetry};

/// The members of the group that the pool has been told of, whatever their weights.
pub(super) type Followed = watch::Receiver<Arc<Members>>;

/// Changes of the members of a balancer, or of their weights.
pub(crate) struct Changes(Followed);

impl Changes {
    /// Notices changes from here on.
    pub(super) fn of(followed: &Followed) -> Self {
        let mut followed = followed.clone();
        followed.mark_unchanged();
        Self(followed)
    }

    /// Waits for the next change. There is none any more once the balancer is gone.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// What the members of a pool follow from.
struct Sources {
    own: NodeName,
    members: watch::Receiver<Arc<Members>>,
    weights: watch::Receiver<HashMap<NodeName, u32>>,
    telemetry: Telemetry,
}

/// Fills the pool with the members of now. The future keeps it at those of later, for as long
/// as it runs.
pub(super) fn follow(
    pool: Arc<dyn Selector>,
    own: &NodeName,
    members: watch::Receiver<Arc<Members>>,
    weights: &Weights,
    telemetry: Telemetry,
) -> (Followed, impl Future<Output = ()> + Send + 'static) {
    let mut sources = Sources {
        own: own.clone(),
        members,
        weights: weights.follow(),
        telemetry,
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
        let candidates = if pool.is_local() {
            vec![Candidate::from(self.own.clone())]
        } else {
            let weights = self.weights.borrow_and_update();
            let weigh = |node: &NodeName| {
                let weight = weights.get(node).copied().unwrap_or(1);
                Candidate::new(node.clone(), weight)
            };
            members.nodes().map(weigh).collect()
        };
        self.telemetry.members(&members);
        // What the algorithm does with them is code of the user. Should it panic, the members stay
        // what they were until the next change.
        if catch_unwind(AssertUnwindSafe(|| pool.update(candidates))).is_err() {
            tracing::error!("the algorithm of a balancer panicked when members changed");
        }
        members
    }
}
