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
    measure_links(vec![job], concurrency, run, 1).await
}

/// The same over several links, each with so many tasks, and with so many places for latencies.
pub(in crate::child) async fn measure_links<C: Callee>(
    jobs: Vec<Job<C>>,
    concurrency: usize,
    run: Run,
    places: usize,
) -> Result<Tally, String> {
    let phases = Phases::new(places);
    let mut tasks = JoinSet::new();
    for number in 0..concurrency {
        for job in &jobs {
            tasks.spawn(call(job.clone(), Arc::clone(&phases), number));
        }
    }
    let callee = jobs.into_iter().next().map(|job| job.callee);
    let callee = callee.ok_or("there is nobody to call")?;
    phases.go_through(run, callee, tasks).await
}

async fn call<C: Callee>(job: Job<C>, phases: Arc<Phases>, number: usize) -> Result<(), String> {
    let mut turn = number as i64;
    let mut begun = Instant::now();
    while phases.now() != Phase::Over {
        job.call(turn).await?;
        // The next begins where this one ends, so that the clock is asked once.
        let ended = Instant::now();
        phases.answered(number, ended - begun);
        begun = ended;
        turn += 1;
    }
    Ok(())
}
