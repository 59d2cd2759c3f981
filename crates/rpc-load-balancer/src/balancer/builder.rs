//! Describing a balancer, and starting it.

use std::sync::{Arc, Mutex};

use beam_node::{Error, Node};
use beam_term::{Atom, Term};
use tokio_util::task::AbortOnDropHandle;

use super::{Balancer, follow::follow, handle::Shared, selector::Selector};
use crate::{
    algorithm::{Algorithm, Random},
    members::Pool,
};

/// A balancer that is not started yet.
#[derive(Debug)]
#[must_use = "a balancer works once it is started"]
pub struct BalancerBuilder<A = Random> {
    name: String,
    algorithm: A,
    join: bool,
}

impl BalancerBuilder {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            algorithm: Random::new(),
            join: true,
        }
    }
}

impl<A: Algorithm> BalancerBuilder<A> {
    /// Sets how members are selected. Default: [`Random`].
    pub fn algorithm<B: Algorithm>(self, algorithm: B) -> BalancerBuilder<B> {
        BalancerBuilder {
            name: self.name,
            algorithm,
            join: self.join,
        }
    }

    /// Sets whether this node becomes a member, to which others and itself send calls. Default:
    /// `true`; with `false` it is a pure client.
    pub fn join(mut self, join: bool) -> Self {
        self.join = join;
        self
    }

    /// Starts the balancer on a node: joins the group, unless told not to, and takes the members
    /// that are known by now. [`Balancer::wait_for_members`] waits for those of others.
    ///
    /// # Errors
    ///
    /// `bad_request` for a wrong option; the message begins with its name.
    ///
    /// # Cancellation safety
    ///
    /// When this future is dropped, the group is left again.
    // Async, although nothing is waited for: it needs the runtime, and an algorithm may have to
    // prepare itself.
    pub async fn start(self, node: &Node) -> Result<Balancer, Error> {
        let complete = |error: Error| error.of_balancer(&self.name);
        let name = Atom::try_from(self.name.as_str())
            .map_err(|error| complete(wrong_option("name", &error)))?;
        let group = Term::Atom(name.clone());
        let membership = self.join.then(|| node.join(group.clone())).transpose();
        let pool: Arc<dyn Selector> = Arc::new(Pool::new(self.algorithm));
        let (count, follow) = follow(Arc::clone(&pool), node.watch_members(group));
        Ok(Balancer::new(Shared {
            name,
            membership: Mutex::new(membership.map_err(complete)?),
            pool,
            count,
            _follower: AbortOnDropHandle::new(tokio::spawn(follow)),
            own: node.peer(node.name()).map_err(complete)?,
            node: node.clone(),
        }))
    }
}

fn wrong_option(key: &str, reason: &dyn std::fmt::Display) -> Error {
    Error::bad_request(format!("{key}: {reason}"))
}
