//! Casts: what counts is what arrives. Each caster asks for the callee's count after each batch, so that what is on the
//! way stays bounded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    child::{say, stack::Callee},
    latency::Latencies,
    protocol::{Answer, Run, Tally},
};

const CASTERS: usize = 4;

/// How long the last casts have to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn measure<C: Callee>(
    callee: &C,
    bound: usize,
    run: Run,
) -> Result<Tally, String> {
    let batch = (bound / CASTERS).max(1);
    let over = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicI64::new(0));
    let before = callee.arrived().await?;
    let mut casters = JoinSet::new();
    for _ in 0..CASTERS {
        let (callee, over, sent) = (callee.clone(), Arc::clone(&over), Arc::clone(&sent));
        casters.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                for _ in 0..batch {
                    callee.cast().await?;
                }
                sent.fetch_add(batch as i64, Ordering::Relaxed);
                callee.arrived().await?;
            }
            Ok::<(), String>(())
        });
    }
    tokio::time::sleep(run.warm_up).await;
    let first = callee.arrived().await?;
    let begun = Instant::now();
    say(&Answer::Begin);
    tokio::time::sleep(run.measured).await;
    let last = callee.arrived().await?;
    let elapsed = begun.elapsed();
    say(&Answer::End);
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = casters.join_next().await {
        ended.map_err(|panic| panic.to_string())??;
    }
    let expected = before + sent.load(Ordering::Relaxed);
    Ok(Tally {
        calls: u64::try_from(last - first).unwrap_or_default(),
        failed: lost(callee, expected).await?,
        elapsed,
        large: 0,
        latencies: Latencies::new(),
    })
}

/// How many are missing in the end.
async fn lost<C: Callee>(callee: &C, expected: i64) -> Result<u64, String> {
    let begun = Instant::now();
    loop {
        let missing = expected - callee.arrived().await?;
        if missing == 0 || begun.elapsed() > PATIENCE {
            return Ok(missing.unsigned_abs());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
