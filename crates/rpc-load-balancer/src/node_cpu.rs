//! How busy the processors of this node are, for whoever balances by that.
//!
//! Members of the Elixir library `rpc_load_balancer` ask each other by
//! `'Elixir.RpcLoadBalancer.LoadBalancer.NodeCpuCache':get_local_cpu()`, which answers
//! `{:ok, %{cpu: percent, fetched_at: milliseconds}}`, or `{:ok, nil}` as long as nothing was
//! measured. Every node that is a member of some balancer exports the same, and measures when it is
//! asked: the share is that of the time since the question before. Where that was long ago, or there
//! was none, the answer comes a quarter of a second later and is of that time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use beam_node::{Export, Node};
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};
use tokio::time::{Instant, sleep_until};

/// The function that tells.
pub(crate) const FUNCTION: (&str, &str) = (
    "Elixir.RpcLoadBalancer.LoadBalancer.NodeCpuCache",
    "get_local_cpu",
);

/// How busy the processors of a node are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LocalCpu {
    /// In percent of all processors.
    pub(crate) cpu: f64,
    /// When it was measured, in milliseconds since 1970, by the clock of that node.
    #[serde(default)]
    fetched_at: i64,
}

/// Exports the function on a node, unless that is done.
pub(crate) fn export(node: &Node) {
    let meter = match Meter::new() {
        Ok(meter) => Arc::new(meter),
        Err(error) => return tracing::warn!(%error, "cannot measure the processors"),
    };
    let answer = move || {
        let meter = Arc::clone(&meter);
        async move { Ok::<_, ()>(meter.read().await) }
    };
    // Another balancer of the node has exported it, or the program one of its own.
    let _ = node.register(Export::new(FUNCTION.0, FUNCTION.1, answer).housekeeping());
}

/// Measures the processors between one reading and the next.
struct Meter(Mutex<Measurement>);

struct Measurement {
    system: System,
    /// When the spell began that is measured next.
    begun: Instant,
    /// That of the spell before, unless that is long ago.
    last: Option<LocalCpu>,
}

/// How long a spell lasts at least: whoever asks before gets the last one's share.
const SHORTEST_SPELL: Duration = Duration::from_secs(1);

/// How long a spell lasts for which somebody waits. Still shorter ones say nothing: the operating
/// system counts in hundredths of a second.
const AWAITED_SPELL: Duration = Duration::from_millis(250);

/// How long a spell lasts at most: three times as long as members wait with their next question.
/// What was before says nothing of how busy the processors are now.
const LONGEST_SPELL: Duration = Duration::from_secs(15);

impl Meter {
    fn new() -> Result<Self, sysinfo::Error> {
        let usage = CpuRefreshKind::nothing().with_usage();
        let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage))?;
        Ok(Self(Mutex::new(Measurement {
            system,
            begun: Instant::now(),
            last: None,
        })))
    }

    /// How busy they were since the last reading; the same again within a second.
    async fn read(&self) -> LocalCpu {
        loop {
            match self.read_now() {
                Ok(local) => return local,
                Err(ready) => sleep_until(ready).await,
            }
        }
    }

    /// The reading, or when there will be one.
    fn read_now(&self) -> Result<LocalCpu, Instant> {
        let mut measurement = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if measurement.begun.elapsed() > LONGEST_SPELL {
            measurement.end_spell();
            measurement.last = None;
        }
        let shortest = match measurement.last {
            Some(_) => SHORTEST_SPELL,
            None => AWAITED_SPELL,
        };
        if measurement.begun.elapsed() >= shortest {
            let cpu = measurement.end_spell();
            let since_1970 = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            measurement.last = Some(LocalCpu {
                cpu,
                fetched_at: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
            });
        }
        measurement.last.ok_or(measurement.begun + AWAITED_SPELL)
    }
}

impl Measurement {
    /// The share of the spell that ends here, where the next one begins.
    fn end_spell(&mut self) -> f64 {
        self.system.refresh_cpu_usage();
        self.begun = Instant::now();
        f64::from(self.system.global_cpu_usage()).clamp(0.0, 100.0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_reading_is_waited_for_and_there_is_a_new_one_each_second() {
        let meter = Meter::new().unwrap();
        let asked = Instant::now();
        let first = meter.read().await;
        assert!(asked.elapsed() >= AWAITED_SPELL);
        assert!((0.0..=100.0).contains(&first.cpu));
        assert!(first.fetched_at > 1_600_000_000_000);

        let begun = meter.begun();
        assert_eq!(meter.read_now(), Ok(first));
        assert_eq!(meter.begun(), begun);
        advance(SHORTEST_SPELL).await;
        assert!(meter.read_now().is_ok());
        assert_eq!(meter.begun(), begun + SHORTEST_SPELL);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_before_a_long_silence_is_not_in_the_next_reading() {
        let meter = Meter::new().unwrap();
        meter.read().await;
        advance(LONGEST_SPELL).await;
        assert!(meter.read_now().is_ok());

        advance(LONGEST_SPELL + Duration::from_millis(1)).await;
        let ready = Instant::now() + AWAITED_SPELL;
        assert_eq!(meter.read_now(), Err(ready));
        // Nor does another one get what was measured before.
        assert_eq!(meter.read_now(), Err(ready));
        let (one, other) = tokio::join!(meter.read(), meter.read());
        assert_eq!(one, other);
        assert_eq!(meter.begun(), ready);
    }

    impl Meter {
        fn begun(&self) -> Instant {
            self.0.lock().unwrap().begun
        }
    }
}
