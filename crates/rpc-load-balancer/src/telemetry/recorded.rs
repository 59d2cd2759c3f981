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

use super::Kind;

/// Where the series of a balancer go.
///
/// The series of the members are looked up in a table that is swapped with the members; those of
/// functions are kept once they were asked for.
#[derive(Clone)]
pub(crate) struct Telemetry(Arc<Series>);

struct Series {
    balancer: String,
    algorithm: &'static str,
    selected: ArcSwap<HashMap<NodeName, Counter>>,
    selected_nobody: Counter,
    pool_size: Gauge,
    started: RwLock<HashMap<(NodeName, Function, Kind), Arc<Labels>>>,
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

/// A call under way.
pub(crate) struct Measured(Arc<Labels>);

/// So many functions on so many nodes are kept; others are looked up each time.
const MOST_KEPT: usize = 4_096;

impl Telemetry {
    pub(crate) fn of_balancer(name: &str, algorithm: &'static str) -> Self {
        let balancer = name.to_owned();
        Self(Arc::new(Series {
            algorithm,
            selected: ArcSwap::default(),
            selected_nobody: counter!(
                "rpc_load_balancer_node_selected_empty_count",
                "load_balancer" => balancer.clone(), "algorithm" => algorithm,
            ),
            pool_size: gauge!(
                "rpc_load_balancer_node_pool_size",
                "load_balancer" => balancer.clone(), "algorithm" => algorithm,
            ),
            started: RwLock::default(),
            balancer,
        }))
    }

    /// For calls that no balancer makes.
    pub(crate) fn of_nobody() -> Self {
        Self::of_balancer("", "")
    }

    /// These are the members from now on.
    pub(crate) fn members(&self, members: &Members) {
        let before = self.0.selected.load();
        let selected = members.nodes().map(|node| {
            let counter = before.get(node).cloned().unwrap_or_else(|| {
                counter!(
                    "rpc_load_balancer_node_selected_count",
                    "load_balancer" => self.0.balancer.clone(),
                    "algorithm" => self.0.algorithm,
                    "node" => node.to_string(),
                )
            });
            (node.clone(), counter)
        });
        self.0.selected.store(Arc::new(selected.collect()));
        self.0.pool_size.set(members.len() as f64);
    }

    pub(crate) fn selected(&self, node: &NodeName) {
        // One that left a moment ago is not worth a series.
        if let Some(counter) = self.0.selected.load().get(node) {
            counter.increment(1);
        }
    }

    pub(crate) fn selected_nobody(&self) {
        self.0.selected_nobody.increment(1);
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
        Measured(labels)
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
    pub(crate) fn end(self, status: &'static str, elapsed: Duration) {
        let labels = self.0.with_status(status);
        counter!("rpc_load_balancer_rpc_request_stop_count", labels.clone()).increment(1);
        histogram!("rpc_load_balancer_rpc_duration_milliseconds", labels)
            .record(elapsed.as_secs_f64() * 1_000.0);
    }
}
