//! What a selection algorithm is.

use std::sync::Arc;

use beam_dist::NodeName;

use super::{Background, BackgroundTask, Rng, Selection};
use crate::members::{Member, Outcome, Snapshot};

/// A way to choose the member that gets the next call.
///
/// One method is required: [`choose`](Self::choose). It sees one immutable [`Snapshot`] and
/// answers with an index into its members, so nothing can be chosen that the snapshot does not
/// hold. An algorithm that needs more declares
///
/// * a [`Table`](Self::Table), computed once for each set of members, such as a hash ring;
/// * a [`State`](Self::State) of each member, which lasts as long as the member, such as its
///   average latency. It is changed through atomics, from many threads at once.
///
/// A panic in one of the methods is one of whoever selects, or ends a call; in one that is told of the end
/// of a call while a panic is under way already, it is logged and goes no further.
///
/// The pool is compiled for the algorithm that it is given, so that one of your own is as fast as
/// a built-in one:
///
/// ```
/// use rpc_load_balancer::{Algorithm, NodeName, Pool, Selection, Snapshot};
///
/// /// Picks the first member that has less than a given number of calls in flight.
/// struct FirstFit(u32);
///
/// impl Algorithm for FirstFit {
///     type Table = ();
///     type State = ();
///
///     fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
///         snapshot.members().iter().position(|member| member.in_flight() < self.0)
///     }
/// }
///
/// let pool = Pool::new(FirstFit(1));
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?]);
///
/// let selection = Selection::default();
/// let first = pool.select(&selection).expect("a is idle");
/// let second = pool.select(&selection).expect("b is idle");
/// assert_eq!((first.node().as_str(), second.node().as_str()), ("a@host", "b@host"));
/// assert!(pool.select(&selection).is_none());
///
/// drop(first);
/// assert_eq!(pool.select(&selection).expect("a is idle again").node().as_str(), "a@host");
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
pub trait Algorithm: Sized + Send + Sync + 'static {
    /// What the algorithm computes once for each set of members; `()` if nothing.
    type Table: Default + Send + Sync + 'static;

    /// What the algorithm keeps for one member, for as long as it is one; `()` if nothing.
    type State: Default + Send + Sync + 'static;

    /// Whether the algorithm reads how busy members are, or how often they were picked. Where it
    /// does not, `false` lets threads count apart from each other: selections of several threads
    /// at once become faster, and reading the counts slower.
    const READS_LOAD: bool = true;

    /// Whether the algorithm picks members as often as their weights say, so that what a member in a
    /// [slow start](Self::SLOW_START) may take is a part of that. `false`: all have the same share.
    const HEEDS_WEIGHTS: bool = false;

    /// Whether a member that was in trouble comes back to its share of the calls little by little, see
    /// [`SlowStart`](crate::members::SlowStart): a selection of such a member goes to another one
    /// more often than not at first. `false` for algorithms that pick by the key, whose keys would
    /// wander.
    const SLOW_START: bool = true;

    /// Chooses one of the snapshot's members by its index. `None`, or an index beyond the last
    /// member: nobody is fit for a call. The snapshot may be empty.
    ///
    /// Asked up to four times for one selection, where [the choice is in a slow start](Self::SLOW_START), and
    /// what it answers need not be selected. So what is to count once for each call, such as a quota, is
    /// counted by [`on_select`](Self::on_select); a turn that is taken here may be one that is passed over.
    ///
    /// A call for which nobody is fit is tried again as one without members is
    /// ([`Retry`](crate::Retry)): when members or their weights change, or after the pause; not when
    /// a lease ends. Where calls are limited ([`CallLimits`](crate::CallLimits)) it has no place meanwhile among
    /// those who wait for room.
    fn choose(&self, snapshot: &Snapshot<Self>, selection: &Selection<'_>) -> Option<usize>;

    /// Chooses up to `count` different members by their indices, the best first. Indices that
    /// are out of range or come twice are left out.
    ///
    /// Default: a random sample.
    fn choose_nodes(
        &self,
        snapshot: &Snapshot<Self>,
        count: usize,
        selection: &Selection<'_>,
    ) -> Vec<usize> {
        let _ = selection;
        Rng::thread_local().sample_below(snapshot.members().len(), count)
    }

    /// Computes the table for these members, sorted by name, and their weights, in the same order
    /// and none of them 0; it becomes part of the next snapshot. `previous` is the one before, from
    /// whose table this one may be derived; the first of all has no members.
    ///
    /// Also called for the same members with other weights, or after [`Pool::refresh`]. If it panics,
    /// a balancer logs that and keeps the members that it had, until they change again.
    ///
    /// Default: [`Default::default`].
    ///
    /// [`Pool::refresh`]: crate::Pool::refresh
    fn table(
        &self,
        members: &[Arc<Member<Self>>],
        weights: &[u32],
        previous: &Snapshot<Self>,
    ) -> Self::Table {
        let _ = (members, weights, previous);
        Self::Table::default()
    }

    /// The state of a newcomer, who joins these members. A member that left and comes back while
    /// calls to it are in flight has kept its state.
    ///
    /// Default: [`Default::default`].
    fn state(&self, node: &NodeName, members: &[Arc<Member<Self>>]) -> Self::State {
        let _ = (node, members);
        Self::State::default()
    }

    /// A lease was taken on this member; it counts as a call in flight already.
    fn on_select(&self, member: &Member<Self>) {
        let _ = member;
    }

    /// A call to this member ended, or was [given up](crate::OutcomeKind::Abandoned), and its lease is about
    /// to end. Does not come for leases that are dropped without a word, nor for calls that are given up
    /// and were begun before the member was away.
    fn on_outcome(&self, member: &Member<Self>, outcome: &Outcome) {
        let _ = (member, outcome);
    }

    /// A lease on this member ended; it does not count as a call in flight any more. Comes once for
    /// each [`on_select`](Self::on_select), also after the member has left.
    fn on_release(&self, member: &Member<Self>) {
        let _ = member;
    }

    /// Members joined or left; selections see this snapshot already. Changes come one at a time, in
    /// order.
    fn on_node_change(&self, snapshot: &Snapshot<Self>, change: &NodeChange) {
        let _ = (snapshot, change);
    }

    /// A task that the balancer runs beside the selections for as long as it is there, for example
    /// one that asks the members how they are and then calls [`Pool::refresh`]. Pools without a
    /// balancer have none.
    ///
    /// Default: no task.
    ///
    /// [`Pool::refresh`]: crate::Pool::refresh
    fn background(&self, background: Background<Self>) -> Option<BackgroundTask> {
        let _ = background;
        None
    }

    /// Whether calls run on the own node, whatever the members are: a balancer then lets the
    /// algorithm choose from the own node alone.
    fn is_local(&self) -> bool {
        false
    }
}

/// A change of the members of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeChange {
    /// Who joined, sorted.
    pub joined: Vec<NodeName>,
    /// Who left, sorted.
    pub left: Vec<NodeName>,
}
