//! What the tasks of one node share.

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use beam_dist::{Cookie, Flags, NodeName, frame::SpareMemory, handshake};
use beam_term::Term;
use tokio::{sync::broadcast, task::JoinHandle};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    Peer,
    allow::AllowedPeers,
    connect::{ConnectError, Transport},
    discovery::Discovery,
    error::Error,
    event::Event,
    export::Exports,
    group::{Bound, ScopeDriver},
    identity::Identity,
    link::{Links, SilencePolicy},
    peer::Slot,
    process::{Process, Processes},
    resolve::Resolver,
    seldom::Warnings,
    service::OutputQueue,
    settling::Settling,
    shutdown::Shutdown,
    strangers::Strangers,
    suspects::SuspectBook,
};

/// How many events a slow listener may fall behind.
const EVENTS: usize = 1024;

/// Beyond this, a handshake that takes longer is not worth waiting for.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(24 * 60 * 60);

/// A running node.
#[derive(Debug)]
pub(crate) struct NodeState {
    pub(crate) identity: Arc<Identity>,
    pub(crate) cookie: Cookie,
    pub(crate) allowed: AllowedPeers,
    pub(crate) visible: bool,
    pub(crate) listening: Option<SocketAddr>,
    /// Between the shortest and the longest one that there is.
    pub(crate) net_ticktime: Duration,
    pub(crate) silence: SilencePolicy,
    pub(crate) drain: Drain,
    pub(crate) shutdown: Shutdown,
    pub(crate) resolver: Resolver,
    pub(crate) transport: Transport,
    pub(crate) processes: Processes,
    pub(crate) exports: Exports,
    pub(crate) groups: ScopeDriver,
    pub(crate) output: OutputQueue,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) discovery: Discovery,
    pub(crate) settling: Settling,
    pub(crate) links: Links,
    /// What the links keep of the memory of large messages.
    pub(crate) spare: SpareMemory,
    pub(crate) suspects: SuspectBook,
    pub(crate) warnings: Warnings,
    /// Connections that have not shown the cookie.
    pub(crate) unauthenticated: Arc<Strangers>,
    /// Ends every task of the node; by [`NodeState::close`], and by a start that fails.
    pub(crate) stop: CancellationToken,
    /// The same for those who ask at every call: the token takes a lock to tell.
    is_closed: AtomicBool,
    /// Set when the node takes no new calls.
    pub(crate) draining: CancellationToken,
    /// Set when the node has ended: nothing happens any more.
    pub(crate) ended: CancellationToken,
    tasks: TaskTracker,
    slots: Mutex<HashMap<NodeName, Weak<Slot>>>,
    next_link: AtomicU64,
}

/// How a node stops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// How long calls may take to run out.
    pub(crate) timeout: Duration,
    /// How long to wait for late calls after the last one.
    pub(crate) linger: Duration,
}

/// The parts that the builder makes.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) identity: Arc<Identity>,
    pub(crate) processes: Processes,
    pub(crate) cookie: Cookie,
    pub(crate) allowed: AllowedPeers,
    pub(crate) visible: bool,
    pub(crate) listening: Option<SocketAddr>,
    pub(crate) net_ticktime: Duration,
    pub(crate) silence: SilencePolicy,
    pub(crate) drain: Drain,
    pub(crate) resolver: Resolver,
    pub(crate) transport: Transport,
    pub(crate) output: OutputQueue,
    pub(crate) discovery: Discovery,
    pub(crate) stop: CancellationToken,
}

impl NodeState {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            identity,
            processes,
            cookie,
            allowed,
            visible,
            listening,
            net_ticktime,
            silence,
            drain,
            resolver,
            transport,
            output,
            discovery,
            stop,
        } = parts;
        let settling = Settling::new();
        Self {
            groups: ScopeDriver::new(
                identity.name.clone(),
                identity.scope.clone(),
                Bound {
                    memberships: identity.limits.memberships_per_peer,
                    name_bytes: identity.limits.group_name_bytes_per_peer,
                },
                settling.clone(),
            ),
            unauthenticated: Strangers::new(identity.limits.unauthenticated_connections),
            exports: Exports::default(),
            events: broadcast::Sender::new(EVENTS),
            discovery,
            settling,
            warnings: Warnings::default(),
            draining: stop.child_token(),
            ended: CancellationToken::new(),
            is_closed: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            slots: Mutex::default(),
            links: Links::default(),
            spare: SpareMemory::new(identity.limits.spare_bytes_per_node),
            suspects: SuspectBook::default(),
            next_link: AtomicU64::new(1),
            identity,
            processes,
            cookie,
            allowed,
            visible,
            listening,
            net_ticktime,
            silence,
            drain,
            shutdown: Shutdown::default(),
            resolver,
            transport,
            output,
            stop,
        }
    }

    pub(crate) fn name(&self) -> &NodeName {
        &self.identity.name
    }

    /// How many calls of peers there were; see [`Node::served`](crate::Node::served).
    pub(crate) fn served(&self) -> u64 {
        self.identity.serving.served()
    }

    /// How many calls of this node wait for an answer.
    pub(crate) fn calling(&self) -> usize {
        let links = self.links.all();
        links.iter().map(|link| link.calling()).sum()
    }

    /// How many calls of peers, and of this node to itself, have no answer.
    pub(crate) fn serving(&self) -> usize {
        self.identity.serving.count()
    }

    /// Whether the node takes no new calls any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Takes no new calls from here on, and ends every task.
    pub(crate) fn close(&self) {
        // Before those who wait for the end look for what is left to be ended.
        self.is_closed.store(true, Ordering::SeqCst);
        self.stop.cancel();
    }

    /// Fails once the node is stopped.
    pub(crate) fn check_running(&self) -> Result<(), Error> {
        match self.is_closed() {
            true => Err(Error::shut_down()),
            false => Ok(()),
        }
    }

    /// Runs a task for as long as the node does.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// What the node waits for when it ends, as it does for its tasks.
    pub(crate) fn running(&self) -> TaskTrackerToken {
        self.tasks.token()
    }

    /// The handle of a peer.
    pub(crate) fn peer(self: &Arc<Self>, name: &NodeName) -> Peer {
        Peer {
            node: Arc::clone(self),
            slot: self.slot(name),
        }
    }

    /// What is known of a peer's connection. There is one value per name as long as it is held.
    pub(crate) fn slot(&self, name: &NodeName) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(name).and_then(Weak::upgrade) {
            return slot;
        }
        // Names that nobody holds any more go when the table would grow.
        if slots.len() == slots.capacity() {
            slots.retain(|_, slot| slot.strong_count() > 0);
        }
        let slot = Arc::new(Slot::new(name.clone()));
        slots.insert(name.clone(), Arc::downgrade(&slot));
        slot
    }

    #[cfg(any(test, rlb_simulation))]
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    #[cfg(rlb_simulation)]
    pub(crate) fn names(&self) -> usize {
        lock(&self.slots).len()
    }

    /// A number that no link of this node has had.
    pub(crate) fn fresh_link_id(&self) -> u64 {
        self.next_link.fetch_add(1, Ordering::Relaxed)
    }

    /// An attempt to connect failed. Of nodes that others know, that is news once.
    pub(crate) fn connect_failed(&self, peer: &NodeName, reason: &ConnectError) {
        tracing::debug!(%peer, %reason, "failed to connect");
        // An attempt that this node cuts short by its own end says nothing of the peer.
        if self.is_closed() || self.discovery.is_known_to_fail(peer) {
            return;
        }
        self.emit(Event::ConnectFailed {
            peer: peer.clone(),
            reason: reason.clone(),
        });
    }

    /// Somebody who connected was refused. They can do so as often as they like: who calls this sees to it
    /// that not all of it is told, which would keep listeners from what matters more.
    pub(crate) fn refused(
        &self,
        address: SocketAddr,
        claimed: Option<&NodeName>,
        reason: &ConnectError,
    ) {
        if !self.is_closed() {
            self.emit(Event::Refused {
                address,
                claimed: claimed.cloned(),
                reason: reason.clone(),
            });
        }
    }

    /// Ends a process and tells everybody who watches it.
    pub(crate) fn end_process(&self, process: &Process, reason: &Term) {
        for watcher in self.processes.remove(process) {
            watcher.tell(&process.pid, reason);
        }
    }

    /// How long connecting and the handshake may take.
    pub(crate) fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.identity.limits.handshake_ms).min(LONGEST_HANDSHAKE)
    }

    /// What this node says of itself in a handshake.
    pub(crate) fn introduction(&self) -> handshake::Identity {
        handshake::Identity {
            name: self.name().clone(),
            creation: self.identity.creation,
            flags: Flags::for_node(self.visible),
        }
    }

    /// Waits until every task has ended.
    pub(crate) async fn tasks_ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(crate) fn emit(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}

/// Every critical section is one look-up or one change of a map.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
