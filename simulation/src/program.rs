//! What runs on each host: a node, a balancer, and tasks that call.

mod caller;
mod work;

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use rpc_load_balancer::{
    Atom, Balancer, CallLimits, Node, Retry, Term,
    beam_node::{Epmd, Limits, Listen, Membership},
    config::AlgorithmConfig,
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::{Ledger, Life},
    network::Net,
    plan::{CallerPlan, Finding, NodePlan, Plan},
};

use caller::Caller;

/// The group of the balancers.
pub(crate) const POOL: &str = "pool";

/// The same, as a term.
pub(crate) fn pool_group() -> Term {
    Atom::from_static(POOL).into()
}

/// The group that nodes join and leave.
pub(crate) fn club() -> Term {
    Atom::from_static("club").into()
}

/// How much memory of large messages a node keeps for others.
pub(crate) const SPARE_BYTES: usize = 256 * 1024;

const PORT: u16 = 9_100;
const EPMD_PORT: u16 = 4_369;

/// A program, as it is seen from outside.
#[derive(Clone, Default)]
pub(crate) struct Program(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    shut_down: Notify,
    /// Nobody is to make calls any more.
    quiet: CancellationToken,
}

/// What there is of a program.
#[derive(Default)]
pub(crate) struct State {
    /// Once it is started.
    pub(crate) node: Option<(Node, Balancer)>,
    pub(crate) memberships: Vec<Membership>,
    /// Whether it was told to shut down, and has.
    pub(crate) is_leaving: bool,
    pub(crate) has_ended: bool,
    /// Tasks that call, and have not ended.
    pub(crate) callers: usize,
}

impl Program {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the node shut down in good order.
    pub(crate) fn shut_down(&self) {
        self.state().is_leaving = true;
        self.0.shut_down.notify_one();
    }

    /// Has the callers make no further calls.
    pub(crate) fn be_quiet(&self) {
        self.0.quiet.cancel();
    }

    /// Somebody who makes calls from the node, once that is started.
    pub(crate) fn caller(
        &self,
        caller: &CallerPlan,
        plan: &Plan,
        life: Life,
        ledger: &Ledger,
    ) -> Option<Caller> {
        let (node, balancer) = self.state().node.clone()?;
        Some(Caller {
            rng: Rng::with_seed(caller.seed ^ u64::from(life.number)),
            plan: caller.clone(),
            life,
            node,
            balancer,
            ledger: ledger.clone(),
            hosts: plan.nodes.len(),
            burst: plan.burst(),
        })
    }

    /// Has it make them.
    pub(crate) fn spawn(&self, calls: impl Future<Output = ()> + Send + 'static) {
        self.state().callers += 1;
        let program = self.clone();
        tokio::spawn(async move {
            calls.await;
            program.state().callers -= 1;
        });
    }

    /// Runs a node until it is told to shut down.
    pub(crate) async fn run(self, plan: Arc<Plan>, life: Life, ledger: Ledger) {
        let own = &plan.nodes[life.host];
        let (node, balancer) = tokio::select! {
            started = start(&plan, own, life, &ledger) => started,
            () = self.0.shut_down.notified() => return self.state().has_ended = true,
        };
        self.state().node = Some((node.clone(), balancer));
        for caller in &own.callers {
            if let Some(caller) = self.caller(caller, &plan, life, &ledger) {
                self.spawn(caller.run(self.0.quiet.clone()));
            }
        }
        self.0.shut_down.notified().await;
        // Those of the own callers that are left at the end of the drain are lost.
        self.be_quiet();
        self.state().memberships.clear();
        let drained = node.shutdown().await;
        tracing::info!(?drained, "shut down");
        let mut state = self.state();
        state.node = None;
        state.has_ended = true;
    }
}

/// Starts a node and its balancer, as often as it takes: the name of an earlier life may still be
/// registered.
async fn start(plan: &Plan, own: &NodePlan, life: Life, ledger: &Ledger) -> (Node, Balancer) {
    loop {
        match try_to_start(plan, own, life, ledger).await {
            Ok(started) => return started,
            Err(error) => tracing::info!(%error, "not started"),
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn try_to_start(
    plan: &Plan,
    own: &NodePlan,
    life: Life,
    ledger: &Ledger,
) -> rpc_load_balancer::Result<(Node, Balancer)> {
    let mut builder = Node::builder(node_name(life.host))
        .cookie("secret")
        .visible(own.visible)
        .net_ticktime(plan.net_ticktime)
        .discovery_interval(Duration::from_secs(5))
        .suspect_call_grace(own.grace.map(Duration::from_millis))
        .limits(Limits {
            outgoing_bytes_per_peer: own.outgoing,
            wait_for_room: own.waits_for_room,
            spare_bytes_per_node: SPARE_BYTES,
            ..Limits::default()
        });
    builder = match plan.finding {
        Finding::AllByFixedPort => builder
            .epmd(Epmd::Off)
            .listen(Listen::from(PORT))
            .fixed_port(PORT),
        Finding::AllByEpmd | Finding::Learned => builder.epmd_port(EPMD_PORT),
    };
    let known = plan.known().filter(|&host| host != life.host);
    let node = builder.peers(known.map(node_name)).start().await?;
    work::export(&node, life, ledger)?;
    let algorithm: AlgorithmConfig = own.algorithm.parse()?;
    let mut limits = CallLimits::new();
    if let Some((all, each)) = own.in_flight {
        limits = limits.in_flight(all).per_member(each);
    }
    let balancer = Balancer::builder(POOL)
        .algorithm_config(&algorithm)
        .join(own.is_member)
        .retry(Retry::times(2).pause(Duration::from_secs(1)))
        .call_limits(limits)
        .start(&node)
        .await?;
    Ok((node, balancer))
}

/// The name of the node of a host.
pub(crate) fn node_name(host: usize) -> String {
    format!("n@{}", Net::host_name(host))
}
