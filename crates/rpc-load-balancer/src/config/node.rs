//! The settings of the node.

use beam_node::NodeBuilder;
use serde::Deserialize;

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
}

impl NodeConfig {
    /// The settings of the environment, `RLB_ALLOW_PEERS` and `RLB_ALLOW_NETWORKS`.
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
        }
    }

    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            allow_peers: self.allow_peers.or(other.allow_peers),
            allow_networks: self.allow_networks.or(other.allow_networks),
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
        builder
    }
}

fn split(text: String) -> Vec<String> {
    let parts = text.split(',').map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}
