//! Stopping a node in good order.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{timeout, timeout_at},
};

use crate::{
    DownReason, deadline,
    error::{Cause, Code, Error},
    process::Ended,
    quota::Quota,
    state::{Drain, NodeState},
};

/// How long tasks may take to end once the node is stopped: longer than a link takes to flush.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// The one shutdown of a node, which all who ask for it share.
#[derive(Debug, Default)]
pub(crate) struct Shutdown(OnceLock<watch::Receiver<Option<Result<(), Error>>>>);

impl Shutdown {
    /// Leaves all groups, lets the calls both ways run out, then stops everything. It goes on where
    /// nobody waits for it any more.
    pub(crate) async fn run(&self, node: &Arc<NodeState>) -> Result<(), Error> {
        let begin = || {
            let (done, outcome) = watch::channel(None);
            let node = Arc::clone(node);
            tokio::spawn(async move {
                // A node that is dropped meanwhile stops abruptly.
                let drained = node.stop.run_until_cancelled(drain(&node)).await;
                node.close();
                node.ended.cancelled().await;
                done.send_replace(Some(drained.unwrap_or(Ok(()))));
            });
            outcome
        };
        let mut outcome = self.0.get_or_init(begin).clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            // The runtime is gone, and the node with it.
            Err(_ended) => Ok(()),
        }
    }
}

async fn drain(node: &Arc<NodeState>) -> Result<(), Error> {
    let Drain { timeout, linger } = node.drain;
    node.draining.cancel();
    let was_member = node
        .groups
        .close()
        .is_some_and(|left| left.elapsed() < linger);
    let deadline = deadline::after(timeout);
    let (calling, serving) = (&node.identity.calling, &node.identity.serving.calls);
    let run_out = async {
        let mut served_before = None;
        loop {
            calling.emptied().await;
            serving.emptied().await;
            if calling.drawn() > 0 || serving.drawn() > 0 {
                continue;
            }
            // Peers that have not seen the leave may still call.
            let served = node.served();
            if !was_member || served_before == Some(served) {
                return;
            }
            served_before = Some(served);
            tokio::time::sleep(linger).await;
        }
    };
    // Whether time was left to wait for late calls does not matter, if there are none.
    let _ = timeout_at(deadline, run_out).await;
    // Only zero is exact at every moment.
    let left = |quota: &Quota, count: usize| count.max(quota.drawn().min(1));
    match (left(calling, node.calling()), left(serving, node.serving())) {
        (0, 0) => Ok(()),
        (calling, serving) => Err(Error::new(
            Code::RequestTimeout,
            format!(
                "stopped with {calling} calls sent and {serving} calls received that had no answer after {timeout:?}"
            ),
            Cause::Timeout(timeout),
        )),
    }
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
