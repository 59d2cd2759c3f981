//! The algorithms of this project, by `Balancer::select`: what programs call. The members are nodes
//! of this process, connected to the one that selects; so there can be tens of them, not thousands.

use std::{hint::black_box, sync::Arc, time::Duration};

use rpc_load_balancer::{
    Algorithm, Balancer, BalancerBuilder, BoundedHash, CallDirect, Error, HashRing,
    LeastConnections, LeastCpu, Maglev, Node, PeakEwma, PowerOfTwo, Random, RoundRobin, Term,
    WeightedRoundRobin,
    beam_node::{Epmd, EpmdServer},
};
use tokio::runtime::Runtime;

use super::{Contestant, Turn, key_terms, weight};

/// A client, and nodes that are the members of its balancers.
pub(crate) struct Cluster {
    client: Node,
    /// They are members for as long as these are there.
    members: Vec<(Node, Balancer)>,
    _epmd: EpmdServer,
    /// Ends after everything that runs in it.
    runtime: Runtime,
}

/// A contestant and its algorithm.
type Named = (&'static str, Arc<dyn Contestant>);

const GROUP: &str = "bench";

/// How long the members may take to find each other.
const PATIENCE: Duration = Duration::from_secs(60);

impl Cluster {
    /// Starts so many members, and a client.
    pub(crate) fn start(members: usize) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("there can be threads");
        let (client, members, epmd) = runtime.block_on(async {
            let epmd = EpmdServer::bind(0, []).expect("a free port is there");
            let builder = |alive: String| {
                Node::builder(format!("{alive}@127.0.0.1"))
                    .cookie("bench")
                    .epmd(Epmd::External)
                    .epmd_port(epmd.port())
                    .drain_linger(Duration::ZERO)
            };
            let mut nodes = Vec::with_capacity(members);
            for number in 0..members {
                let node = builder(alive(number)).start().await?;
                let balancer = Balancer::builder(GROUP).start(&node).await?;
                nodes.push((node, balancer));
            }
            let peers = nodes.iter().map(|(node, _)| node.name().to_string());
            let client = builder("client".to_owned()).peers(peers).start().await?;
            Ok::<_, Error>((client, nodes, epmd))
        })?;
        Ok(Self {
            client,
            members,
            _epmd: epmd,
            runtime,
        })
    }

    /// A balancer of each algorithm, with its name.
    pub(crate) fn contestants(&self) -> Result<Vec<Named>, Error> {
        Ok(vec![
            ("Random", self.unkeyed(Random::new())?),
            ("RoundRobin", self.unkeyed(RoundRobin::new())?),
            ("PowerOfTwo", self.unkeyed(PowerOfTwo::new())?),
            (
                "WeightedRoundRobin",
                self.weighted(WeightedRoundRobin::new())?,
            ),
            ("LeastConnections", self.unkeyed(LeastConnections::new())?),
            ("PeakEwma", self.unkeyed(PeakEwma::new())?),
            ("LeastCpu", self.unkeyed(LeastCpu::new())?),
            ("CallDirect", self.unkeyed(CallDirect::new())?),
            ("HashRing", self.keyed(HashRing::new())?),
            ("Maglev", self.keyed(Maglev::new())?),
            ("BoundedHash", self.keyed(BoundedHash::new())?),
        ])
    }

    fn unkeyed(&self, algorithm: impl Algorithm) -> Result<Arc<dyn Contestant>, Error> {
        Ok(Arc::new(Unkeyed(self.balancer(algorithm, |_| 1)?)))
    }

    fn weighted(&self, algorithm: impl Algorithm) -> Result<Arc<dyn Contestant>, Error> {
        Ok(Arc::new(Unkeyed(self.balancer(algorithm, weight)?)))
    }

    fn keyed(&self, algorithm: impl Algorithm) -> Result<Arc<dyn Contestant>, Error> {
        let balancer = self.balancer(algorithm, |_| 1)?;
        let (keys, turn) = (key_terms(), Turn::default());
        Ok(Arc::new(Keyed {
            balancer,
            keys,
            turn,
        }))
    }

    fn balancer(
        &self,
        algorithm: impl Algorithm,
        weight: fn(usize) -> u32,
    ) -> Result<Balancer, Error> {
        let builder = Balancer::builder(GROUP).algorithm(algorithm).join(false);
        let weigh = |builder: BalancerBuilder, (number, (node, _)): (usize, &(Node, Balancer))| {
            builder.weight(node.name().as_str(), weight(number))
        };
        let builder = self.members.iter().enumerate().fold(builder, weigh);
        self.runtime.block_on(async {
            let balancer = builder.start(&self.client).await?;
            balancer
                .wait_for_members(self.members.len(), PATIENCE)
                .await?;
            Ok(balancer)
        })
    }
}

fn alive(number: usize) -> String {
    format!("n{number:02}")
}

struct Unkeyed(Balancer);

impl Contestant for Unkeyed {
    fn alone(&self, selections: u32) {
        for _ in 0..selections {
            let lease = self.0.select();
            black_box(&lease.expect("there are members"));
        }
    }
}

struct Keyed {
    balancer: Balancer,
    keys: Vec<Term>,
    turn: Turn,
}

impl Contestant for Keyed {
    fn alone(&self, selections: u32) {
        for key in self.turn.take(selections) {
            let lease = self.balancer.select_with_key(&self.keys[key]);
            black_box(&lease.expect("there are members"));
        }
    }
}
