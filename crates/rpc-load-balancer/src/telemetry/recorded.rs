//! Telemetry that goes to the recorder of the `metrics` facade.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use beam_dist::NodeName;
use beam_node::{Function, Members};
use metrics::{Counter, Gauge, counter, gauge, histogram};
use tokio::time::Instant;

use super::Kind;

/// Where the series of a balancer go.
///
/// The series of the members are looked up in a table that is swapped with the members; those of
/// functions are kept once they were asked for.
#[derive(Clone)]
pub(crate) struct Telemetry(Arc<Series>);

struct Series {
    balancer: String,
    pool: Option<PoolSeries>,
    started: RwLock<HashMap<(NodeName, Function, Kind), Arc<Labels>>>,
}

/// What a balancer counts of its selections.
struct PoolSeries {
    algorithm: &'static str,
    selected: ArcSwap<HashMap<NodeName, Counter>>,
    selected_nobody: Counter,
    size: Gauge,
}

/// What tells the calls of one function on one node apart from others.
struct Labels {
    node: String,
    module: String,
    function: String,
    kind: Kind,
    balancer: String,
    started: Counter,
}

/// A call under way. One that is dropped was given up by its caller.
pub(crate) struct Measured {
    labels: Arc<Labels>,
    begun: Instant,
    is_over: bool,
}

/// So many functions on so many nodes are kept; others are looked up each time.
const MOST_KEPT: usize = 4_096;

impl Telemetry {
    pub(crate) fn of_balancer(name: &str, algorithm: &'static str) -> Self {
        let pool = PoolSeries {
            algorithm,
            selected: ArcSwap::default(),
            selected_nobody: counter!(
                "rpc_load_balancer_node_selected_empty_count",
                "load_balancer" => name.to_owned(), "algorithm" => algorithm,
            ),
            size: gauge!(
                "rpc_load_balancer_node_pool_size",
                "load_balancer" => name.to_owned(), "algorithm" => algorithm,
            ),
        };
        Self::new(name, Some(pool))
    }

    /// For calls that no balancer makes.
    pub(crate) fn of_nobody() -> Self {
        Self::new("", None)
    }

    fn new(balancer: &str, pool: Option<PoolSeries>) -> Self {
        Self(Arc::new(Series {
            balancer: balancer.to_owned(),
            pool,
            started: RwLock::default(),
        }))
    }

    /// These are the members from now on.
    pub(crate) fn members(&self, members: &Members) {
        // What was kept of nodes that left would be kept for ever.
        let started = self.0.started.write();
        let mut started = started.unwrap_or_else(PoisonError::into_inner);
        started.retain(|(node, ..), _| members.contains(node));
        drop(started);
        let Some(pool) = &self.0.pool else { return };
        let before = pool.selected.load();
        let selected = members.nodes().map(|node| {
            let counter = before.get(node).cloned().unwrap_or_else(|| {
                counter!(
                    "rpc_load_balancer_node_selected_count",
                    "load_balancer" => self.0.balancer.clone(),
                    "algorithm" => pool.algorithm,
                    "node" => node.to_string(),
                )
            });
            (node.clone(), counter)
        });
        pool.selected.store(Arc::new(selected.collect()));
        pool.size.set(members.len() as f64);
    }

    pub(crate) fn selected(&self, node: &NodeName) {
        // One that left a moment ago is not worth a series.
        if let Some(pool) = &self.0.pool
            && let Some(counter) = pool.selected.load().get(node)
        {
            counter.increment(1);
        }
    }

    pub(crate) fn selected_nobody(&self) {
        if let Some(pool) = &self.0.pool {
            pool.selected_nobody.increment(1);
        }
    }

    /// A call of this function goes to this node now.
    pub(crate) fn begin(&self, kind: Kind, node: &NodeName, function: &Function) -> Measured {
        let key = (node.clone(), function.clone(), kind);
        let kept = {
            let started = self.0.started.read();
            let started = started.unwrap_or_else(PoisonError::into_inner);
            started.get(&key).cloned()
        };
        let labels = kept.unwrap_or_else(|| {
            let labels = Arc::new(Labels::new(&self.0.balancer, &key));
            let started = self.0.started.write();
            let mut started = started.unwrap_or_else(PoisonError::into_inner);
            if started.len() < MOST_KEPT {
                started.insert(key, Arc::clone(&labels));
            }
            labels
        });
        labels.started.increment(1);
        Measured {
            labels,
            begun: Instant::now(),
            is_over: false,
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("balancer", &self.0.balancer)
            .finish_non_exhaustive()
    }
}

impl Labels {
    fn new(balancer: &str, (node, function, kind): &(NodeName, Function, Kind)) -> Self {
        let node = node.to_string();
        let module = match function.module.as_str().strip_prefix("Elixir.") {
            Some(module) => module.to_owned(),
            None => format!(":{}", function.module.as_str()),
        };
        let name = function.name.as_str().to_owned();
        let started = counter!(
            "rpc_load_balancer_rpc_request_start_count",
            "node" => node.clone(),
            "module" => module.clone(),
            "function" => name.clone(),
            "type" => kind.as_str(),
            "load_balancer" => balancer.to_owned(),
        );
        Self {
            node,
            module,
            function: name,
            kind: *kind,
            balancer: balancer.to_owned(),
            started,
        }
    }

    fn with_status(&self, status: &'static str) -> Vec<metrics::Label> {
        vec![
            metrics::Label::new("node", self.node.clone()),
            metrics::Label::new("module", self.module.clone()),
            metrics::Label::new("function", self.function.clone()),
            metrics::Label::new("type", self.kind.as_str()),
            metrics::Label::new("load_balancer", self.balancer.clone()),
            metrics::Label::new("status", status),
        ]
    }
}

impl Measured {
    /// The call ended so, after this time.
    pub(crate) fn end(mut self, status: &'static str, elapsed: Duration) {
        self.is_over = true;
        self.record(status, elapsed);
    }

    fn record(&self, status: &'static str, elapsed: Duration) {
        let labels = self.labels.with_status(status);
        counter!("rpc_load_balancer_rpc_request_stop_count", labels.clone()).increment(1);
        histogram!("rpc_load_balancer_rpc_duration_milliseconds", labels)
            .record(elapsed.as_secs_f64() * 1_000.0);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !self.is_over {
            self.record("cancelled", self.begun.elapsed());
        }
    }
}

impl Drop for PoolSeries {
    fn drop(&mut self) {
        self.size.set(0.0);
    }
}
