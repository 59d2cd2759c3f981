//! Nodes in one process that find each other.

use std::{collections::BTreeMap, future::Future, time::Duration};

use rpc_load_balancer::{
    Balancer, Limits, Node, NodeName, RoundRobin,
    beam_node::{Epmd, EpmdServer},
};
use tokio::time::timeout;

/// How long anything may take that is to happen. Tests that pass do not wait for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const GROUP: &str = "my_balancer";

/// An EPMD of its own, so that tests do not meet each other's nodes.
pub(crate) struct Cluster(EpmdServer);

impl Cluster {
    pub(crate) fn new() -> Self {
        Self(EpmdServer::bind(0, []).unwrap())
    }

    /// A node that knows these peers, and exports `demo:node/0`, which answers its name.
    pub(crate) async fn node(&self, alive: &str, peers: &[&Node]) -> Node {
        self.limited_node(alive, peers, Limits::default()).await
    }

    /// A node that is no member, two members that know it, `w1` and `w2`, and what they are members by.
    pub(crate) async fn with_two_members(&self) -> (Node, [Node; 2], [Balancer; 2]) {
        let app = self.node("app", &[]).await;
        let [w1, w2] = [
            self.node("w1", &[&app]).await,
            self.node("w2", &[&app]).await,
        ];
        let members = [member(&w1).await, member(&w2).await];
        (app, [w1, w2], members)
    }

    /// A node that refuses to serve any call.
    pub(crate) async fn full_node(&self, alive: &str, peers: &[&Node]) -> Node {
        let limits = Limits {
            served_per_peer: 0,
            ..Limits::default()
        };
        self.limited_node(alive, peers, limits).await
    }

    /// A node that makes no more calls at once to each of its peers.
    pub(crate) async fn limited_caller(&self, alive: &str, calls_per_peer: usize) -> Node {
        let limits = Limits {
            calls_per_peer,
            ..Limits::default()
        };
        self.limited_node(alive, &[], limits).await
    }

    async fn limited_node(&self, alive: &str, peers: &[&Node], limits: Limits) -> Node {
        let name = format!("{alive}@127.0.0.1");
        let node = Node::builder(&name)
            .cookie("secret")
            .epmd(Epmd::External)
            .epmd_port(self.0.port())
            .peers(peers.iter().map(|peer| peer.name().to_string()))
            .limits(limits)
            .drain_linger(Duration::ZERO)
            .start()
            .await
            .unwrap();
        let answer = move || std::future::ready(name.clone());
        node.export("demo", "node", answer).unwrap();
        node
    }
}

pub(crate) async fn member(node: &Node) -> Balancer {
    Balancer::builder(GROUP).start(node).await.unwrap()
}

/// A pure client that takes turns.
pub(crate) async fn client(node: &Node) -> Balancer {
    Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false)
        .start(node)
        .await
        .unwrap()
}

pub(crate) fn names(nodes: &[&Node]) -> Vec<NodeName> {
    nodes.iter().map(|node| node.name().clone()).collect()
}

/// Waits until the balancer has exactly these members.
pub(crate) async fn members_become(balancer: &Balancer, nodes: &[&Node]) {
    let expected = names(nodes);
    let become_so = async {
        while balancer.members().unwrap_or_default() != expected {
            tokio::task::yield_now().await;
        }
    };
    if timeout(PATIENCE, become_so).await.is_err() {
        panic!("{:?} did not become {expected:?}", balancer.members());
    }
}

pub(crate) async fn answers(balancer: &Balancer, calls: u32) -> BTreeMap<String, u32> {
    let mut answers = BTreeMap::new();
    for _ in 0..calls {
        let name: String = balancer.call(("demo", "node"), ()).await.unwrap();
        *answers.entry(name).or_default() += 1;
    }
    answers
}

/// Waits for what is to happen.
#[track_caller]
pub(crate) fn within<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("nothing came of it within {PATIENCE:?}, at {caller}"),
        }
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    within(async move {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
}
