//! Room for the calls that are served.

use std::sync::Arc;

use crate::{identity::Identity, link::Link};

/// A call that was let in. It counts as served until the last holder drops this.
#[derive(Debug)]
pub(crate) struct Admitted {
    node: Arc<Identity>,
    /// The link that it came over; none for a call of this node itself.
    link: Option<Arc<Link>>,
}

impl Admitted {
    /// Lets a call in, unless a limit is reached; then gives its name.
    pub(crate) fn new(
        node: &Arc<Identity>,
        link: Option<&Arc<Link>>,
    ) -> Result<Arc<Self>, &'static str> {
        let limits = &node.limits;
        if !node.serving.enter(limits.served_per_node) {
            return Err("served_per_node");
        }
        if let Some(link) = link
            && !link.serving.enter(limits.served_per_peer)
        {
            node.serving.leave();
            return Err("served_per_peer");
        }
        Ok(Arc::new(Self {
            node: Arc::clone(node),
            link: link.cloned(),
        }))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            link.serving.leave();
        }
        self.node.serving.leave();
    }
}
