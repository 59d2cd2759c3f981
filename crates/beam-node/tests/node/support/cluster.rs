//! Nodes that find each other.

use std::{net::SocketAddr, time::Duration};

use beam_dist::{
    NodeName,
    epmd::{Alive2Response, AliveName, Port2Response, Registration, Request},
};
use beam_node::{EpmdServer, Node, NodeBuilder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{RawPeer, up, within};

/// The cookie of every node that is not to have another one.
pub(crate) const COOKIE: &str = "sesame";

/// An EPMD of a test's own, and the nodes that register with it.
pub(crate) struct Cluster {
    epmd: EpmdServer,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            epmd: EpmdServer::bind(0, []).unwrap(),
        }
    }

    pub(crate) fn epmd_port(&self) -> u16 {
        self.epmd.port()
    }

    /// A node `alive@127.0.0.1` that knows of others only what it is told, and stops without
    /// lingering.
    pub(crate) fn builder(&self, alive: &str) -> NodeBuilder {
        self.builder_at(&format!("{alive}@127.0.0.1"))
    }

    /// The same for any name.
    pub(crate) fn builder_at(&self, name: &str) -> NodeBuilder {
        Node::builder(name)
            .cookie(COOKIE)
            .epmd_port(self.epmd_port())
            .discovery(false)
            .drain_linger(Duration::ZERO)
    }

    pub(crate) async fn start(&self, alive: &str) -> Node {
        within(self.builder(alive).start()).await.unwrap()
    }

    /// A node under a name that one before it may have given up a moment ago.
    pub(crate) async fn start_again(&self, alive: &str) -> Node {
        within(async {
            loop {
                // EPMD has the name until it sees the end of the connection that registered it.
                match self.builder(alive).start().await {
                    Err(error) if error.message.contains("refuses the name") => {}
                    started => return started.unwrap(),
                }
            }
        })
        .await
    }

    /// Nodes `a` and `b`, connected.
    pub(crate) async fn pair(&self) -> (Node, Node) {
        let (a, b) = (self.start("a").await, self.start("b").await);
        connect(&a, &b).await;
        (a, b)
    }

    /// A peer made by hand that has connected to `node`.
    pub(crate) async fn raw_peer(&self, node: &Node, alive: &str) -> RawPeer {
        let mut events = node.events();
        let stream = TcpStream::connect(self.address(node.name()).await)
            .await
            .unwrap();
        let peer = RawPeer::initiate(stream, alive, node.name()).await;
        up(&mut events, peer.name()).await;
        peer
    }

    /// Registers what is no node, for as long as the connection lasts.
    pub(crate) async fn register(&self, registration: Registration) -> TcpStream {
        let mut epmd = TcpStream::connect(("127.0.0.1", self.epmd_port()))
            .await
            .unwrap();
        let request = Request::Alive2(registration).encode();
        epmd.write_all(&request).await.unwrap();
        let mut response = Vec::new();
        loop {
            within(epmd.read_buf(&mut response)).await.unwrap();
            match Alive2Response::decode(&response).unwrap() {
                Some(Alive2Response::Registered(_)) => return epmd,
                Some(other) => panic!("{other:?}"),
                None => {}
            }
        }
    }

    /// Where a node listens.
    pub(crate) async fn address(&self, name: &NodeName) -> SocketAddr {
        let mut epmd = TcpStream::connect(("127.0.0.1", self.epmd_port()))
            .await
            .unwrap();
        let request = Request::PortPlease2(AliveName::from(name)).encode();
        epmd.write_all(&request).await.unwrap();
        let mut response = Vec::new();
        epmd.read_to_end(&mut response).await.unwrap();
        match Port2Response::decode(&response).unwrap() {
            Some(Port2Response::Found(found)) => ([127, 0, 0, 1], found.port).into(),
            other => panic!("{name} is not registered: {other:?}"),
        }
    }
}

/// Connects two nodes, and waits until both see it.
pub(crate) async fn connect(a: &Node, b: &Node) {
    let mut events = b.events();
    within(a.connect(b.name())).await.unwrap();
    up(&mut events, a.name()).await;
}
