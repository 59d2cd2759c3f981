//! A node: the handle that users hold.

use std::{borrow::Cow, fmt::Display, net::SocketAddr, sync::Arc, time::Duration};

use beam_dist::{Creation, NodeName};
use beam_term::{Atom, Term, Writer};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::watch, time::Instant};

use crate::{
    Arguments, Function, NodeBuilder, Peer,
    call::{Call, Cast, DEFAULT_TIMEOUT, not_connected},
    connect::Transport,
    error::{Cause, Code, Error},
    event::{DownReason, Events},
    export::{Export, Handler},
    group::{Members, Membership, Published, PublishedValues},
    link::{Lane, Payload},
    mailbox::{self, Destination, Inbox, Mailbox},
    peer,
    process::Role,
    state::NodeState,
    suspects::Suspects,
};

/// A node of the cluster.
///
/// Cheap to clone; the node stops when it is [shut down](Node::shutdown), or abruptly when the
/// last clone is dropped.
///
/// ```no_run
/// use beam_node::Node;
///
/// # async fn example() -> Result<(), beam_node::Error> {
/// let node = Node::builder("app@127.0.0.1").cookie("secret").peer("w1@127.0.0.1").start().await?;
/// node.export("greeter", "hello", async |name: String| format!("hello {name}"))?;
/// let upper: String = node.call("w1@127.0.0.1", ("Elixir.String", "upcase"), ("hello",)).await?;
/// node.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Node {
    state: Arc<NodeState>,
    _stop: Arc<StopOnDrop>,
}

/// Stops the tasks of a node that nobody holds any more.
#[derive(Debug)]
struct StopOnDrop(Arc<NodeState>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A peer as [`Node::peers`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// The peer's name.
    pub name: NodeName,
    /// Which incarnation of the peer it is.
    pub creation: Creation,
    /// Whether the connection is hidden, as it is when either node is: neither then shows in the
    /// `nodes()` of the other.
    pub hidden: bool,
    /// When the peer has gone silent, where it is suspect.
    pub suspect_since: Option<Instant>,
    /// Calls of this node that the peer has not answered.
    pub calling: usize,
    /// Calls of the peer that this node has not answered.
    pub serving: usize,
    /// Memberships that the peer has in groups of the scope `rpc_load_balancer`.
    pub memberships: usize,
}

impl Node {
    /// Starts to describe a node with this name, `alive@host`.
    pub fn builder(name: impl AsRef<str>) -> NodeBuilder {
        NodeBuilder::new(name)
    }

    pub(crate) fn new(state: Arc<NodeState>) -> Self {
        let stop = Arc::new(StopOnDrop(Arc::clone(&state)));
        Self { state, _stop: stop }
    }

    #[cfg(any(test, rlb_simulation))]
    pub(crate) fn state(&self) -> &NodeState {
        &self.state
    }

    /// The name of this node.
    pub fn name(&self) -> &NodeName {
        self.state.name()
    }

    /// Which incarnation of its name this node is.
    pub fn creation(&self) -> Creation {
        self.state.identity.creation
    }

    /// Another node by name, connected or not; or this one.
    ///
    /// # Errors
    ///
    /// `bad_request` when the name is not of the form `alive@host`.
    pub fn peer(&self, name: impl AsRef<str>) -> Result<Peer, Error> {
        let name = NodeName::try_from(name.as_ref())
            .map_err(|error| Error::bad_request(format!("wrong name of a node: {error}")))?;
        Ok(self.state.peer(&name))
    }

    /// Calls a function on another node, or on this one.
    ///
    /// ```no_run
    /// # async fn example(node: beam_node::Node) -> Result<(), beam_node::Error> {
    /// let sum: i64 = node.call("w1@127.0.0.1", ("erlang", "+"), (1, 2)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<'a, T: DeserializeOwned, A: Arguments + 'a>(
        &self,
        node: impl AsRef<str>,
        function: impl TryInto<Function, Error: Display>,
        arguments: A,
    ) -> Call<'a, T, A> {
        let peer = self.peer(node).map(Cow::Owned);
        Call::new(peer.and_then(|peer| peer::request(peer, function, arguments)))
    }

    /// Sends a cast: a call whose result nobody wants.
    pub fn cast<'a, A: Arguments + 'a>(
        &self,
        node: impl AsRef<str>,
        function: impl TryInto<Function, Error: Display>,
        arguments: A,
    ) -> Cast<'a, A> {
        let peer = self.peer(node).map(Cow::Owned);
        Cast::new(peer.and_then(|peer| peer::request(peer, function, arguments)))
    }

    /// Connects to a node, unless there is a connection already, and keeps no hold on it: a
    /// connection that is lost is made anew by the next call. Configured peers are reconnected
    /// without a call.
    ///
    /// # Errors
    ///
    /// As [`Peer::connect`].
    ///
    /// # Cancellation safety
    ///
    /// An attempt that has begun goes on when this future is dropped.
    pub async fn connect(&self, node: impl AsRef<str>) -> Result<(), Error> {
        self.peer(node)?.connect(DEFAULT_TIMEOUT).await
    }

    /// Asks a node for a sign of life, and tells how long it took to come.
    ///
    /// # Errors
    ///
    /// As [`Peer::ping`]; the timeout is 10 s.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn ping(&self, node: impl AsRef<str>) -> Result<Duration, Error> {
        self.peer(node)?.ping(DEFAULT_TIMEOUT).await
    }

    /// Closes the connection to a node; `false` if there was none.
    ///
    /// It is gone at once: calls that wait for an answer fail with `service_unavailable`. What was
    /// sent before still has a few seconds to reach the peer. Nothing keeps the two apart: the next
    /// call connects them again, and this node does so by itself after a moment where the peer is
    /// configured or was learned from others.
    pub fn disconnect(&self, node: impl AsRef<str>) -> bool {
        let Ok(name) = NodeName::try_from(node.as_ref()) else {
            return false;
        };
        let slot = self.state.slot(&name);
        let link = slot.live();
        if let Some(link) = &link {
            link.close(DownReason::Disconnected);
            self.state.withdraw(&slot, link);
        }
        link.is_some()
    }

    /// Where this node listens; `None` with [`Listen::Off`](crate::Listen::Off).
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.state.listening
    }

    /// Whether this node speaks TLS, and nothing else.
    pub fn has_tls(&self) -> bool {
        !matches!(self.state.transport, Transport::Plain)
    }

    /// Reads the files of [`Tls`](crate::Tls) again, as after a certificate was renewed. Links that are
    /// made from now on use what they say; those that there are stay as they are.
    ///
    /// The calling thread waits for the files to be read. Needs the feature `tls`.
    ///
    /// # Errors
    ///
    /// `bad_request` where a file cannot be read or is of no use, with its path and the reason: all
    /// stays as it was then. The same for a node without TLS.
    #[cfg(feature = "tls")]
    pub fn reload_tls(&self) -> Result<(), Error> {
        match &self.state.transport {
            Transport::Tls(endpoint) => endpoint
                .reload(self.name())
                .map_err(|error| Error::bad_request(error.to_string())),
            Transport::Plain => Err(Error::bad_request(
                "this node has no TLS: give it to the builder before the node is started",
            )),
        }
    }

    /// The connected nodes, sorted by name.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let suspects = self.suspects();
        let mut peers: Vec<PeerStatus> = self
            .state
            .links
            .all()
            .into_iter()
            .map(|link| PeerStatus {
                name: link.peer.clone(),
                creation: link.creation,
                hidden: !link.visible,
                suspect_since: suspects.get(&link.peer).copied(),
                calling: link.calling(),
                serving: link.serving(),
                memberships: self.state.groups.memberships(&link.peer),
            })
            .collect();
        peers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        peers
    }

    /// The connected nodes that do not answer; see [`NodeBuilder::suspect_after`].
    pub fn suspects(&self) -> Arc<Suspects> {
        self.state.suspects.all()
    }

    /// The same as a value that changes with them.
    pub fn watch_suspects(&self) -> watch::Receiver<Arc<Suspects>> {
        self.state.suspects.watch()
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        Events::new(self.state.events.subscribe(), self.state.ended.clone())
    }

    /// Lets others call an async function under this module and name; its arity is the number of
    /// the handler's arguments.
    ///
    /// A handler that holds the node, or a [`Peer`] or a [`Membership`] of it, keeps the node alive for
    /// as long as it is exported: such a node does not stop when it is dropped, only by
    /// [`Node::shutdown`].
    ///
    /// The arguments and the result pass through serde. See [`Export`] for handlers that raise,
    /// block, or take terms as they are.
    ///
    /// # Errors
    ///
    /// `bad_request` when a name is no atom, or when the function is exported already, and
    /// `service_unavailable` once the node is stopped.
    pub fn export<Args: 'static, H>(
        &self,
        module: impl AsRef<str>,
        name: impl AsRef<str>,
        handler: H,
    ) -> Result<(), Error>
    where
        H: Handler<Args>,
        H::Output: Future<Output: Serialize> + Send + 'static,
    {
        self.register(Export::new(module, name, handler))
    }

    /// Lets others call a function that was described by an [`Export`].
    ///
    /// # Errors
    ///
    /// As [`Node::export`].
    pub fn register(&self, export: Export) -> Result<(), Error> {
        self.state.check_running()?;
        self.state.exports.register(export)
    }

    /// Puts a function in the place of the one that is exported under the same names and arity, if
    /// there is one. Calls that run already are not touched.
    ///
    /// # Errors
    ///
    /// `bad_request` when a name is no atom, and `service_unavailable` once the node is stopped.
    pub fn replace(&self, export: Export) -> Result<(), Error> {
        self.state.check_running()?;
        self.state.exports.replace(export)
    }

    /// Takes an exported function back; `false` if there was none. Calls that run already are not
    /// touched.
    pub fn unregister(&self, function: &Function, arity: usize) -> bool {
        self.state.exports.unregister(function, arity)
    }

    /// The exported functions with their arities, sorted; those that every node exports included.
    pub fn exports(&self) -> Vec<(Function, usize)> {
        self.state
            .exports
            .all()
            .iter()
            .map(|entry| (entry.function.clone(), entry.arity))
            .collect()
    }

    /// A process that receives messages; with a name, others can send to it by that name.
    ///
    /// # Errors
    ///
    /// `bad_request` when the name is no atom, or is taken.
    pub fn mailbox(&self, name: Option<&str>) -> Result<Mailbox, Error> {
        let name = name
            .map(Atom::try_from)
            .transpose()
            .map_err(|error| Error::bad_request(format!("wrong name of a mailbox: {error}")))?;
        let (inbox, messages) = Inbox::new(&self.state.identity.limits);
        let process = self.state.processes.spawn(Role::Mailbox(inbox), []);
        let mailbox = Mailbox::new(Arc::clone(&self.state), Arc::clone(&process), messages);
        match name {
            Some(name) if !self.state.processes.register(name.clone(), &process) => {
                Err(Error::bad_request(format!(
                    "the name {name} is taken by another process of this node"
                )))
            }
            _ => Ok(mailbox),
        }
    }

    /// Sends a message to a process, by its pid or by node and name. Connecting may take 10 s.
    ///
    /// # Errors
    ///
    /// `service_unavailable` without a connection, `too_many_requests` at a limit and
    /// `bad_request` for what has no form as a term. Whether it arrives is not reported.
    ///
    /// # Cancellation safety
    ///
    /// When this future is dropped the message was sent whole or not at all.
    pub async fn send<M: Serialize + Sync>(
        &self,
        to: impl Into<Destination>,
        message: &M,
    ) -> Result<(), Error> {
        let Destination { node, recipient } = to.into();
        let recipient = recipient
            .ok_or_else(|| Error::bad_request("wrong name of a process: it is no atom"))?;
        let peer = self.peer(&node)?;
        if peer.is_local() {
            return mailbox::deliver(&self.state, &recipient, message);
        }
        let link = peer
            .slot
            .link(&self.state, Instant::now() + DEFAULT_TIMEOUT)
            .await
            .map_err(|error| not_connected(peer.name(), error))?;
        let control = link.message_to(self.state.identity.caller.clone(), &recipient);
        let mut payload = |writer: &mut Writer<'_>| writer.serialize(message);
        link.send(Lane::Ordered, &control, Payload::Written(&mut payload))
            .map_err(|error| link.not_sent(error).at_node(peer.name()))
    }

    /// Joins a process group of the scope `rpc_load_balancer`; dropping the membership leaves it.
    ///
    /// Every connected node sees the membership, Elixir nodes with the library
    /// `rpc_load_balancer` among them.
    ///
    /// # Errors
    ///
    /// `bad_request` when the name of the group is too long to be announced, and
    /// `service_unavailable` once the node shuts down.
    pub fn join(&self, group: impl Into<Term>) -> Result<Membership, Error> {
        Membership::join(&self.state, group.into())
    }

    /// The process groups that have members, here or on connected nodes; without those that only
    /// carry what nodes [publish](Node::publish).
    pub fn groups(&self) -> Vec<Term> {
        self.state.groups.groups()
    }

    /// The members of a process group now.
    pub fn members(&self, group: &Term) -> Arc<Members> {
        self.state.groups.members(group)
    }

    /// The members of a process group, as a value that changes with them.
    pub fn watch_members(&self, group: impl Into<Term>) -> watch::Receiver<Arc<Members>> {
        self.state.groups.watch(group.into())
    }

    /// How often any process group has changed, as a value that changes with them.
    pub fn watch_groups(&self) -> watch::Receiver<u64> {
        self.state.groups.changes()
    }

    /// Waits until a process group has members on at least `count` nodes.
    ///
    /// # Errors
    ///
    /// `service_unavailable` with the number of members found, if they do not come in time.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn wait_for_members(
        &self,
        group: impl Into<Term>,
        count: usize,
        timeout: Duration,
    ) -> Result<Arc<Members>, Error> {
        let group = group.into();
        let mut members = self.watch_members(group.clone());
        let enough = |members: &Arc<Members>| members.len() >= count;
        if let Ok(Ok(found)) = tokio::time::timeout(timeout, members.wait_for(enough)).await {
            return Ok(Arc::clone(&found));
        }
        let found = members.borrow().len();
        Err(Error::new(
            Code::ServiceUnavailable,
            format!("{found} of {count} members of group {group} came within {timeout:?}"),
            Cause::NoMembers,
        ))
    }

    /// Publishes a value under a key, both of them any term, for every connected node to see;
    /// dropping what this returns withdraws it, and so does the end of this node.
    ///
    /// Of messages to one peer none overtakes another: who publishes a value and then joins a
    /// group is not seen in the group without the value.
    ///
    /// It travels as the name of a group of the scope `rpc_load_balancer`, with one process of this
    /// node in it:
    ///
    /// ```text
    /// {'$published', Key, Serial, Value}
    /// ```
    ///
    /// Nodes of OTP, to which this is a group like any other, may read such groups and join them to
    /// publish something themselves. Where a node has several values under one key, the one with
    /// the greatest `Serial` counts, an integer from 0 to 2^63 - 1; so a value is replaced by joining
    /// the group of the next one before leaving that of the last.
    ///
    /// ```no_run
    /// # use beam_node::{Error, Node};
    /// use beam_term::Term;
    ///
    /// # async fn example(node: Node) -> Result<(), Error> {
    /// let mut region = node.publish(Term::atom("region"), Term::binary("eu-central"))?;
    /// for (node, region) in &*node.published(&Term::atom("region")) {
    ///     println!("{node} is in {region}");
    /// }
    /// region.set(Term::binary("eu-west"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `bad_request` when key and value are too large, together they may take about 1,000 bytes
    /// when encoded, or when the key is the atom `rpc_load_balancer`, under which nodes tell each
    /// other what they are; `service_unavailable` once the node shuts down.
    pub fn publish(
        &self,
        key: impl Into<Term>,
        value: impl Into<Term>,
    ) -> Result<Published, Error> {
        Published::publish(&self.state, key.into(), value.into())
    }

    /// What this node and those that it is connected to publish under a key now.
    pub fn published(&self, key: &Term) -> Arc<PublishedValues> {
        self.state.groups.published(key)
    }

    /// What this node and those that it is connected to publish under a key, as a value that
    /// changes with it.
    pub fn watch_published(&self, key: impl Into<Term>) -> watch::Receiver<Arc<PublishedValues>> {
        self.state.groups.watch_published(key.into())
    }

    /// The members of a process group and what is published under a key, both as of one moment.
    ///
    /// Values that are watched apart from each other change apart from each other as well: only
    /// this never shows a member without what it published before it joined.
    pub fn members_and_published(
        &self,
        group: &Term,
        key: &Term,
    ) -> (Arc<Members>, Arc<PublishedValues>) {
        self.state.groups.members_and_published(group, key)
    }

    /// Waits until this node has found all that it can find by now: every configured peer is
    /// connected or out of reach, each that is connected was asked for the nodes that it knows,
    /// those were tried as well, and all have told which groups they are in. One that is connected
    /// and says nothing is waited for 5 s.
    ///
    /// A member is seen by the nodes that it is connected to. So it takes this before a node that
    /// was started a moment ago knows all the members of a group; what comes later is seen as it
    /// comes.
    ///
    /// # Errors
    ///
    /// `request_timeout` when something has not answered in time. What was found by then is known
    /// all the same.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn settled(&self, timeout: Duration) -> Result<(), Error> {
        self.state.settling.settled(timeout).await
    }

    /// Calls of this node that wait for an answer.
    pub fn calling(&self) -> usize {
        self.state.calling()
    }

    /// Calls of peers, and of this node to itself, that it has not answered.
    pub fn serving(&self) -> usize {
        self.state.serving()
    }

    /// Waits until the node is stopped: by [`Node::shutdown`], once its drain is over, or by the
    /// drop of its last clone.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.state.stop.clone().cancelled_owned()
    }

    /// Whether the node is stopped; see [`Node::stopped`].
    pub fn is_stopped(&self) -> bool {
        self.state.is_closed()
    }

    /// Calls that peers have made of this node's exports in all, answered or not, but for those of
    /// [housekeeping](Export::housekeeping), such as `erlang:nodes/0`.
    pub fn served(&self) -> u64 {
        self.state.served()
    }

    /// Stops the node in good order: it leaves all groups, goes on serving until the calls both
    /// ways have run out (at most 15 s, the [`drain_timeout`](NodeBuilder::drain_timeout)), then
    /// closes its connections and gives up its name. All who ask for it share one shutdown.
    ///
    /// # Errors
    ///
    /// `request_timeout` when calls were left at the end of the drain; they are lost. The node is
    /// stopped all the same.
    ///
    /// # Cancellation safety
    ///
    /// The shutdown goes on when this future is dropped; another one waits for its end.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.state.shutdown.run(&self.state).await
    }
}
