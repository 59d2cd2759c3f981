//! The open loop: calls are made when they are due, at a fixed rate, whatever became of the others. The latency of a call
//! counts from the moment when it was due, so that what a slow answer holds up is not left out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Job,
    phases::{Phase, Phases},
};
use crate::{
    child::stack::Callee,
    protocol::{Run, Tally},
};

/// Calls that may wait for their answers. The next ones wait too, and that counts as latency.
const MOST_OPEN: usize = 4_000;

pub(super) async fn measure<C: Callee>(
    job: Job<C>,
    per_second: u64,
    run: Run,
) -> Result<Tally, String> {
    let phases = Phases::new(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(pace(job.clone(), Arc::clone(&phases), per_second));
    phases.go_through(run, job.callee, tasks).await
}

/// Starts a call whenever one is due, in a task of its own. The runtime's timers are too coarse for this, so it looks at
/// the clock again and again.
async fn pace<C: Callee>(job: Job<C>, phases: Arc<Phases>, per_second: u64) -> Result<(), String> {
    let open = Arc::new(Semaphore::new(MOST_OPEN));
    let mut calls = JoinSet::new();
    let begun = Instant::now();
    for turn in 0.. {
        let due = begun + Duration::from_nanos(turn * 1_000_000_000 / per_second);
        while Instant::now() < due && phases.now() != Phase::Over {
            tokio::task::yield_now().await;
        }
        if phases.now() == Phase::Over {
            break;
        }
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else {
            break;
        };
        let (job, phases) = (job.clone(), Arc::clone(&phases));
        calls.spawn(async move {
            let _permit = permit;
            job.call(turn as i64).await?;
            phases.answered(0, due.elapsed());
            Ok::<(), String>(())
        });
        while let Some(ended) = calls.try_join_next() {
            ended.map_err(|panic| panic.to_string())??;
        }
    }
    while let Some(ended) = calls.join_next().await {
        ended.map_err(|panic| panic.to_string())??;
    }
    Ok(())
}
