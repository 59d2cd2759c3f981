//! How busy the processors of this node are, for whoever balances by that.
//!
//! Members of the Elixir library `rpc_load_balancer` ask each other by
//! `'Elixir.RpcLoadBalancer.LoadBalancer.NodeCpuCache':get_local_cpu()`, which answers
//! `{:ok, %{cpu: percent, fetched_at: milliseconds}}`, or `{:ok, nil}` as long as nothing was
//! measured. Every node that is a member of some balancer exports the same.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use beam_node::{Export, Node};
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};
use tokio::time::Instant;

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
        Ok(meter) => meter,
        Err(error) => return tracing::warn!(%error, "cannot measure the processors"),
    };
    let answer = move || {
        let local = meter.read();
        async move { Ok::<_, ()>(local) }
    };
    // Another balancer of the node has exported it, or the program one of its own.
    let _ = node.register(Export::new(FUNCTION.0, FUNCTION.1, answer).housekeeping());
}

/// Measures the processors between one reading and the next.
struct Meter(Mutex<Measurement>);

struct Measurement {
    system: System,
    begun: Instant,
    last: Option<LocalCpu>,
}

/// Shorter spells say nothing: the operating system counts in hundredths of a second.
const SHORTEST_SPELL: Duration = Duration::from_secs(1);

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
    fn read(&self) -> Option<LocalCpu> {
        let mut measurement = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if measurement.begun.elapsed() >= SHORTEST_SPELL {
            measurement.system.refresh_cpu_usage();
            let since_1970 = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            measurement.last = Some(LocalCpu {
                cpu: f64::from(measurement.system.global_cpu_usage()).clamp(0.0, 100.0),
                fetched_at: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
            });
            measurement.begun = Instant::now();
        }
        measurement.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_a_reading_after_a_second_and_a_new_one_each_second() {
        let meter = Meter::new().unwrap();
        assert_eq!(meter.read(), None);
        tokio::time::advance(SHORTEST_SPELL).await;
        let first = meter.read().unwrap();
        assert!((0.0..=100.0).contains(&first.cpu));
        assert!(first.fetched_at > 1_600_000_000_000);
        assert_eq!(meter.read(), Some(first));
    }
}
