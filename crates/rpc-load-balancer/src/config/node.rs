//! The settings of the node.

use std::time::Duration;

use beam_node::NodeBuilder;
use serde::{Deserialize, Deserializer};

use super::balancer::Span;

/// The settings of the node; what is not set is left to the defaults.
///
/// ```
/// use rpc_load_balancer::{Node, config::Config};
///
/// let config = Config::from_toml(
///     r#"
///     [node]
///     allow_peers = ["*@10.0.0.7", "/^app[0-9]+@/"]
///     allow_networks = ["10.0.0.0/8", "fd00::/8"]
///     suspect_after = "2s"
///     "#,
/// )?;
/// let builder = config.node().apply(Node::builder("app@10.0.0.7"));
/// # Ok::<(), rpc_load_balancer::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NodeConfig {
    /// For [`NodeBuilder::allow_peers`]: patterns for the names of the nodes to be connected with.
    pub allow_peers: Option<Vec<String>>,
    /// For [`NodeBuilder::allow_networks`]: the networks that they are in.
    pub allow_networks: Option<Vec<String>>,
    /// For [`NodeBuilder::suspect_after`]: how long a peer may say nothing; zero: for ever. A text such as
    /// `"500ms"`, or a number of milliseconds.
    #[serde(deserialize_with = "span")]
    pub suspect_after: Option<Duration>,
    /// For [`NodeBuilder::suspect_call_grace`]: how long calls wait for one that says nothing.
    #[serde(deserialize_with = "span")]
    pub suspect_call_grace: Option<Duration>,
}

impl NodeConfig {
    /// The settings of the environment, `RLB_ALLOW_PEERS` and `RLB_ALLOW_NETWORKS`; there are none for the
    /// rest.
    pub fn from_environment() -> Self {
        Self::from_variables(|variable| {
            let value = std::env::var_os(variable)?;
            Some(value.to_string_lossy().into_owned())
        })
    }

    pub(super) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        // One that is empty is as good as none.
        let list = |name| variable(name).filter(|text| !text.is_empty()).map(split);
        Self {
            allow_peers: list("RLB_ALLOW_PEERS"),
            allow_networks: list("RLB_ALLOW_NETWORKS"),
            ..Self::default()
        }
    }

    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            allow_peers: self.allow_peers.or(other.allow_peers),
            allow_networks: self.allow_networks.or(other.allow_networks),
            suspect_after: self.suspect_after.or(other.suspect_after),
            suspect_call_grace: self.suspect_call_grace.or(other.suspect_call_grace),
        }
    }

    /// Tells a builder what is set.
    pub fn apply(&self, mut builder: NodeBuilder) -> NodeBuilder {
        if let Some(patterns) = &self.allow_peers {
            builder = builder.allow_peers(patterns);
        }
        if let Some(networks) = &self.allow_networks {
            builder = builder.allow_networks(networks);
        }
        if let Some(silence) = self.suspect_after {
            builder = builder.suspect_after((!silence.is_zero()).then_some(silence));
        }
        if let Some(grace) = self.suspect_call_grace {
            builder = builder.suspect_call_grace(grace);
        }
        builder
    }
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Span::deserialize(deserializer).map(|Span(duration)| Some(duration))
}

fn split(text: String) -> Vec<String> {
    let parts = text.split(',').map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}
