//! Finding nodes: those that are configured, and those that they know.

use std::{
    collections::HashSet,
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use beam_dist::NodeName;
use beam_term::Atom;
use tokio::time::Instant;

use crate::{
    Function, backoff::Backoff, deadline, epmd, peer::Slot, settling::Question, state::NodeState,
};

/// The shortest pause after a failed attempt to connect.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between attempts to reach a configured peer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// After how many failed attempts in a row a learned name is forgotten.
///
/// Nodes that live for one command show up in the lists of others, and are gone before anybody
/// can connect to them.
const ATTEMPTS_AT_LEARNED: u32 = 6;

/// How many peers are asked at a time which nodes they know.
const ASKED_AT_A_TIME: usize = 3;

/// How long an asked peer may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps a configured peer connected for as long as the node runs. The question is whether it can
/// be reached now.
pub(crate) async fn keep_connected(node: Arc<NodeState>, name: NodeName, question: Question) {
    let mut question = Some(question);
    let slot = node.slot(&name);
    let mut backoff = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
    let keep = async {
        loop {
            let attempt = slot
                .link(&node, deadline::after(node.handshake_timeout()))
                .await;
            drop(question.take());
            match attempt {
                Ok(_link) => {
                    backoff.reset();
                    slot.await_loss().await;
                }
                Err(error) => {
                    tracing::debug!(peer = %name, %error, "failed to connect to a configured peer");
                }
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    };
    node.draining.run_until_cancelled(keep).await;
}

/// Finds nodes by asking hosts and peers for those that they know, and connects to them.
#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) interval: Duration,
    pub(crate) hosts: Hosts,
    learned: Arc<Learned>,
}

impl Discovery {
    /// Asks again and again, on average at this interval.
    pub(crate) fn new(interval: Duration, hosts: Hosts) -> Self {
        Self {
            interval,
            hosts,
            learned: Arc::default(),
        }
    }

    /// Asks a peer. The question is closed when all that it knows was tried.
    pub(crate) fn ask(&self, node: &Arc<NodeState>, slot: Arc<Slot>, question: Question) {
        let (learned, asker) = (Arc::clone(&self.learned), Arc::clone(node));
        node.spawn(async move {
            ask(&asker, &slot, &learned).await;
            drop(question);
        });
    }

    /// Asks again and again for as long as the node runs. Newcomers are asked when they come.
    pub(crate) async fn run(node: Arc<NodeState>, first: Question) {
        let Some(discovery) = &node.discovery else {
            return;
        };
        let run = async {
            discovery.hosts.ask(&node, &discovery.learned).await;
            drop(first);
            loop {
                tokio::time::sleep(discovery.interval.mul_f64(0.5 + fastrand::f64())).await;
                discovery.hosts.ask(&node, &discovery.learned).await;
                for slot in some_connected(&node) {
                    discovery.ask(&node, slot, node.settling.question());
                }
            }
        };
        node.draining.run_until_cancelled(run).await;
    }
}

/// Hosts whose EPMDs are asked which nodes they know.
#[derive(Debug)]
pub(crate) struct Hosts {
    pub(crate) names: Vec<String>,
    pub(crate) epmd_port: u16,
}

impl Hosts {
    async fn ask(&self, node: &Arc<NodeState>, learned: &Arc<Learned>) {
        for host in &self.names {
            let deadline = Instant::now() + ASK_TIMEOUT;
            match epmd::names(host, self.epmd_port, deadline).await {
                Ok(names) => {
                    for name in names {
                        learned.learn(node, &format!("{name}@{host}"), host);
                    }
                }
                Err(error) => tracing::debug!(%host, %error, "failed to ask for nodes"),
            }
        }
    }
}

/// Names that were learned from peers and are being tried or are connected.
#[derive(Debug, Default)]
struct Learned(Mutex<HashSet<NodeName>>);

impl Learned {
    /// Takes a name in; `false` if it is in already, or if there is no room.
    fn insert(&self, name: &NodeName, limit: usize) -> bool {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.len() < limit && names.insert(name.clone())
    }

    /// Tries a name if it is new.
    fn learn(self: &Arc<Self>, node: &Arc<NodeState>, name: &str, from: &impl Display) {
        let Ok(name) = NodeName::try_from(name) else {
            return;
        };
        let is_new = name != *node.name()
            && name.is_long() == node.name().is_long()
            && node.slot(&name).live().is_none();
        if is_new && self.insert(&name, node.identity.limits.learned_peers) {
            tracing::debug!(peer = %name, %from, "learned of a node");
            let question = node.settling.question();
            node.spawn(try_learned(
                Arc::clone(node),
                name,
                Arc::clone(self),
                question,
            ));
        }
    }

    fn forget(&self, name: &NodeName) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

fn some_connected(node: &Arc<NodeState>) -> Vec<Arc<Slot>> {
    let mut links = node.links.all();
    fastrand::shuffle(&mut links);
    links.truncate(ASKED_AT_A_TIME);
    links.iter().map(|link| node.slot(&link.peer)).collect()
}

/// Asks one peer, and tries every name that is new.
async fn ask(node: &Arc<NodeState>, slot: &Slot, learned: &Arc<Learned>) {
    let peer = node.peer(slot.name());
    let nodes = Function {
        module: Atom::from_static("erlang"),
        name: Atom::from_static("nodes"),
    };
    let which = vec![Atom::from_static("visible"), Atom::from_static("hidden")];
    let known: Vec<Atom> = match peer
        .call(&nodes, (which,))
        .timeout(ASK_TIMEOUT)
        .send()
        .await
    {
        Ok(known) => known,
        Err(error) => {
            tracing::debug!(peer = %slot.name(), %error, "failed to ask for nodes");
            return;
        }
    };
    for name in known {
        learned.learn(node, name.as_str(), slot.name());
    }
}

/// Connects to a learned node, and reconnects, until it fails too often in a row.
async fn try_learned(
    node: Arc<NodeState>,
    name: NodeName,
    learned: Arc<Learned>,
    question: Question,
) {
    let mut question = Some(question);
    let slot = node.slot(&name);
    let tries = async {
        let mut failures = 0;
        let mut backoff = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        while failures < ATTEMPTS_AT_LEARNED {
            let attempt = slot
                .link(&node, deadline::after(node.handshake_timeout()))
                .await;
            drop(question.take());
            match attempt {
                Ok(_link) => {
                    failures = 0;
                    backoff.reset();
                    slot.await_loss().await;
                }
                Err(error) => {
                    failures += 1;
                    tracing::debug!(peer = %name, %error, "failed to connect to a learned node");
                }
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    };
    node.draining.run_until_cancelled(tries).await;
    learned.forget(&name);
}
