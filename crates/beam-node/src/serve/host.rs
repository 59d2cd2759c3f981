//! What the calls of one link hold of their node.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use beam_term::{Atom, Pid};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{process::Processes, state::NodeState};

/// The node that serves the calls of one link, or one of its own.
///
/// Each call holds on to it until its task has ended, and the node does not end before. It is the calls
/// of a link that share its count of holders, not those of all links: processors would pass it around.
pub(crate) struct Host {
    pub(crate) node: Arc<NodeState>,
    pids: Mutex<Pids>,
    /// The node waits for this when it ends.
    _running: TaskTrackerToken,
}

/// Numbers of processes that nobody else gives.
struct Pids {
    /// A copy that shares nothing with that of the node.
    name: Atom,
    numbers: Range<u64>,
}

impl Host {
    pub(crate) fn new(node: Arc<NodeState>) -> Arc<Self> {
        Arc::new(Self {
            pids: Mutex::new(Pids {
                name: node.identity.atom.detached(),
                numbers: 0..0,
            }),
            _running: node.running(),
            node,
        })
    }

    /// A pid that no process of the node has had.
    pub(super) fn fresh_pid(&self) -> Pid {
        let mut pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.node.processes.fresh_number(&mut pids.numbers);
        Processes::pid(pids.name.clone(), number, self.node.identity.creation.get())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("node", self.node.name())
            .finish_non_exhaustive()
    }
}
