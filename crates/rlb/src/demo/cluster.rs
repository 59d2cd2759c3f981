//! The cluster of the demo: this process and its workers.

use std::{collections::VecDeque, time::Duration};

use beam_node::{EpmdServer, Node, NodeName};
use beam_term::Term;
use rpc_load_balancer::{Balancer, RoundRobin};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::worker::{Surroundings, Worker};
use crate::{failure::Failure, secret::Secret};

/// The balancer that the workers are members of.
pub(super) const BALANCER: &str = "demo";

/// How long anything may take that the demo waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The node of this process, EPMD, and the workers.
#[derive(Debug)]
pub(super) struct Cluster {
    epmd: EpmdServer,
    cookie: Secret,
    node: Node,
    workers: VecDeque<Worker>,
    started: u16,
}

impl Cluster {
    /// Serves EPMD and starts the node of this process.
    pub(super) async fn start() -> Result<Self, Failure> {
        let epmd = EpmdServer::bind(0, [])
            .map_err(|error| Failure::internal(format!("failed to serve EPMD: {error}")))?;
        let cookie = random_cookie()?;
        let node = Node::builder("demo@127.0.0.1")
            .cookie(&cookie)
            .epmd_port(epmd.port())
            .start()
            .await?;
        Ok(Self {
            epmd,
            cookie,
            node,
            workers: VecDeque::new(),
            started: 0,
        })
    }

    /// The balancer over the workers; this process is no member.
    pub(super) async fn balancer(&self) -> Result<Balancer, Failure> {
        let builder = Balancer::builder(BALANCER)
            .algorithm(RoundRobin::new())
            .join(false);
        Ok(builder.start(&self.node).await?)
    }

    /// Starts another worker, and waits until it is a member; gives its name.
    pub(super) async fn add_worker(&mut self) -> Result<NodeName, Failure> {
        self.started += 1;
        let name: NodeName = format!("w{}@127.0.0.1", self.started)
            .parse()
            .map_err(|error| Failure::internal(format!("{error}")))?;
        let around = Surroundings {
            peer: self.node.name(),
            epmd_port: self.epmd.port(),
            cookie: &self.cookie,
        };
        let worker = Worker::start(name.clone(), around).await?;
        self.workers.push_back(worker);
        self.await_membership(&name, true).await?;
        Ok(name)
    }

    /// Gives the worker away that was started first of those that are left.
    pub(super) fn part_with_first(&mut self) -> Result<Worker, Failure> {
        self.workers
            .pop_front()
            .ok_or_else(|| Failure::internal("there are no workers left"))
    }

    /// Waits until a worker is a member, or is none any more.
    pub(super) async fn await_membership(
        &self,
        name: &NodeName,
        is_member: bool,
    ) -> Result<(), Failure> {
        let mut members = self.node.watch_members(Term::atom(BALANCER));
        let settled = members.wait_for(|members| members.contains(name) == is_member);
        match timeout(PATIENCE, settled).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                let state = if is_member {
                    "no member"
                } else {
                    "still a member"
                };
                Err(Failure::internal(format!(
                    "{name} is {state} after {PATIENCE:?}"
                )))
            }
        }
    }

    /// Ends everything that was started.
    pub(super) async fn end(mut self) {
        for worker in &mut self.workers {
            // One that is gone already cannot be killed, and need not be.
            let _ = worker.kill();
        }
        for worker in &mut self.workers {
            let _ = worker.ended().await;
        }
        if let Err(error) = self.node.shutdown().await {
            tracing::debug!(%error, "stopped with calls left");
        }
        self.epmd.shutdown().await;
    }
}

/// A secret of this run, so that no other node gets in.
fn random_cookie() -> Result<Secret, Failure> {
    let mut bytes = Zeroizing::new([0; 16]);
    getrandom::fill(&mut *bytes)
        .map_err(|error| Failure::internal(format!("no random number for a cookie: {error}")))?;
    // Sized before it is filled: growing would leave copies behind.
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in *bytes {
        for digit in [byte >> 4, byte & 0xF] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    Ok(text.into())
}
