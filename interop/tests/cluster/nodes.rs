//! What the tests have in common: where nodes find each other, and what they see.

use std::time::Duration;

use beam_node::{Epmd as Mode, Node, NodeBuilder, NodeName};
use interop::{Beam, BeamBuilder, Epmd, Host, Otp, eventually, unique_name};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

const COOKIE: &str = "interop";

/// A port mapper and one release: nodes started here find each other, and no others.
pub(crate) struct Cluster {
    otp: Otp,
    epmd: Epmd,
}

impl Cluster {
    pub(crate) async fn start(otp: Otp) -> Self {
        let epmd = otp.epmd().start().await.unwrap();
        Self { otp, epmd }
    }

    /// Starts a port mapper on a host, at the port that every node of the cluster asks.
    pub(crate) async fn epmd_on(&self, host: &Host) -> Epmd {
        let epmd = self.otp.epmd().on(host).port(self.epmd.port());
        epmd.start().await.unwrap()
    }

    /// Kills the port mapper and starts another, at the same port, which knows of no node.
    pub(crate) async fn replace_epmd(&mut self) {
        self.epmd.kill().await.unwrap();
        let next = self.otp.epmd().port(self.epmd.port());
        self.epmd = next.start().await.unwrap();
    }

    /// A node of OTP to be started.
    pub(crate) fn beam(&self) -> BeamBuilder {
        let beam = self.otp.beam().name(unique_name("otp"));
        beam.cookie(COOKIE).epmd(&self.epmd)
    }

    /// A node of Rust to be started, which knows these peers and asks for no others.
    pub(crate) fn rust(&self, name: &str, peers: &[&Beam]) -> NodeBuilder {
        Node::builder(name)
            .cookie(COOKIE)
            .epmd(Mode::External)
            .epmd_port(self.epmd.port())
            .peers(peers.iter().map(|beam| beam.name()))
            .discovery(false)
            .drain_linger(Duration::ZERO)
    }

    /// A hidden and a visible node of Rust, which do not know each other.
    pub(crate) async fn hidden_and_visible(&self, peers: &[&Beam]) -> [Node; 2] {
        let hidden = self.rust(&rust_name("hidden"), peers);
        let visible = self.rust(&rust_name("visible"), peers).visible(true);
        [
            hidden.start().await.unwrap(),
            visible.start().await.unwrap(),
        ]
    }
}

/// A name for a node of Rust that no other has.
pub(crate) fn rust_name(alive: &str) -> String {
    format!("{}@127.0.0.1", unique_name(alive))
}

pub(crate) fn name(beam: &Beam) -> NodeName {
    beam.name().parse().unwrap()
}

/// The value of an expression, as Erlang prints it.
pub(crate) async fn text(beam: &Beam, source: &str) -> String {
    beam.expression(source).text().await.unwrap()
}

/// Waits until a node of OTP is, or is not, connected to a node of Rust.
pub(crate) async fn connected(beam: &Beam, name: &NodeName, connected: bool) {
    let source = format!("lists:member('{name}', nodes(connected))");
    let agreed = async || text(beam, &source).await == connected.to_string();
    let what = format!("{} to see {name} connected: {connected}", beam.name());
    eventually(&what, DEADLINE, agreed).await;
}
