//! The balancer that users hold.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beam_dist::NodeName;
use beam_node::{Arguments, Cause, Code, Error, Function, Node, Peer};
use beam_term::{Atom, Term};
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;

use super::{
    BalancerBuilder,
    drain::Drain,
    follow::{Changes, Followed},
    published::{Presence, Profile},
    selector::Selector,
    weights::{Weights, weighed},
};
use crate::{
    algorithm::Selection,
    call::{Call, Cast, Latencies, Multicall, Options, Route, Target},
    health::{EventSource, MemberEvents, MemberStatus},
    members::{Lease, Tracked, Tracker, Unselected},
    overload::Gate,
    retry_budget::Budget,
    telemetry::Telemetry,
};

/// Calls over the members of a process group, each to the member that an algorithm picks.
///
/// The group has the balancer's name and lies in the scope `rpc_load_balancer`, so that the
/// members are nodes of the Elixir library of this name as well as of this one.
///
/// Cheap to clone. The group is left when the last clone is dropped, or by [`Balancer::leave`].
/// The balancer holds the node, which runs on for as long.
///
/// ```no_run
/// use std::time::Duration;
///
/// use rpc_load_balancer::{Balancer, Node, RoundRobin};
///
/// # async fn example() -> Result<(), rpc_load_balancer::Error> {
/// let node = Node::builder("app@127.0.0.1").cookie("secret").peer("w1@127.0.0.1").start().await?;
/// let balancer = Balancer::builder("my_balancer").algorithm(RoundRobin::new()).start(&node).await?;
/// balancer.wait_for_members(2, Duration::from_secs(5)).await?;
///
/// let sum: i64 = balancer.call(("erlang", "+"), (1, 2)).timeout(Duration::from_secs(5)).await?;
/// balancer.cast(("Elixir.IO", "puts"), ("hello from cast",)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Balancer {
    shared: Arc<Shared>,
}

/// What the clones of a balancer share. The fields are dropped in this order: the group is left
/// before the node may stop.
pub(super) struct Shared {
    pub(super) name: Atom,
    /// `None` for a pure client.
    pub(super) presence: Mutex<Option<Presence>>,
    pub(super) pool: Arc<dyn Selector>,
    /// Calls in flight that no member was selected for.
    pub(super) tracker: Tracker,
    pub(super) drain: Drain,
    /// Whether peers may have seen this node as a member, now or before.
    pub(super) was_member: bool,
    /// What calls do unless told otherwise.
    pub(super) options: Options,
    pub(super) telemetry: Telemetry,
    pub(super) members: Followed,
    pub(super) listeners: EventSource,
    pub(super) weights: Weights,
    pub(super) gate: Option<Arc<Gate>>,
    pub(super) budget: Budget,
    pub(super) latencies: Latencies,
    /// Keeps the pool at the members of the group.
    pub(super) _follower: AbortOnDropHandle<()>,
    /// What the algorithm does beside the selections.
    pub(super) _background: Option<AbortOnDropHandle<()>>,
    /// The node as a peer of itself.
    pub(super) own: Peer,
    pub(super) node: Node,
}

/// Why a pure client can publish nothing.
pub(super) const NOT_A_MEMBER: &str =
    "this node is no member of the balancer, and only members publish what they are like";

impl Balancer {
    /// Starts to describe a balancer with this name, which is that of its group: any atom.
    pub fn builder(name: impl Into<String>) -> BalancerBuilder {
        BalancerBuilder::new(name)
    }

    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The name of the balancer, and of its group.
    pub fn name(&self) -> &str {
        self.shared.name.as_str()
    }

    /// The node that the balancer calls from.
    pub fn node(&self) -> &Node {
        &self.shared.node
    }

    /// Calls a function on the member that the algorithm picks.
    ///
    /// A member that is this node itself runs its own export, without a connection.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error};
    /// # async fn example(balancer: Balancer) -> Result<(), Error> {
    /// let loud: String = balancer.call(("Elixir.String", "upcase"), ("hello",)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<'a, T: DeserializeOwned + Send, A: Arguments + 'a>(
        &self,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
    ) -> Call<'a, T, A> {
        let options = self.shared.options.clone();
        Call::new(Target::Members(self.clone()), function, arguments, options)
    }

    /// Sends a cast, a call whose result nobody wants, to the member that the algorithm picks.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error};
    /// # async fn example(balancer: Balancer) -> Result<(), Error> {
    /// balancer.cast(("Elixir.IO", "puts"), ("hello from cast",)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cast<'a, A: Arguments + 'a>(
        &self,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
    ) -> Cast<'a, A> {
        let options = self.shared.options.clone();
        Cast::new(Target::Members(self.clone()), function, arguments, options)
    }

    /// Calls a function on every member at once.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error};
    /// # async fn example(balancer: Balancer) -> Result<(), Error> {
    /// for (node, answer) in balancer.multicall::<u64, _>(("cache", "size"), ()).await? {
    ///     println!("{node}: {answer:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn multicall<'a, T: DeserializeOwned + Send, A: Arguments + 'a>(
        &self,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
    ) -> Multicall<'a, T, A> {
        let timeout = self.shared.options.timeout;
        Multicall::new(self.clone(), function, arguments).timeout(timeout)
    }

    /// Selects a member, which counts as busy until the lease is dropped.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error};
    /// # fn example(balancer: Balancer) -> Result<(), Error> {
    /// let lease = balancer.select()?;
    /// println!("{} gets the next piece of work", lease.node());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `service_unavailable` when there are no members, or the algorithm finds none of them fit.
    pub fn select(&self) -> Result<Lease, Error> {
        self.select_by(&Selection::default())
    }

    /// Selects a member for a key, any term. Algorithms that hash pick the same member for the
    /// same key; the others ignore it.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error, Term};
    /// # fn example(balancer: Balancer) -> Result<(), Error> {
    /// let lease = balancer.select_with_key(&Term::binary("user-42"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Balancer::select`].
    pub fn select_with_key(&self, key: &Term) -> Result<Lease, Error> {
        self.select_by(&Selection::with_key(key))
    }

    /// Selects up to `count` different members: fewer if there are fewer.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error};
    /// # fn example(balancer: Balancer) -> Result<(), Error> {
    /// for lease in balancer.select_nodes(2)? {
    ///     println!("{} gets a copy", lease.node());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Balancer::select`].
    pub fn select_nodes(&self, count: usize) -> Result<Vec<Lease>, Error> {
        self.select_nodes_by(count, &Selection::default())
    }

    /// Selects up to `count` different members for a key; algorithms that hash give its owner, then
    /// its replicas.
    ///
    /// # Errors
    ///
    /// As [`Balancer::select`].
    pub fn select_nodes_with_key(&self, count: usize, key: &Term) -> Result<Vec<Lease>, Error> {
        self.select_nodes_by(count, &Selection::with_key(key))
    }

    /// The members, each node once, sorted by name; those of weight 0, which get no calls, too.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error};
    /// # fn example(balancer: Balancer) -> Result<(), Error> {
    /// let names: Vec<String> = balancer.members()?.iter().map(ToString::to_string).collect();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `service_unavailable` when there are none.
    pub fn members(&self) -> Result<Vec<NodeName>, Error> {
        match self.nodes() {
            nodes if nodes.is_empty() => Err(self.no_member()),
            nodes => Ok(nodes),
        }
    }

    /// Sets the weight of a member for this balancer on this node, whether it is one now or not, in
    /// place of what it publishes of itself; `None` takes that back. It holds as soon as the
    /// balancer's task has seen it; see [`BalancerBuilder::weight`].
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error};
    /// # fn example(balancer: Balancer) -> Result<(), Error> {
    /// // No new calls to this one, as long as it is being looked at.
    /// balancer.set_weight("w1@127.0.0.1", Some(0))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `bad_request` when the name is not of the form `alive@host`.
    pub fn set_weight(&self, node: impl AsRef<str>, weight: Option<u32>) -> Result<(), Error> {
        let node = weighed(node.as_ref()).map_err(|error| self.complete(error))?;
        self.shared.weights.set(node, weight);
        Ok(())
    }

    /// The members with their weights, metadata and [states](crate::health), sorted by name; those
    /// that get no calls, too. Empty if there are none.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::Balancer;
    /// # fn example(balancer: Balancer) {
    /// for member in balancer.member_statuses().iter() {
    ///     println!("{} is {}: {}", member.node, member.state, member.reason);
    /// }
    /// # }
    /// ```
    pub fn member_statuses(&self) -> Arc<[MemberStatus]> {
        Arc::clone(&self.shared.members.borrow().members)
    }

    /// Those who were members within the last minute: who left, or whose node is not connected any
    /// more, the last one last; at most 256.
    pub fn former_members(&self) -> Arc<[MemberStatus]> {
        Arc::clone(&self.shared.members.borrow().former)
    }

    /// The changes of the members' states and weights from now on, and the members of now.
    ///
    /// ```no_run
    /// # use rpc_load_balancer::Balancer;
    /// # async fn example(balancer: Balancer) {
    /// let mut events = balancer.member_events();
    /// for member in events.members() {
    ///     println!("{} is {}: {}", member.node, member.state, member.reason);
    /// }
    /// while let Some(event) = events.next().await {
    ///     println!("{} is {}: {}", event.node, event.state, event.reason);
    /// }
    /// # }
    /// ```
    pub fn member_events(&self) -> MemberEvents {
        self.shared.listeners.subscribe(|| {
            let view = self.shared.members.borrow();
            (view.look, Arc::clone(&view.members))
        })
    }

    /// Publishes the weight of this node in place of the one before; `None` withdraws it. See
    /// [`BalancerBuilder::own_weight`].
    ///
    /// ```no_run
    /// # use rpc_load_balancer::{Balancer, Error};
    /// # fn example(balancer: Balancer) -> Result<(), Error> {
    /// // No new calls to this node, from any other, while it is busy with something else.
    /// balancer.publish_weight(Some(0))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `bad_request` when this node is no member: only members have a weight.
    pub fn publish_weight(&self, weight: Option<u32>) -> Result<(), Error> {
        self.publish("own_weight", |profile| profile.weight = weight)
    }

    /// Publishes a term about this node in place of the one before; `None` withdraws it. See
    /// [`BalancerBuilder::metadata`].
    ///
    /// # Errors
    ///
    /// `bad_request` when this node is no member, or the term is too large; then the one before
    /// stays.
    pub fn publish_metadata(&self, metadata: Option<Term>) -> Result<(), Error> {
        self.publish("metadata", |profile| profile.metadata = metadata)
    }

    /// Waits until the balancer has at least `count` members.
    ///
    /// # Errors
    ///
    /// `service_unavailable` with the number of members found, if they do not come in time.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn wait_for_members(&self, count: usize, timeout: Duration) -> Result<(), Error> {
        let mut members = self.shared.members.clone();
        let enough = members.wait_for(|view| view.members.len() >= count);
        if let Ok(Ok(_)) = tokio::time::timeout(timeout, enough).await {
            return Ok(());
        }
        let found = self.shared.members.borrow().members.len();
        Err(self.complete(Error::new(
            Code::ServiceUnavailable,
            format!("{found} of {count} members came within {timeout:?}"),
            Cause::NoMembers,
        )))
    }

    /// Selections of this balancer that have not ended, among them the calls that wait for an
    /// answer; and what is [tracked](Self::track_call).
    pub fn in_flight(&self) -> usize {
        self.shared.pool.in_flight() + self.shared.tracker.count()
    }

    /// Counts a piece of work as a call in flight, although it is none of this balancer's, until
    /// the value is dropped. A [drain](Self::drain) then waits for it.
    pub fn track_call(&self) -> Tracked {
        self.shared.tracker.track()
    }

    /// Leaves the group, goes on serving, and waits until the calls both ways have run out: those
    /// that this balancer makes, and those that this node serves, through whatever balancer they
    /// came. Peers that have not yet seen the leave may still call; a node that was a member waits
    /// for such calls for 1 s after the last one. Connections stay open.
    ///
    /// [`Node::shutdown`] does the same for the whole node, and then stops it.
    ///
    /// # Errors
    ///
    /// `request_timeout` with the numbers of calls that were left after the
    /// [`drain_timeout`](BalancerBuilder::drain_timeout), 15 s by default.
    ///
    /// # Cancellation safety
    ///
    /// When the future is dropped the group is left all the same.
    pub async fn drain(&self) -> Result<(), Error> {
        self.leave();
        let was_member = self.shared.was_member;
        let drained = self.shared.drain.run(self, was_member).await;
        drained.map_err(|error| self.complete(error))
    }

    /// Leaves the group, and withdraws what this node publishes in it: other nodes stop sending
    /// calls here. The balancer goes on as a pure client. Returns whether it was a member.
    pub fn leave(&self) -> bool {
        self.presence().take().is_some()
    }

    /// Whether this node is a member itself: not if it was told not to [join](BalancerBuilder::join), if
    /// its name does not [match](BalancerBuilder::node_match), or once it has left.
    pub fn is_member(&self) -> bool {
        self.presence().is_some()
    }

    /// The own node, whoever the members are.
    pub(crate) fn own_route(&self) -> Route {
        Route::Node {
            peer: self.shared.own.clone(),
            _tracked: Some(self.track_call()),
        }
    }

    /// The best of the members that `may_be` holds for.
    pub(crate) fn select_where(
        &self,
        selection: &Selection<'_>,
        may_be: &dyn Fn(&NodeName) -> bool,
    ) -> Option<Lease> {
        let most = self.gate().map_or(u32::MAX, Gate::per_member);
        self.shared.pool.select_where(selection, most, may_be)
    }

    /// Whether there is a member that `may_be` holds for among those that may be selected, with room for a
    /// call or without.
    pub(crate) fn may_select(
        &self,
        selection: &Selection<'_>,
        may_be: &dyn Fn(&NodeName) -> bool,
    ) -> bool {
        self.shared.pool.has(selection, may_be)
    }

    /// A member that has room for a call; `None` where none of those that are fit has.
    pub(crate) fn pick_with_room(
        &self,
        selection: &Selection<'_>,
        gate: &Gate,
    ) -> Result<Option<Lease>, Error> {
        let pool = &self.shared.pool;
        match pool.select_within(selection, gate.per_member()) {
            Ok(lease) => Ok(Some(lease)),
            Err(Unselected::NoRoom) => Ok(None),
            // It is not to wait for room, where it would hold up those for whom somebody is fit.
            Err(Unselected::NobodyFit) => {
                self.shared.telemetry.selected_nobody();
                Err(self.no_member())
            }
        }
    }

    /// The room for calls, where that is limited.
    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.shared.gate.as_deref()
    }

    /// Changes of the members from here on.
    pub(crate) fn changes(&self) -> Changes {
        Changes::of(&self.shared.members)
    }

    fn select_by(&self, selection: &Selection<'_>) -> Result<Lease, Error> {
        let lease = self.pick(selection)?;
        self.shared.telemetry.selected(lease.node());
        Ok(lease)
    }

    /// Selects a member that may still give way to another one.
    pub(crate) fn pick(&self, selection: &Selection<'_>) -> Result<Lease, Error> {
        self.shared.pool.select(selection).ok_or_else(|| {
            self.shared.telemetry.selected_nobody();
            self.no_member()
        })
    }

    fn select_nodes_by(
        &self,
        count: usize,
        selection: &Selection<'_>,
    ) -> Result<Vec<Lease>, Error> {
        let leases = self.shared.pool.select_nodes(count, selection);
        for lease in &leases {
            self.shared.telemetry.selected(lease.node());
        }
        match leases.is_empty() && count > 0 {
            true => Err(self.no_member()),
            false => Ok(leases),
        }
    }

    fn publish(&self, what: &str, change: impl FnOnce(&mut Profile)) -> Result<(), Error> {
        let Shared { node, name, .. } = &*self.shared;
        let result = match &mut *self.presence() {
            Some(presence) => presence.publish(node, name, change),
            None => Err(Error::bad_request(format!("{what}: {NOT_A_MEMBER}"))),
        };
        result.map_err(|error| self.complete(error))
    }

    fn presence(&self) -> MutexGuard<'_, Option<Presence>> {
        let presence = &self.shared.presence;
        presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nodes(&self) -> Vec<NodeName> {
        let view = self.shared.members.borrow();
        let members = view.members.iter();
        members.map(|member| member.node.clone()).collect()
    }

    fn no_member(&self) -> Error {
        if self.node().is_stopped() {
            return self.complete(Error::shut_down());
        }
        let message = {
            let members = &self.shared.members.borrow().members;
            match members.len() {
                0 => "no members".to_owned(),
                count if members.iter().all(|member| member.weight == 0) => {
                    format!("the weight of all {count} members is 0, so that none takes calls")
                }
                count => format!("no fit member among {count}"),
            }
        };
        self.complete(Error::new(
            Code::ServiceUnavailable,
            message,
            Cause::NoMembers,
        ))
    }

    /// What calls that are sent again are paid from.
    pub(crate) fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// How long calls that are hedged have taken of late.
    pub(crate) fn latencies(&self) -> &Latencies {
        &self.shared.latencies
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.shared.telemetry
    }

    /// Adds which balancer it was.
    pub(crate) fn complete(&self, error: Error) -> Error {
        error.of_balancer(self.name())
    }
}

impl fmt::Debug for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer")
            .field("name", &self.name())
            .field("node", self.node().name())
            .field("members", &self.nodes())
            .finish_non_exhaustive()
    }
}
