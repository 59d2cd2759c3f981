//! A pool whose algorithm is no part of its type.

use std::sync::Arc;

use beam_dist::NodeName;
use beam_node::Node;

use crate::{
    algorithm::{Algorithm, Background, BackgroundTask, Selection},
    health::Records,
    members::{Candidate, Lease, Pool, Unselected},
};

/// What a balancer needs of its pool.
///
/// There is one dynamic call in each selection; all behind it is compiled for the algorithm.
pub(crate) trait Selector: Records + Send + Sync {
    fn select(&self, selection: &Selection<'_>) -> Option<Lease>;

    fn select_nodes(&self, count: usize, selection: &Selection<'_>) -> Vec<Lease>;

    /// A member with no more than so many calls in flight.
    fn select_within(&self, selection: &Selection<'_>, most: u32) -> Result<Lease, Unselected>;

    /// The best of the members that `may_be` holds for, with no more than so many calls in flight.
    fn select_where(
        &self,
        selection: &Selection<'_>,
        most: u32,
        may_be: &dyn Fn(&NodeName) -> bool,
    ) -> Option<Lease>;

    fn update(&self, candidates: Vec<Candidate>);

    /// Whether there is a member that `may_be` holds for among those that may be selected, however busy.
    fn has(&self, selection: &Selection<'_>, may_be: &dyn Fn(&NodeName) -> bool) -> bool;

    fn in_flight(&self) -> usize;

    fn is_local(&self) -> bool;

    /// The name of the algorithm's type.
    fn algorithm(&self) -> &'static str;

    /// What the algorithm does beside the selections.
    fn background(self: Arc<Self>, node: &Node) -> Option<BackgroundTask>;
}

impl<A: Algorithm> Selector for Pool<A> {
    fn select(&self, selection: &Selection<'_>) -> Option<Lease> {
        self.select(selection)
    }

    fn select_nodes(&self, count: usize, selection: &Selection<'_>) -> Vec<Lease> {
        self.select_nodes(count, selection)
    }

    fn select_within(&self, selection: &Selection<'_>, most: u32) -> Result<Lease, Unselected> {
        self.select_within(selection, most)
    }

    fn select_where(
        &self,
        selection: &Selection<'_>,
        most: u32,
        may_be: &dyn Fn(&NodeName) -> bool,
    ) -> Option<Lease> {
        self.select_where(selection, most, may_be)
    }

    fn update(&self, candidates: Vec<Candidate>) {
        self.update(candidates);
    }

    fn has(&self, selection: &Selection<'_>, may_be: &dyn Fn(&NodeName) -> bool) -> bool {
        self.has(selection, may_be)
    }

    fn in_flight(&self) -> usize {
        self.in_flight()
    }

    fn is_local(&self) -> bool {
        self.algorithm().is_local()
    }

    fn algorithm(&self) -> &'static str {
        let path = std::any::type_name::<A>();
        let path = path.split('<').next().unwrap_or(path);
        path.rsplit("::").next().unwrap_or(path)
    }

    fn background(self: Arc<Self>, node: &Node) -> Option<BackgroundTask> {
        self.algorithm().background(Background::new(node, &self))
    }
}
