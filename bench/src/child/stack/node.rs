//! Nodes of this project, with and without a balancer.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use rpc_load_balancer::{
    Balancer, Binary, Function, Node, NodeBuilder, RoundRobin,
    beam_node::{Epmd, Peer},
};

use super::{Arrived, Callee, DEADLINE, Fields, LARGE_DEADLINE};
use crate::{
    child::{COOKIE, Place},
    failure::Failure,
    protocol::Large,
};

/// The module of the functions, with the name that it has in Erlang.
pub(in crate::child) const MODULE: &str = "rlb_bench";

/// The group of the callees.
pub(in crate::child) const GROUP: &str = "bench";

const WAIT: Duration = Duration::from_secs(30);

/// A node that answers; it goes with the process.
pub(crate) async fn serve(place: &Place) -> Result<(Node, Balancer), Failure> {
    let node = start(place).await?;
    export(&node).map_err(Failure::node("exporting the functions"))?;
    let member = Balancer::builder(GROUP)
        .start(&node)
        .await
        .map_err(Failure::node("joining the group"))?;
    Ok((node, member))
}

/// Exports the functions of [`MODULE`].
pub(in crate::child) fn export(node: &Node) -> rpc_load_balancer::Result<()> {
    node.export(MODULE, "add", async |a: i64, b: i64| a + b)?;
    node.export(MODULE, "echo", async |payload: Binary| payload)?;
    node.export(MODULE, "map20", async |fields: Fields| fields.digest())?;
    node.export(MODULE, "sleep", async |millis: u64| {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        millis
    })?;
    let arrived = Arc::new(Arrived::default());
    let counted = Arc::clone(&arrived);
    node.export(MODULE, "note", move || {
        counted.note();
        async {}
    })?;
    node.export(MODULE, "arrived", move || {
        let so_far = arrived.so_far();
        async move { so_far }
    })?;
    let large = OnceLock::new();
    node.export(MODULE, "large", move |_bytes: usize| {
        let large = large.get_or_init(large_binary).clone();
        async move { large }
    })?;
    node.export(MODULE, "swallow", async |large: Binary| large.len())
}

/// Made when it is asked for first, so that others do not pay for it in memory.
fn large_binary() -> Binary {
    Binary::from(vec![b'x'; Large::BYTES])
}

/// A node that has nothing to do with any other.
pub(crate) async fn start(place: &Place) -> Result<Node, Failure> {
    let node = builder(&place.name, place).start().await;
    node.map_err(Failure::node("starting a node"))
}

/// A node with this name that has to do with those of this measurement only.
pub(in crate::child) fn builder(name: &str, place: &Place) -> NodeBuilder {
    Node::builder(name)
        .cookie_variable(COOKIE)
        .epmd(Epmd::External)
        .epmd_port(place.epmd_port)
}

/// The functions, parsed once as a program in a hurry would.
#[derive(Clone)]
struct Functions {
    add: Function,
    echo: Function,
    map20: Function,
    note: Function,
    arrived: Function,
    large: Function,
    swallow: Function,
}

impl Functions {
    fn new() -> Result<Self, Failure> {
        let function =
            |name| Function::parse((MODULE, name)).map_err(Failure::node("naming a function"));
        Ok(Self {
            add: function("add")?,
            echo: function("echo")?,
            map20: function("map20")?,
            note: function("note")?,
            arrived: function("arrived")?,
            large: function("large")?,
            swallow: function("swallow")?,
        })
    }
}

/// Calls a peer that it names.
#[derive(Clone)]
pub(crate) struct Direct(Arc<DirectParts>);

struct DirectParts {
    peer: Peer,
    functions: Functions,
    large: OnceLock<Binary>,
    _node: Node,
}

/// Calls whom a balancer picks.
#[derive(Clone)]
pub(crate) struct Balanced(Arc<BalancedParts>);

struct BalancedParts {
    balancer: Balancer,
    functions: Functions,
}

/// A node that is connected to the callee, and has it for a member.
pub(crate) async fn connect(place: &Place, callee: &str) -> Result<(Direct, Balanced), Failure> {
    let node = start(place).await?;
    let direct = Direct::to(&node, callee).await?;
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false)
        .start(&node)
        .await
        .map_err(Failure::node("starting the balancer"))?;
    balancer
        .wait_for_members(1, WAIT)
        .await
        .map_err(Failure::node("waiting for the member"))?;
    let balanced = Balanced(Arc::new(BalancedParts {
        balancer,
        functions: Functions::new()?,
    }));
    Ok((direct, balanced))
}

impl Direct {
    /// Connects a node to a callee.
    pub(crate) async fn to(node: &Node, callee: &str) -> Result<Self, Failure> {
        node.connect(callee)
            .await
            .map_err(Failure::node("connecting to the callee"))?;
        let peer = node
            .peer(callee)
            .map_err(Failure::node("naming the callee"))?;
        Ok(Self(Arc::new(DirectParts {
            peer,
            functions: Functions::new()?,
            large: OnceLock::new(),
            _node: node.clone(),
        })))
    }
}

impl Callee for Direct {
    async fn add(&self, a: i64, b: i64) -> Result<i64, String> {
        let call = self.0.peer.call(&self.0.functions.add, (a, b));
        call.timeout(DEADLINE).send().await.map_err(text)
    }

    async fn echo(&self, payload: Bytes) -> Result<Bytes, String> {
        let call = self.0.peer.call(&self.0.functions.echo, (Binary(payload),));
        let Binary(echo) = call.timeout(DEADLINE).send().await.map_err(text)?;
        Ok(echo)
    }

    async fn map20(&self, fields: &Fields) -> Result<i64, String> {
        let call = self.0.peer.call(&self.0.functions.map20, (fields,));
        call.timeout(DEADLINE).send().await.map_err(text)
    }

    async fn cast(&self) -> Result<(), String> {
        let cast = self.0.peer.cast(&self.0.functions.note, ());
        cast.send().await.map_err(text)
    }

    async fn arrived(&self) -> Result<i64, String> {
        let call = self.0.peer.call(&self.0.functions.arrived, ());
        call.timeout(DEADLINE).send().await.map_err(text)
    }

    async fn large(&self, large: Large) -> Result<(), String> {
        let functions = &self.0.functions;
        let crossed = match large {
            Large::Result => {
                let call = self.0.peer.call(&functions.large, (Large::BYTES,));
                let result: Binary = call.timeout(LARGE_DEADLINE).send().await.map_err(text)?;
                result.len()
            }
            Large::Argument => {
                let argument = (self.0.large.get_or_init(large_binary).clone(),);
                let call = self.0.peer.call(&functions.swallow, argument);
                call.timeout(LARGE_DEADLINE).send().await.map_err(text)?
            }
        };
        if crossed == Large::BYTES {
            Ok(())
        } else {
            Err(format!(
                "{crossed} bytes crossed instead of {}",
                Large::BYTES
            ))
        }
    }
}

impl Callee for Balanced {
    async fn add(&self, a: i64, b: i64) -> Result<i64, String> {
        let call = self.0.balancer.call(&self.0.functions.add, (a, b));
        call.timeout(DEADLINE).send().await.map_err(text)
    }

    async fn echo(&self, payload: Bytes) -> Result<Bytes, String> {
        let call = self
            .0
            .balancer
            .call(&self.0.functions.echo, (Binary(payload),));
        let Binary(echo) = call.timeout(DEADLINE).send().await.map_err(text)?;
        Ok(echo)
    }

    async fn map20(&self, fields: &Fields) -> Result<i64, String> {
        let call = self.0.balancer.call(&self.0.functions.map20, (fields,));
        call.timeout(DEADLINE).send().await.map_err(text)
    }
}

fn text(error: rpc_load_balancer::Error) -> String {
    error.to_string()
}
