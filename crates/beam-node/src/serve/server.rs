//! What the calls of one link hold of their node.

use std::{fmt, sync::Arc};

use beam_term::Pid;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{process::Pids, state::NodeState};

/// The node that serves the calls of one link, or one of its own.
///
/// Each call holds on to it until its task has ended, and the node does not end before. It is the calls
/// of a link that share its count of holders, not those of all links: processors would pass it around.
pub(crate) struct Server {
    pub(crate) node: Arc<NodeState>,
    pids: Pids,
    /// The node waits for this when it ends.
    _running: TaskTrackerToken,
}

impl Server {
    pub(crate) fn new(node: Arc<NodeState>) -> Arc<Self> {
        Arc::new(Self {
            pids: node.processes.pids(),
            _running: node.running(),
            node,
        })
    }

    /// A pid that no process of the node has had.
    pub(super) fn fresh_pid(&self) -> Pid {
        self.node.processes.fresh_pid(&self.pids)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("node", self.node.name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::{Epmd, Listen, Node};

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_node_has_not_ended_as_long_as_one_of_its_calls_holds_on_to_it() {
        const CALLS: usize = 100;
        let node = Node::builder("m@127.0.0.1")
            .cookie("sesame")
            .epmd(Epmd::Off)
            .listen(Listen::Off)
            .start();
        let node = node.await.unwrap();
        let state = Arc::clone(&node.peer("p@127.0.0.1").unwrap().node);
        let servers: Vec<_> = (0..CALLS)
            .map(|_| Server::new(Arc::clone(&state)))
            .collect();

        drop(node);
        // All else ends, and they stay.
        let others_have_ended = async {
            while state.tasks() != CALLS {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, others_have_ended).await.unwrap();
        drop(servers);

        timeout(PATIENCE, state.tasks_ended()).await.unwrap();
    }
}
