//! The weights that this node gives to members, whatever they say of themselves.

use std::collections::HashMap;

use beam_dist::NodeName;
use beam_node::Error;
use tokio::sync::watch;

/// Weights by node, which those who follow them see change.
#[derive(Clone, Debug)]
pub(super) struct Weights(watch::Sender<HashMap<NodeName, u32>>);

impl Weights {
    pub(super) fn new(weights: HashMap<NodeName, u32>) -> Self {
        Self(watch::Sender::new(weights))
    }

    /// Sets the weight of a node, or takes it back.
    pub(super) fn set(&self, node: NodeName, weight: Option<u32>) {
        self.0.send_if_modified(|weights| {
            let before = match weight {
                Some(weight) => weights.insert(node, weight),
                None => weights.remove(&node),
            };
            before != weight
        });
    }

    pub(super) fn follow(&self) -> watch::Receiver<HashMap<NodeName, u32>> {
        self.0.subscribe()
    }
}

/// Reads the name of a node that a weight is for.
pub(super) fn weighed(node: &str) -> Result<NodeName, Error> {
    node.parse().map_err(|error| {
        Error::bad_request(format!("weights: {node:?} is no name of a node: {error}"))
    })
}
