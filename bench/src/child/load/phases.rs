//! Warm-up, measurement and end, which all callers of a run see at once.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    child::{say, stack::Callee},
    latency::Latencies,
    protocol::{Answer, Large, Run, Tally},
};

/// What the tasks of a run share.
#[derive(Debug)]
pub(super) struct Phases {
    phase: AtomicU8,
    /// Several where there are several threads, which would wait for each other.
    latencies: Vec<Mutex<Latencies>>,
    large: AtomicU64,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    WarmUp,
    Measured,
    Over,
}

impl Phases {
    /// With so many places for latencies.
    pub(super) fn new(places: usize) -> Arc<Self> {
        let latencies = || Mutex::new(Latencies::new());
        Arc::new(Self {
            phase: AtomicU8::new(0),
            latencies: std::iter::repeat_with(latencies).take(places).collect(),
            large: AtomicU64::new(0),
        })
    }

    pub(super) fn now(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Measured,
            _ => Phase::Over,
        }
    }

    /// A call was answered. Its latency counts if that was in the time that is measured.
    pub(super) fn answered(&self, place: usize, latency: Duration) {
        if self.now() == Phase::Measured {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
            lock(&self.latencies[place % self.latencies.len()]).record(nanos);
        }
    }

    /// Goes through the phases while the tasks call, and waits for them to end. They stop at the first call that fails.
    pub(super) async fn go_through<C: Callee>(
        self: Arc<Self>,
        run: Run,
        callee: C,
        mut tasks: JoinSet<Result<(), String>>,
    ) -> Result<Tally, String> {
        if let Some(large) = run.beside {
            tasks.spawn(Arc::clone(&self).cross(callee, large));
        }
        tokio::time::sleep(run.warm_up).await;
        let begun = self.enter(1, &Answer::Begin);
        tokio::time::sleep(run.measured).await;
        let elapsed = self.enter(2, &Answer::End) - begun;

        let mut failures = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let ended = ended.unwrap_or_else(|panic| Err(panic.to_string()));
            failures.extend(ended.err());
        }
        if let Some(first) = failures.first() {
            let count = failures.len();
            return Err(format!(
                "{count} tasks had a failed call, one of them: {first}"
            ));
        }
        let mut latencies = Latencies::new();
        for some in &self.latencies {
            latencies.merge(&lock(some));
        }
        Ok(Tally {
            calls: latencies.count(),
            failed: 0,
            elapsed,
            large: self.large.load(Ordering::Relaxed),
            latencies,
        })
    }

    fn enter(&self, phase: u8, told: &Answer) -> Instant {
        let now = Instant::now();
        self.phase.store(phase, Ordering::Relaxed);
        say(told);
        now
    }

    /// Large calls, one after the other, beside the small ones.
    async fn cross<C: Callee>(self: Arc<Self>, callee: C, large: Large) -> Result<(), String> {
        while self.now() != Phase::Over {
            callee.large(large).await?;
            if self.now() == Phase::Measured {
                self.large.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

fn lock(latencies: &Mutex<Latencies>) -> MutexGuard<'_, Latencies> {
    latencies.lock().unwrap_or_else(PoisonError::into_inner)
}
