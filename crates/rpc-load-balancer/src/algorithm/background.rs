//! What an algorithm does beside the selections.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
};

use beam_node::Node;

use super::Algorithm;
use crate::members::Pool;

/// A task of an algorithm; it is dropped with the balancer.
pub type BackgroundTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the [background task](Algorithm::background) of an algorithm works on.
pub struct Background<A: Algorithm> {
    node: Node,
    pool: Weak<Pool<A>>,
}

impl<A: Algorithm> Background<A> {
    pub(crate) fn new(node: &Node, pool: &Arc<Pool<A>>) -> Self {
        Self {
            node: node.clone(),
            pool: Arc::downgrade(pool),
        }
    }

    /// The node that the balancer calls from.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The pool of the balancer; `None` once the balancer is gone. A task that keeps it while it
    /// waits keeps the members as well.
    pub fn pool(&self) -> Option<Arc<Pool<A>>> {
        self.pool.upgrade()
    }
}

impl<A: Algorithm> fmt::Debug for Background<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background")
            .field("node", self.node.name())
            .finish_non_exhaustive()
    }
}
