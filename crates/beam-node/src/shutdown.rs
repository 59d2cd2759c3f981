//! Stopping a node in good order.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::{timeout, timeout_at};

use crate::{
    DownReason, deadline,
    error::{Cause, Code, Error},
    process::Ended,
    state::NodeState,
};

/// How long tasks may take to end once the node is stopped: longer than a link takes to flush.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// Leaves all groups, lets the calls both ways run out, then stops everything.
pub(crate) async fn run(node: &Arc<NodeState>) -> Result<(), Error> {
    let drained = drain(node).await;
    node.stop.cancel();
    node.ended.cancelled().await;
    drained
}

async fn drain(node: &Arc<NodeState>) -> Result<(), Error> {
    node.draining.cancel();
    let was_member = node.groups.leave_all();
    let deadline = deadline::after(node.drain.timeout);
    let empty = async {
        loop {
            node.identity.calling.emptied().await;
            node.identity.serving.calls.emptied().await;
            // Peers that have not seen the leave may still call.
            let served = node.served();
            if was_member {
                tokio::time::sleep(node.drain.linger).await;
            }
            if node.served() == served && node.identity.calling.count() == 0 {
                return;
            }
        }
    };
    timeout_at(deadline, empty).await.map_err(|_elapsed| {
        let (calling, serving) = (node.identity.calling.count(), node.identity.serving.calls.count());
        Error::new(
            Code::RequestTimeout,
            format!(
                "stopped with {calling} calls sent and {serving} calls received that had no answer after {:?}",
                node.drain.timeout
            ),
            Cause::Timeout(node.drain.timeout),
        )
    })
}

/// Ends what does not end by itself once the node is to stop, links and handlers that run on, and
/// tells when all has ended.
///
/// It is no task of the node, for it waits for all of them.
pub(crate) fn supervise(node: Arc<NodeState>) -> impl Future<Output = ()> + use<> {
    // Nobody is to wait for a node whose runtime is gone.
    let ended = node.ended.clone().drop_guard();
    async move {
        let _ended = ended;
        node.stop.cancelled().await;
        for process in node.processes.all() {
            if let Some(served) = process.served() {
                served.end(Ended::Stopped);
            }
        }
        for link in node.links.all() {
            link.close(DownReason::ShutDown);
        }
        if timeout(LAST_PATIENCE, node.tasks_ended()).await.is_err() {
            tracing::warn!("stopped while some tasks would not end");
        }
    }
}
