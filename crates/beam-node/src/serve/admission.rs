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
};

/// The calls that are served, for one peer or for all.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) calls: Gauge,
    /// Their arguments, and then their results until those are queued.
    bytes: HeldBytes,
}

/// A call that was let in. It counts as served until the last holder drops this.
#[derive(Debug)]
pub(crate) struct Admitted {
    node: Arc<Identity>,
    /// The link that it came over; none for a call of this node itself.
    link: Option<Arc<Link>>,
    bytes: AtomicUsize,
}

impl Admitted {
    /// Lets a call with so many bytes of arguments in, unless a limit is reached; then gives its
    /// name.
    pub(crate) fn new(
        node: &Arc<Identity>,
        link: Option<&Arc<Link>>,
        bytes: usize,
    ) -> Result<Arc<Self>, &'static str> {
        let limits = &node.limits;
        let (calls, held) = (limits.served_per_node, limits.served_bytes_per_node);
        node.serving.enter(
            bytes,
            (calls, "served_per_node"),
            (held, "served_bytes_per_node"),
        )?;
        if let Some(link) = link {
            let (calls, held) = (limits.served_per_peer, limits.served_bytes_per_peer);
            link.serving
                .enter(
                    bytes,
                    (calls, "served_per_peer"),
                    (held, "served_bytes_per_peer"),
                )
                .inspect_err(|_| node.serving.leave(bytes))?;
        }
        Ok(Arc::new(Self {
            node: Arc::clone(node),
            link: link.cloned(),
            bytes: AtomicUsize::new(bytes),
        }))
    }

    /// Who called.
    pub(super) fn peer(&self) -> &NodeName {
        self.link
            .as_ref()
            .map_or(&self.node.name, |link| &link.peer)
    }

    /// Counts the bytes of the result in the place of those of the arguments, unless a limit is
    /// reached; then gives its name.
    pub(super) fn hold(&self, bytes: usize) -> Result<(), &'static str> {
        let limits = &self.node.limits;
        let before = self.bytes.load(Ordering::Relaxed);
        let exchange = |load: &Load, limit| load.bytes.exchange(before, bytes, limit);
        if !exchange(&self.node.serving, limits.served_bytes_per_node) {
            return Err("served_bytes_per_node");
        }
        if let Some(link) = &self.link
            && !exchange(&link.serving, limits.served_bytes_per_peer)
        {
            self.node.serving.bytes.exchange(bytes, before, usize::MAX);
            return Err("served_bytes_per_peer");
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        if let Some(link) = &self.link {
            link.serving.leave(bytes);
        }
        self.node.serving.leave(bytes);
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
