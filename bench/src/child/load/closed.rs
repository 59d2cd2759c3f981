//! The closed loop: each of many tasks makes its next call when the last was answered.

use std::{sync::Arc, time::Instant};

use tokio::task::JoinSet;

use super::{
    Job,
    phases::{Phase, Phases},
};
use crate::{
    child::stack::Callee,
    protocol::{Run, Tally},
};

pub(super) async fn measure<C: Callee>(
    job: Job<C>,
    concurrency: usize,
    run: Run,
) -> Result<Tally, String> {
    let phases = Phases::new();
    let mut tasks = JoinSet::new();
    for first in 0..concurrency {
        tasks.spawn(call(job.clone(), Arc::clone(&phases), first as i64));
    }
    phases.go_through(run, job.callee, tasks).await
}

async fn call<C: Callee>(job: Job<C>, phases: Arc<Phases>, mut turn: i64) -> Result<(), String> {
    let mut begun = Instant::now();
    while phases.now() != Phase::Over {
        job.call(turn).await?;
        // The next begins where this one ends, so that the clock is asked once.
        let ended = Instant::now();
        phases.answered(ended - begun);
        begun = ended;
        turn += 1;
    }
    Ok(())
}
