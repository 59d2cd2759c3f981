//! Keeping the pool of a balancer at the members of its group, and at their weights.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use beam_dist::NodeName;
use beam_node::{Members, Node, PublishedValues};
use beam_term::{Atom, Term};
use tokio::sync::watch;

use super::{
    published::{Profile, key},
    selector::Selector,
    status::MemberStatus,
    weights::Weights,
};
use crate::{members::Candidate, telemetry::Telemetry};

/// The members of the group that the pool has been told of, whatever their weights, sorted by
/// name.
pub(super) type Followed = watch::Receiver<Arc<[MemberStatus]>>;

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
    node: Node,
    group: Term,
    key: Term,
    members: watch::Receiver<Arc<Members>>,
    published: watch::Receiver<Arc<PublishedValues>>,
    weights: watch::Receiver<HashMap<NodeName, u32>>,
    telemetry: Telemetry,
}

/// Fills the pool with the members of now. The future keeps it at those of later, for as long
/// as it runs; it holds the node.
pub(super) fn follow(
    pool: Arc<dyn Selector>,
    node: &Node,
    balancer: &Atom,
    weights: &Weights,
    telemetry: Telemetry,
) -> (Followed, impl Future<Output = ()> + Send + 'static) {
    let (group, key) = (Term::Atom(balancer.clone()), key(balancer));
    let mut sources = Sources {
        node: node.clone(),
        members: node.watch_members(group.clone()),
        published: node.watch_published(key.clone()),
        weights: weights.follow(),
        telemetry,
        group,
        key,
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
            changed = self.published.changed() => changed.is_ok(),
            changed = self.weights.changed() => changed.is_ok(),
        }
    }

    fn take(&mut self, pool: &dyn Selector) -> Arc<[MemberStatus]> {
        // What changes from here on is a change to wait for.
        self.members.mark_unchanged();
        self.published.mark_unchanged();
        // A member whose weight came a moment later would get calls that it does not want.
        let (members, published) = self.node.members_and_published(&self.group, &self.key);
        let statuses: Arc<[MemberStatus]> = {
            let weights = self.weights.borrow_and_update();
            let status = |node: &NodeName| {
                let value = published.get(node);
                let profile = value.map(|value| Profile::read(value)).unwrap_or_default();
                let set_here = weights.get(node).copied();
                MemberStatus {
                    node: node.clone(),
                    weight: set_here.or(profile.weight).unwrap_or(1),
                    metadata: profile.metadata,
                }
            };
            members.nodes().map(status).collect()
        };
        self.telemetry.members(&members);
        let candidates = if pool.is_local() {
            vec![Candidate::from(self.node.name().clone())]
        } else {
            let candidate =
                |status: &MemberStatus| Candidate::new(status.node.clone(), status.weight);
            statuses.iter().map(candidate).collect()
        };
        // What the algorithm does with them is code of the user. Should it panic, the members stay
        // what they were until the next change.
        if catch_unwind(AssertUnwindSafe(|| pool.update(candidates))).is_err() {
            tracing::error!("the algorithm of a balancer panicked when members changed");
        }
        statuses
    }
}
