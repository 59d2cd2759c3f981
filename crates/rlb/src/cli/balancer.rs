//! Balancers, as commands use them: from outside, once all members are known.

use std::{collections::BTreeMap, time::Duration};

use beam_node::{Error, Event, Events, Node, NodeName, Peer};
use beam_term::{Atom, Term};
use rpc_load_balancer::{Balancer, config::AlgorithmConfig};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{cluster::ClientOptions, function::term, name::alias};
use crate::failure::Failure;

/// How a balancer picks a member.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AlgorithmOptions {
    /// How the balancer picks a member, with options as in hash-ring:weight=256 [default: random]
    ///
    /// One of bounded-hash, call-direct, hash-ring, least-connections, least-cpu, maglev,
    /// peak-ewma, power-of-two, random, round-robin and weighted-round-robin. The settings of
    /// `rpc_load_balancer::config::AlgorithmConfig` are those of each.
    #[arg(long, value_name = "NAME[:KEY=VALUE,…]", requires = "balancer")]
    #[arg(value_parser = algorithm)]
    algorithm: Option<AlgorithmConfig>,

    /// The key by which algorithms that hash pick a member, as a term; the others ignore it
    #[arg(
        long,
        value_name = "TERM",
        allow_hyphen_values = true,
        requires = "balancer"
    )]
    key: Option<String>,
}

impl AlgorithmOptions {
    pub(super) fn key(&self) -> Result<Option<Term>, Failure> {
        let key = self.key.as_deref();
        key.map(|key| term("--key", key)).transpose()
    }
}

fn algorithm(text: &str) -> Result<AlgorithmConfig, String> {
    text.parse().map_err(|error: Error| error.message)
}

/// A node that is no member, and a balancer on it that knows its members.
pub(super) struct Found {
    pub(super) node: Node,
    pub(super) balancer: Balancer,
}

impl Found {
    /// Starts a node and finds the members of a balancer from it, of which there must be one at least.
    ///
    /// A member is seen by the nodes that it is connected to, so the node has to connect to all
    /// that its peers know before it has seen them all.
    pub(super) async fn find(
        name: &str,
        algorithm: Option<&AlgorithmOptions>,
        client: &ClientOptions,
    ) -> Result<Self, Failure> {
        let (name, group) = group(name)?;
        let deadline = client.deadline();
        let (node, mut events) = discover_and_listen(client, deadline).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if node.wait_for_members(group, 1, left).await.is_err() {
            let failures = failures(&mut events).await;
            return Err(no_members(&name, client, &failures));
        }
        // Started only now, it has all the members from its first selection on.
        let mut builder = Balancer::builder(name).join(false);
        if let Some(algorithm) = algorithm.and_then(|options| options.algorithm.as_ref()) {
            builder = builder.algorithm_config(algorithm);
        }
        let balancer = builder.start(&node).await?;
        Ok(Self { node, balancer })
    }

    /// The same to watch a balancer, which may have no members yet.
    pub(super) async fn watch(name: &str, client: &ClientOptions) -> Result<Self, Failure> {
        let (name, _) = group(name)?;
        let node = discover(client, client.deadline()).await?;
        let balancer = Balancer::builder(name).join(false).start(&node).await?;
        Ok(Self { node, balancer })
    }
}

/// The name of a balancer as it was meant, and as its group has it.
fn group(name: &str) -> Result<(String, Atom), Failure> {
    let name = alias(name);
    let group = Atom::try_from(name.as_str())
        .map_err(|error| Failure::usage(format!("{name} is no name of a balancer: {error}")))?;
    Ok((name, group))
}

/// Starts a node that has connected to all that its peers know.
pub(super) async fn discover(client: &ClientOptions, deadline: Instant) -> Result<Node, Failure> {
    let (node, _events) = discover_and_listen(client, deadline).await?;
    Ok(node)
}

/// Does so, and gives what happened meanwhile.
async fn discover_and_listen(
    client: &ClientOptions,
    deadline: Instant,
) -> Result<(Node, Events), Failure> {
    require_peer(&client.node.peers)?;
    let node = client.start_discovering(deadline).await?;
    let events = node.events();
    connect(&node, &client.node.peers, deadline).await?;
    // One that does not answer leaves time for the others.
    let left = deadline.saturating_duration_since(Instant::now());
    if let Err(error) = node.settled(left / 2).await {
        tracing::warn!(
            "there may be more nodes and members than are known: {}",
            error.message
        );
    }
    Ok((node, events))
}

/// Why nodes that were found are not connected, as far as that is told by now.
async fn failures(events: &mut Events) -> BTreeMap<NodeName, String> {
    let mut failures = BTreeMap::new();
    while let Ok(Some(event)) = timeout(Duration::ZERO, events.next()).await {
        match event {
            Event::ConnectFailed { peer, reason } => {
                failures.insert(peer, reason.to_string());
            }
            Event::Up { peer, .. } => {
                failures.remove(&peer);
            }
            _ => {}
        }
    }
    failures
}

/// A command that is to find others has to be told of one.
pub(super) fn require_peer(peers: &[NodeName]) -> Result<(), Failure> {
    if peers.is_empty() {
        return Err(Failure::usage("no node of the cluster is given")
            .advise("name one with --peer; it is asked for the others"));
    }
    Ok(())
}

/// Connects to all that can be reached of the given peers, which must be one at least.
///
/// Once one is connected, the others have half of the time left, so that one that does not answer leaves time for what those
/// that do are asked.
pub(super) async fn connect(
    node: &Node,
    peers: &[NodeName],
    deadline: Instant,
) -> Result<Vec<Peer>, Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    let half_time = deadline - left / 2;
    let mut attempts = JoinSet::new();
    for peer in peers {
        let peer = node.peer(peer)?;
        attempts.spawn(async move { peer.connect(left).await.map(|()| peer) });
    }
    let mut connected = Vec::new();
    let mut failures = Vec::new();
    loop {
        let attempt = tokio::select! {
            attempt = attempts.join_next() => attempt,
            () = sleep_until(half_time), if !connected.is_empty() => {
                tracing::warn!("going on without {} peers that do not answer", attempts.len());
                None
            }
        };
        let Some(attempt) = attempt else { break };
        match attempt {
            Ok(Ok(peer)) => connected.push(peer),
            Ok(Err(error)) => failures.push(Failure::from(error)),
            Err(error) => failures.push(Failure::internal(error.to_string())),
        }
    }
    let have_some = !connected.is_empty();
    for failure in failures {
        if !have_some {
            return Err(failure);
        }
        tracing::warn!("{failure}");
    }
    Ok(connected)
}

/// The names of the peers that a command asks.
pub(super) fn peers(client: &ClientOptions) -> Vec<&str> {
    client.node.peers.iter().map(NodeName::as_str).collect()
}

fn no_members(
    name: &str,
    client: &ClientOptions,
    failures: &BTreeMap<NodeName, String>,
) -> Failure {
    /// How many nodes are told of.
    const SHOWN: usize = 3;

    let mut message = format!(
        "the balancer {name} had no members within {:?} as seen from {}",
        client.timeout,
        peers(client).join(", ")
    );
    for (node, reason) in failures.iter().take(SHOWN) {
        message.push_str(&format!("; no connection to {node}: {reason}"));
    }
    if failures.len() > SHOWN {
        message.push_str(&format!("; nor to {} more", failures.len() - SHOWN));
    }
    Failure::no_route(message).advise(format!(
        "check its name, and that a node has joined it, as `rlb node --join {name}` does"
    ))
}
