//! The settings of the node.

use std::{fmt, marker::PhantomData, time::Duration};

use beam_node::{Error, NamePattern, Network, NodeBuilder};
use serde::{
    Deserialize, Deserializer,
    de::{self, IntoDeserializer, SeqAccess, Visitor, value::StringDeserializer},
};

use super::{
    duration::{Span, duration},
    list,
    variables::{self, Variables},
};

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
    #[serde(deserialize_with = "somebody")]
    pub allow_peers: Option<Vec<NamePattern>>,
    /// For [`NodeBuilder::allow_networks`]: the networks that they are in.
    #[serde(deserialize_with = "somebody")]
    pub allow_networks: Option<Vec<Network>>,
    /// For [`NodeBuilder::suspect_after`]: how long a peer may say nothing; zero: for ever.
    #[serde(deserialize_with = "silence")]
    pub suspect_after: Option<Duration>,
    /// For [`NodeBuilder::suspect_call_grace`]: how long calls wait for one that says nothing.
    #[serde(deserialize_with = "span")]
    pub suspect_call_grace: Option<Duration>,
}

impl Variables for NodeConfig {
    const PREFIX: &'static str = "RLB_";
    const LISTS: &'static [&'static str] = &["allow_peers", "allow_networks"];

    fn cure_of_empty(key: &str) -> Option<&'static str> {
        Self::LISTS
            .contains(&key)
            .then_some("unset it to allow all, or list who is allowed, separated by commas")
    }
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
        variables::from_environment()
    }

    /// These settings, and those of the environment where these say nothing. Only variables whose names are
    /// `wanted` are looked at, and none of what is set already: what is wrong with the others is no matter.
    ///
    /// # Errors
    ///
    /// As [`NodeConfig::from_environment`].
    pub fn or_environment(self, wanted: &[&str]) -> Result<Self, Error> {
        self.or_variables(|name| {
            wanted
                .contains(&name)
                .then(|| variables::of_process(name))?
        })
    }

    pub(super) fn or_variables(
        self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let set: Vec<String> = self.set_keys().map(variables::name::<Self>).collect();
        let is_set = |name: &str| set.iter().any(|set| set == name);
        let wanted = |name: &str| (!is_set(name)).then(|| variable(name))?;
        variables::read(wanted).map(|settings| self.or(settings))
    }

    /// The keys that are set.
    fn set_keys(&self) -> impl Iterator<Item = &'static str> {
        /// Each field once, by its name, which is its key; none can be left out.
        macro_rules! fields {
            ($($key:ident),*) => {{
                let Self { $($key),* } = self;
                [$((stringify!($key), $key.is_some())),*]
            }};
        }
        let fields = fields!(
            allow_peers,
            allow_networks,
            suspect_after,
            suspect_call_grace
        );
        fields
            .into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(key, _)| key)
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

/// Reads how long a peer may say nothing, as [`duration`](super::duration()) does; zero is for ever.
///
/// # Errors
///
/// `bad_request` for what is no duration, and for one below
/// [`NodeBuilder::MIN_SUSPECT_AFTER`].
pub fn suspect_after(text: &str) -> Result<Duration, Error> {
    check_silence(duration(text)?)
}

fn check_silence(silence: Duration) -> Result<Duration, Error> {
    let least = NodeBuilder::MIN_SUSPECT_AFTER;
    match silence.is_zero() || silence >= least {
        true => Ok(silence),
        false => Err(Error::bad_request(format!(
            "less than {least:?}, the least that can be; a number alone is milliseconds, so that seconds \
             are written as \"3s\""
        ))),
    }
}

/// Reads a list of who is allowed, which cannot be nobody.
fn somebody<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<T>, A::Error> {
            let list = list::read(seq, |text| {
                let text: StringDeserializer<A::Error> = text.into_deserializer();
                T::deserialize(text)
            })?;
            match list.is_empty() {
                false => Ok(list),
                true => Err(de::Error::custom(
                    "the list is empty, so that nobody would be allowed: leave it out to allow all, or \
                     list who is",
                )),
            }
        }
    }

    deserializer.deserialize_seq(List(PhantomData)).map(Some)
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Span::deserialize(deserializer).map(|Span(duration)| Some(duration))
}

fn silence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Span(silence) = Span::deserialize(deserializer)?;
    check_silence(silence)
        .map(Some)
        .map_err(|error| de::Error::custom(error.message))
}
