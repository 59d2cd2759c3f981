//! The calls of the demo.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use rpc_load_balancer::Balancer;
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::{failure::Failure, tally::Tally};

/// Calls on their way through a balancer, many at a time. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Traffic {
    flow: Arc<Flow>,
    callers: JoinSet<()>,
}

/// What the callers share.
#[derive(Debug)]
struct Flow {
    balancer: Balancer,
    calls: u64,
    taken: AtomicU64,
    /// How many calls may be made by now, so that there is traffic left for what is to happen.
    allowed: watch::Sender<u64>,
    /// How many are over. Watchers are told of every so many only.
    done: watch::Sender<u64>,
    tally: Mutex<Tally>,
}

/// How often watchers are told, in parts of all calls.
const STEPS: u64 = 1000;

impl Traffic {
    /// Starts callers for so many calls, none of which is [allowed](Self::allow) yet.
    pub(super) fn start(balancer: Balancer, calls: u64, concurrency: u16) -> Self {
        let flow = Arc::new(Flow {
            balancer,
            calls,
            taken: AtomicU64::new(0),
            allowed: watch::Sender::new(0),
            done: watch::Sender::new(0),
            tally: Mutex::default(),
        });
        let mut callers = JoinSet::new();
        for _ in 0..concurrency {
            callers.spawn(call_on(Arc::clone(&flow)));
        }
        Self { flow, callers }
    }

    /// Lets calls be made until there are so many in all.
    pub(super) fn allow(&self, calls: u64) {
        self.flow.allowed.send_replace(calls);
    }

    /// Waits until so many calls are over.
    pub(super) async fn reached(&self, calls: u64) {
        let mut done = self.flow.done.subscribe();
        // The sender lives as long as this.
        let _ = done.wait_for(|&done| done >= calls).await;
    }

    /// How many calls are over, as it changes.
    pub(super) fn progress(&self) -> watch::Receiver<u64> {
        self.flow.done.subscribe()
    }

    /// Waits until all calls are over, and gives what became of them.
    pub(super) async fn finish(mut self) -> Result<Tally, Failure> {
        while let Some(ended) = self.callers.join_next().await {
            ended.map_err(|error| Failure::internal(error.to_string()))?;
        }
        Ok(std::mem::take(&mut self.flow.tally()))
    }
}

impl Flow {
    /// Lets a member add one to a number.
    async fn call(&self, number: u64) {
        let begun = Instant::now();
        let call = self.balancer.call(("demo", "add"), (number, 1));
        let (node, sum): (_, Result<u64, _>) = call.send_and_tell().await;
        let took = begun.elapsed();
        match (node, sum) {
            (Some(node), Ok(sum)) if sum == number + 1 => self.tally().succeeded(&node, took),
            (node, Ok(sum)) => {
                let failure = Failure::internal(format!("{number} + 1 is not {sum}"));
                self.tally().failed(node.as_ref(), failure);
            }
            (node, Err(error)) => self.tally().failed(node.as_ref(), error.into()),
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        let step = (self.calls / STEPS).max(1);
        self.done.send_if_modified(|done| {
            *done += 1;
            *done % step == 0 || *done == self.calls
        });
    }
}

/// Makes calls until all are taken.
async fn call_on(flow: Arc<Flow>) {
    let mut allowed = flow.allowed.subscribe();
    loop {
        let number = flow.taken.fetch_add(1, Ordering::Relaxed);
        if number >= flow.calls || allowed.wait_for(|&allowed| number < allowed).await.is_err() {
            return;
        }
        flow.call(number).await;
        flow.count();
    }
}
