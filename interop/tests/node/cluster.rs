//! What the tests have in common: where nodes find each other, and how they are asked things.

use std::time::Duration;

use beam_node::{Epmd as Mode, Event, Events, Node, NodeBuilder, NodeName};
use interop::{Beam, BeamBuilder, Epmd, Otp, eventually, unique_name};
use tokio::time::timeout;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Whether the node of Rust is visible; every test does both.
pub(crate) const HIDDEN_AND_VISIBLE: [bool; 2] = [false, true];

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

    /// A node of OTP to be started, `alive-…@127.0.0.1`.
    pub(crate) fn beam(&self, alive: &str) -> BeamBuilder {
        let beam = self.otp.beam().name(unique_name(alive));
        beam.cookie(COOKIE).epmd(&self.epmd)
    }

    /// A node of Rust to be started under this full name.
    pub(crate) fn node(&self, name: &str) -> NodeBuilder {
        Node::builder(name)
            .cookie(COOKIE)
            .epmd(Mode::External)
            .epmd_port(self.epmd.port())
            .discovery(false)
    }

    /// A running node of Rust.
    pub(crate) async fn rust(&self, visible: bool) -> Node {
        println!(
            "the Rust node is {}",
            if visible { "visible" } else { "hidden" }
        );
        let node = self.node(&rust_name("rust")).visible(visible);
        node.start().await.unwrap()
    }
}

/// A name for a node of Rust that no other has.
pub(crate) fn rust_name(alive: &str) -> String {
    format!("{}@127.0.0.1", unique_name(alive))
}

/// The value of an expression with the variable `N` bound to the name of a node, as Erlang prints
/// it; of an exception, class and reason as a tuple.
pub(crate) async fn seen(beam: &Beam, node: &Node, source: &str) -> String {
    let caught = format!(
        "N = '{}', try {source} catch Class:Reason -> {{Class, Reason}} end",
        node.name()
    );
    beam.expression(&caught).text().await.unwrap()
}

/// Waits for the event that `wanted` picks.
pub(crate) async fn event<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(events.next().await.expect("the node runs")) {
                return found;
            }
        }
    };
    timeout(DEADLINE, found).await.expect("the event comes")
}

/// Waits until the node of OTP is, or is not, connected to a node.
pub(crate) async fn sees(beam: &Beam, name: &NodeName, connected: bool) {
    let source = format!("lists:member('{name}', nodes(connected))");
    let agreed = async || beam.expression(&source).text().await.unwrap() == connected.to_string();
    let what = format!("{} to see {name} connected: {connected}", beam.name());
    eventually(&what, DEADLINE, agreed).await;
}

/// Waits until the node of Rust has no connection to a peer.
pub(crate) async fn lost(node: &Node, peer: &str) {
    let gone = async || !node.peer(peer).unwrap().is_connected();
    eventually("the connection to be gone", DEADLINE, gone).await;
}
