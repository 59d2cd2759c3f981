//! Room for the calls that are served, in number and in bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use beam_dist::NodeName;

use crate::{
    held_bytes::HeldBytes,
    identity::{Gauge, Identity},
    link::Link,
    process::{Process, Served},
};

/// The calls that are served, for one peer or for all.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) calls: Gauge,
    /// Their arguments, and then their results until those are queued.
    bytes: HeldBytes,
}

/// A call that was let in. It counts as served for as long as somebody [holds](Held) it.
#[derive(Debug)]
pub(crate) struct Admitted {
    caller: Caller,
    bytes: AtomicUsize,
    /// Those who hold it; the first is whoever lets it in.
    holders: AtomicUsize,
}

/// Who made a call.
#[derive(Debug)]
pub(crate) enum Caller {
    /// The peer at the other end of this link.
    Peer(Arc<Link>),
    /// This node itself.
    Own(Arc<Identity>),
}

impl Admitted {
    /// Lets a call with so many bytes of arguments in, unless a limit is reached; then gives its
    /// name.
    pub(crate) fn new(caller: Caller, bytes: usize) -> Result<Self, &'static str> {
        let node = caller.node();
        let limits = &node.limits;
        let (calls, held) = (limits.served_per_node, limits.served_bytes_per_node);
        node.serving.enter(
            bytes,
            (calls, "served_per_node"),
            (held, "served_bytes_per_node"),
        )?;
        if let Some(link) = caller.link() {
            let (calls, held) = (limits.served_per_peer, limits.served_bytes_per_peer);
            link.serving
                .enter(
                    bytes,
                    (calls, "served_per_peer"),
                    (held, "served_bytes_per_peer"),
                )
                .inspect_err(|_| node.serving.leave(bytes))?;
        }
        Ok(Self {
            caller,
            bytes: AtomicUsize::new(bytes),
            holders: AtomicUsize::new(1),
        })
    }

    /// The node that called.
    pub(crate) fn caller(&self) -> &NodeName {
        match &self.caller {
            Caller::Peer(link) => &link.peer,
            Caller::Own(node) => &node.name,
        }
    }

    /// The link that the call came over; none for a call of this node itself.
    pub(crate) fn link(&self) -> Option<&Arc<Link>> {
        self.caller.link()
    }

    /// Counts the bytes of the result in the place of those of the arguments, unless a limit is
    /// reached; then gives its name.
    pub(super) fn hold(&self, bytes: usize) -> Result<(), &'static str> {
        let node = self.caller.node();
        let limits = &node.limits;
        let before = self.bytes.load(Ordering::Relaxed);
        let exchange = |load: &Load, limit| load.bytes.exchange(before, bytes, limit);
        if !exchange(&node.serving, limits.served_bytes_per_node) {
            return Err("served_bytes_per_node");
        }
        if let Some(link) = self.link()
            && !exchange(&link.serving, limits.served_bytes_per_peer)
        {
            node.serving.bytes.exchange(bytes, before, usize::MAX);
            return Err("served_bytes_per_peer");
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn release(&self) {
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.leave();
        }
    }

    fn leave(&self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        if let Some(link) = self.link() {
            link.serving.leave(bytes);
        }
        self.caller.node().serving.leave(bytes);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // Nobody came to hold it.
        if *self.holders.get_mut() > 0 {
            self.leave();
        }
    }
}

impl Caller {
    fn node(&self) -> &Identity {
        match self {
            Self::Peer(link) => link.identity(),
            Self::Own(node) => node,
        }
    }

    fn link(&self) -> Option<&Arc<Link>> {
        match self {
            Self::Peer(link) => Some(link),
            Self::Own(_) => None,
        }
    }
}

/// A hold on a call that is served. The process itself may be kept for longer, by a handler that
/// keeps its context.
#[derive(Debug)]
pub(crate) struct Held(Arc<Process>);

impl Held {
    /// The first hold on a call that was let in just now.
    pub(super) fn first(process: Arc<Process>) -> Self {
        debug_assert!(process.served().is_some());
        Self(process)
    }

    /// Another hold, unless the call is over.
    pub(crate) fn another(process: &Arc<Process>) -> Option<Self> {
        let holders = &process.served()?.admitted.holders;
        let more = |holders| (holders > 0).then_some(holders + 1);
        holders
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()?;
        Some(Self(Arc::clone(process)))
    }

    pub(super) fn process(&self) -> &Arc<Process> {
        &self.0
    }

    pub(super) fn served(&self) -> Option<&Served> {
        self.0.served()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(served) = self.0.served() {
            served.admitted.release();
        }
    }
}

/// A limit, and its name.
type Named = (usize, &'static str);

impl Load {
    fn enter(&self, bytes: usize, calls: Named, held: Named) -> Result<(), &'static str> {
        if !self.calls.enter(calls.0) {
            return Err(calls.1);
        }
        if !self.bytes.add(bytes, held.0) {
            self.calls.leave();
            return Err(held.1);
        }
        Ok(())
    }

    fn leave(&self, bytes: usize) {
        self.bytes.remove(bytes);
        self.calls.leave();
    }
}
