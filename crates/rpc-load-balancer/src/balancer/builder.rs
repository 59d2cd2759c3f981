//! Describing a balancer, and starting it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use beam_node::{Error, Node};
use beam_term::{Atom, Term};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Balancer,
    drain::Drain,
    follow::follow,
    handle::{NOT_A_MEMBER, Shared},
    published::{Presence, Profile},
    selector::Selector,
    weights::{Weights, weighed},
};
use crate::{
    algorithm::{Algorithm, Random},
    call::{Latencies, Options},
    config::{AlgorithmConfig, BalancerConfig},
    health::{EventSource, Health},
    members::{Pool, Tracker},
    node_cpu,
    node_filter::NodeFilter,
    overload::{CallLimits, Gate},
    retry::Retry,
    retry_budget::RetryBudget,
    telemetry::Telemetry,
};

/// A balancer that is not started yet.
#[must_use = "a balancer works once it is started"]
pub struct BalancerBuilder {
    name: String,
    pool: Arc<dyn Selector>,
    join: bool,
    weights: Vec<(String, u32)>,
    node_match: NodeFilter,
    drain: Drain,
    options: Options,
    health: Health,
    retry_budget: RetryBudget,
    call_limits: CallLimits,
    profile: Profile,
}

impl BalancerBuilder {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pool: Arc::new(Pool::new(Random::new())),
            join: true,
            weights: Vec::new(),
            node_match: NodeFilter::all(),
            drain: Drain::default(),
            options: Options::default(),
            health: Health::default(),
            retry_budget: RetryBudget::default(),
            call_limits: CallLimits::new(),
            profile: Profile::default(),
        }
    }

    /// Sets how members are selected. Default: [`Random`].
    pub fn algorithm(mut self, algorithm: impl Algorithm) -> Self {
        self.pool = Arc::new(Pool::new(algorithm));
        self
    }

    /// Sets how members are selected, by an algorithm that was read from a text.
    pub fn algorithm_config(mut self, algorithm: &AlgorithmConfig) -> Self {
        self.pool = algorithm.pool();
        self
    }

    /// Takes the settings of a configuration, in place of those that were made before.
    pub fn config(self, config: &BalancerConfig) -> Self {
        config.apply(self)
    }

    /// Sets whether this node becomes a member, to which others and itself send calls. Default:
    /// `true`; with `false` it is a pure client.
    pub fn join(mut self, join: bool) -> Self {
        self.join = join;
        self
    }

    /// Sets the weight of a member, named `alive@host`: its share of the calls in proportion to
    /// those of the others, where the algorithm heeds weights. A member of weight 0 gets no calls.
    /// Default: what the member publishes of itself, else 1.
    ///
    /// It holds for this balancer on this node. [`Balancer::set_weight`] changes it at run time.
    pub fn weight(mut self, node: impl Into<String>, weight: u32) -> Self {
        self.weights.push((node.into(), weight));
        self
    }

    /// Sets which nodes become members, by their names: where that of this node does not match, it
    /// is a pure client. So all nodes of a system can start the same balancer. Default: all nodes.
    pub fn node_match(mut self, filter: NodeFilter) -> Self {
        self.node_match = filter;
        self
    }

    /// Sets whether calls run on this node, its own exports, whoever the members are; as in tests,
    /// or on a machine of its own. Default: `false`.
    pub fn call_directly(mut self, directly: bool) -> Self {
        self.options.directly = directly;
        self
    }

    /// Sets what calls do when there is nobody to call. Default: five tries after the first, with
    /// pauses of 5 s that end when a member joins.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// Sets how many [idempotent](crate::Call::idempotent) calls may be sent again. Default: 20 % of
    /// them, and 10 each second.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = budget;
        self
    }

    /// Sets how many calls may be in flight at a time, and how many more wait for room. Default: no
    /// limits but those of the [node](beam_node::Limits).
    ///
    /// Calls to all members at once are not counted.
    pub fn call_limits(mut self, limits: CallLimits) -> Self {
        self.call_limits = limits;
        self
    }

    /// Sets how members are judged by how they answer. Default: [`Health::new`].
    pub fn health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    /// Sets how long calls wait for their answers. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// Sets how long [`Balancer::drain`] waits for calls to end. Default: 15 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain.timeout = timeout;
        self
    }

    /// Sets how long [`Balancer::drain`] waits for late calls after the last one. Default: 1 s.
    pub fn drain_linger(mut self, linger: Duration) -> Self {
        self.drain.linger = linger;
        self
    }

    /// Publishes a weight of this node, for every balancer of this name to heed that sets none
    /// itself; see [the module](super#weights-and-metadata). Nobody sees this node as a member
    /// before its weight. Default: none is published, and others take 1.
    ///
    /// [`Balancer::publish_weight`] changes it at run time.
    pub fn own_weight(mut self, weight: u32) -> Self {
        self.profile.weight = Some(weight);
        self
    }

    /// Publishes a term about this node, such as its region or version, which other nodes find in
    /// [`Balancer::member_statuses`]. It may take about 900 bytes when encoded. Default: none is
    /// published.
    ///
    /// [`Balancer::publish_metadata`] changes it at run time.
    pub fn metadata(mut self, metadata: impl Into<Term>) -> Self {
        self.profile.metadata = Some(metadata.into());
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
        if self.name.is_empty() {
            return Err(complete(wrong_option("name", &"it is empty")));
        }
        let name = Atom::try_from(self.name.as_str())
            .map_err(|error| complete(wrong_option("name", &error)))?;
        let weights = self
            .weights
            .iter()
            .map(|(node, weight)| Ok((weighed(node)?, *weight)))
            .collect::<Result<HashMap<_, _>, Error>>()
            .map(Weights::new)
            .map_err(complete)?;
        self.health.check().map_err(complete)?;
        self.call_limits.check().map_err(complete)?;
        let gate = Gate::new(self.call_limits).map(Arc::new);
        if let Some(gate) = &gate {
            self.pool.reports().tell_of_room(gate);
        }
        let budget = self.retry_budget.open().map_err(complete)?;
        let telemetry = Telemetry::of_balancer(&self.name, self.pool.algorithm());
        let joins = self.join && self.node_match.matches(node.name());
        if !self.join && !self.profile.is_empty() {
            let option = self.profile.weight.map_or("metadata", |_| "own_weight");
            return Err(complete(wrong_option(option, &NOT_A_MEMBER)));
        }
        if joins {
            node_cpu::export(node);
        }
        let join = || Presence::join(node, &name, self.profile);
        let presence = joins.then(join).transpose();
        let listeners = EventSource::new();
        let (members, follow) = follow(
            Arc::clone(&self.pool),
            node,
            &name,
            &weights,
            self.health,
            listeners.clone(),
            telemetry.clone(),
        );
        let background = Arc::clone(&self.pool).background(node);
        Ok(Balancer::new(Shared {
            name,
            presence: Mutex::new(presence.map_err(complete)?),
            pool: self.pool,
            tracker: Tracker::default(),
            drain: self.drain,
            was_member: joins,
            options: self.options,
            telemetry,
            members,
            listeners,
            weights,
            gate,
            budget,
            latencies: Latencies::default(),
            _follower: AbortOnDropHandle::new(tokio::spawn(follow)),
            _background: background.map(|task| AbortOnDropHandle::new(tokio::spawn(task))),
            own: node.peer(node.name()).map_err(complete)?,
            node: node.clone(),
        }))
    }
}

impl fmt::Debug for BalancerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalancerBuilder")
            .field("name", &self.name)
            .field("join", &self.join)
            .field("weights", &self.weights)
            .field("node_match", &self.node_match)
            .field("drain", &self.drain)
            .field("options", &self.options)
            .field("health", &self.health)
            .field("call_limits", &self.call_limits)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

fn wrong_option(key: &str, reason: &dyn fmt::Display) -> Error {
    Error::bad_request(format!("{key}: {reason}"))
}
