//! Nodes of this process that are connected over loopback.

use std::time::Duration;

use rpc_load_balancer::{
    Algorithm, Balancer, Error, Export, Node,
    beam_node::{Epmd, EpmdServer},
};
use tokio::runtime::{Builder, Runtime};

/// A client, and nodes that are the members of its balancer, all on one thread.
pub(crate) struct Cluster {
    pub(crate) balancer: Balancer,
    _members: Vec<(Node, Balancer)>,
    _epmd: EpmdServer,
    /// Ends after everything that runs in it.
    pub(crate) runtime: Runtime,
}

const GROUP: &str = "instructions";

/// How long the members may take to find each other.
const PATIENCE: Duration = Duration::from_secs(60);

impl Cluster {
    /// Starts so many members, which export `math:add/2`, and a client that selects among them.
    pub(crate) fn start(members: usize, algorithm: impl Algorithm) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("there can be a runtime");
        let started = runtime.block_on(connected(members, algorithm));
        let (balancer, members, epmd) = started.expect("nodes of one machine find each other");
        Self {
            balancer,
            _members: members,
            _epmd: epmd,
            runtime,
        }
    }
}

async fn connected(
    count: usize,
    algorithm: impl Algorithm,
) -> Result<(Balancer, Vec<(Node, Balancer)>, EpmdServer), Error> {
    let epmd = EpmdServer::bind(0, []).expect("there is a free port");
    let builder = |alive: String| {
        Node::builder(format!("{alive}@127.0.0.1"))
            .cookie("instructions")
            .epmd(Epmd::External)
            .epmd_port(epmd.port())
            .drain_linger(Duration::ZERO)
    };
    let mut members = Vec::with_capacity(count);
    for number in 0..count {
        let node = builder(format!("n{number}")).start().await?;
        node.register(Export::new("math", "add", async |a: i64, b: i64| a + b))?;
        let balancer = Balancer::builder(GROUP).start(&node).await?;
        members.push((node, balancer));
    }
    let peers = members.iter().map(|(node, _)| node.name().to_string());
    let client = builder("client".to_owned()).peers(peers).start().await?;
    let balancer = Balancer::builder(GROUP)
        .algorithm(algorithm)
        .join(false)
        .start(&client)
        .await?;
    balancer.wait_for_members(count, PATIENCE).await?;
    Ok((balancer, members, epmd))
}
