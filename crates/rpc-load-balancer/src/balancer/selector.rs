//! A pool whose algorithm is no part of its type.

use beam_dist::NodeName;

use crate::{
    algorithm::{Algorithm, Selection},
    members::{Lease, Pool},
};

/// What a balancer needs of its pool.
///
/// There is one dynamic call in each selection; all behind it is compiled for the algorithm.
pub(super) trait Selector: Send + Sync {
    fn select(&self, selection: &Selection<'_>) -> Option<Lease>;

    fn select_nodes(&self, count: usize, selection: &Selection<'_>) -> Vec<Lease>;

    fn update(&self, nodes: Vec<NodeName>);

    fn nodes(&self) -> Vec<NodeName>;

    fn in_flight(&self) -> usize;

    fn is_local(&self) -> bool;
}

impl<A: Algorithm> Selector for Pool<A> {
    fn select(&self, selection: &Selection<'_>) -> Option<Lease> {
        self.select(selection)
    }

    fn select_nodes(&self, count: usize, selection: &Selection<'_>) -> Vec<Lease> {
        self.select_nodes(count, selection)
    }

    fn update(&self, nodes: Vec<NodeName>) {
        self.update(nodes);
    }

    fn nodes(&self) -> Vec<NodeName> {
        let snapshot = self.snapshot();
        let nodes = snapshot.members().iter().map(|member| member.node());
        nodes.cloned().collect()
    }

    fn in_flight(&self) -> usize {
        self.in_flight()
    }

    fn is_local(&self) -> bool {
        self.algorithm().is_local()
    }
}
