//! The settings of the node.

use std::time::Duration;

use beam_node::{Error, NodeBuilder};
use serde::{Deserialize, Deserializer, de};
use toml::{Table, Value};

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
/// let builder = config.node()?.apply(Node::builder("app@10.0.0.7"));
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
    #[serde(deserialize_with = "silence")]
    pub suspect_after: Option<Duration>,
    /// For [`NodeBuilder::suspect_call_grace`]: how long calls wait for one that says nothing.
    #[serde(deserialize_with = "span")]
    pub suspect_call_grace: Option<Duration>,
}

impl NodeConfig {
    /// The settings of the environment: `RLB_ALLOW_PEERS` and `RLB_ALLOW_NETWORKS`, in which commas
    /// separate several, `RLB_SUSPECT_AFTER` and `RLB_SUSPECT_CALL_GRACE`.
    ///
    /// # Errors
    ///
    /// `bad_request` with the name of the variable, where its value is none for its key. A list of who is
    /// allowed that is set and empty is none: it may be meant for nobody, or for everybody.
    pub fn from_environment() -> Result<Self, Error> {
        Self::from_variables(|variable| {
            let value = std::env::var_os(variable)?;
            Some(value.to_string_lossy().into_owned())
        })
    }

    pub(super) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut config = Self::default();
        for (key, is_list) in KEYS {
            let name = format!("RLB_{}", key.to_uppercase());
            let Some(text) = variable(&name) else {
                continue;
            };
            let value = match (is_list, text.parse::<i64>()) {
                (true, _) => Value::Array(list(&name, &text)?),
                // One that is empty is as good as none.
                (false, _) if text.is_empty() => continue,
                (false, Ok(number)) => number.into(),
                (false, Err(_)) => text.as_str().into(),
            };
            let table = Table::from_iter([(key.to_owned(), value)]);
            let set: Self = table.try_into().map_err(|error: toml::de::Error| {
                Error::bad_request(format!("{name}: {text:?}: {}", error.message()))
            })?;
            config = set.or(config);
        }
        Ok(config)
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

/// The keys that can be set by variables, named `RLB_` and the key in capitals, and whether they are
/// lists.
const KEYS: [(&str, bool); 4] = [
    ("allow_peers", true),
    ("allow_networks", true),
    ("suspect_after", false),
    ("suspect_call_grace", false),
];

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Span::deserialize(deserializer).map(|Span(duration)| Some(duration))
}

/// Reads how long a peer may say nothing.
fn silence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Span(silence) = Span::deserialize(deserializer)?;
    let least = NodeBuilder::MIN_SUSPECT_AFTER;
    if !silence.is_zero() && silence < least {
        return Err(de::Error::custom(format!(
            "{silence:?} is less than {least:?}, the least that can be; a number alone is milliseconds, \
             so that seconds are written as \"3s\""
        )));
    }
    Ok(Some(silence))
}

fn list(name: &str, text: &str) -> Result<Vec<Value>, Error> {
    let parts = text.split(',').map(str::trim);
    let parts: Vec<_> = parts
        .filter(|part| !part.is_empty())
        .map(Value::from)
        .collect();
    if parts.is_empty() {
        return Err(Error::bad_request(format!(
            "{name} is set and names nobody: unset it to allow all, or list who is allowed, separated by \
             commas"
        )));
    }
    Ok(parts)
}
