//! The options by which a command becomes a node of a cluster.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use beam_node::{Error, Listen, NamePattern, Network, Node, NodeBuilder, NodeName};
use rpc_load_balancer::config::{self, Config, NodeConfig};
use tokio::time::{Instant, timeout_at};

use super::{
    name::{check_forms, node_name, unique_name},
    number::number,
    tls::TlsOptions,
};
use crate::{exit::Exit, failure::Failure, printer::pass_on, secret::Secret};

/// Who this node is, and whom it knows.
#[derive(clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct NodeOptions {
    /// Name of this node [default: a unique one, short or long as the first peer's]
    #[arg(long, value_name = "NAME@HOST", value_parser = node_name)]
    name: Option<NodeName>,

    /// The secret that all nodes of the cluster share; everybody on this machine can see it in
    /// the list of processes (`ps`), so better use one of the other ways
    ///
    /// Without this option, the cookie is that of --cookie-file, else of the environment variable
    /// RLB_COOKIE, else of ~/.erlang.cookie.
    #[arg(long, value_name = "TEXT", conflicts_with = "cookie_file")]
    cookie: Option<Secret>,

    /// File with the cookie, readable by its owner only
    #[arg(long, value_name = "PATH")]
    cookie_file: Option<PathBuf>,

    /// A node to connect to; may be given more than once
    ///
    /// One is enough: it is asked for the nodes that it knows.
    #[arg(long = "peer", value_name = "NODE", value_parser = node_name)]
    pub(super) peers: Vec<NodeName>,

    /// Where a node listens that no EPMD knows; may be given more than once
    #[arg(long = "address", value_name = "NODE=IP:PORT", value_parser = address)]
    addresses: Vec<(NodeName, SocketAddr)>,

    /// Port of EPMD, on all hosts [default: ERL_EPMD_PORT, else 4369]
    #[arg(long, value_name = "PORT", value_parser = number(1..=u16::MAX))]
    #[arg(allow_negative_numbers = true)]
    epmd_port: Option<u16>,

    /// Which nodes to be connected with, by name: a whole one, in which each * stands for any
    /// characters, or a regular expression between slashes; may be given more than once [default:
    /// RLB_ALLOW_PEERS, separated by commas, else all that know the cookie]
    #[arg(long = "allow-peer", value_name = "PATTERN", value_parser = setting::<NamePattern>)]
    allow_peers: Option<Vec<NamePattern>>,

    /// In which networks these nodes may be, as 10.0.0.0/8; may be given more than once [default:
    /// RLB_ALLOW_NETWORKS, separated by commas, else all]
    #[arg(long = "allow-network", value_name = "NETWORK", value_parser = setting::<Network>)]
    allow_networks: Option<Vec<Network>>,

    /// Show in `nodes()` of Erlang and `Node.list()` of Elixir
    #[arg(long)]
    visible: bool,

    #[command(flatten)]
    tls: TlsOptions,
}

/// A node for one command: it calls others, and none can connect to it.
#[derive(clap::Args)]
pub(super) struct ClientOptions {
    #[command(flatten)]
    pub(super) node: NodeOptions,

    /// How long finding nodes and members may take, and then each call, of which nodes of Rust are
    /// told how much is left: 500ms, 10s, 2m; a number alone is milliseconds
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    #[arg(help_heading = "Cluster", allow_negative_numbers = true)]
    pub(super) timeout: Duration,
}

impl NodeOptions {
    /// A node as described, which knows `more` peers than the options say, with what `file` says where
    /// the options and the environment do not. More options of the node are in `given`.
    ///
    /// Of the environment only `variables` are looked at, and none that an option comes before: what is
    /// wrong with the others is no matter.
    pub(super) async fn builder(
        &self,
        more: Option<&NodeName>,
        variables: &[&str],
        mut given: NodeConfig,
        file: &Config,
    ) -> Result<NodeBuilder, Failure> {
        given.allow_peers = self.allow_peers.clone();
        given.allow_networks = self.allow_networks.clone();
        let settings = given
            .or_environment(variables)?
            .or(file.node_of_file().clone());
        let peers: Vec<NodeName> = more.into_iter().chain(&self.peers).cloned().collect();
        let name = match &self.name {
            Some(name) => name.clone(),
            None => unique_name(peers.first()).await?,
        };
        check_forms(&name, &peers)?;

        let mut builder = settings
            .apply(Node::builder(&name))
            .limits(file.limits().clone())
            .visible(self.visible)
            .output(|output| pass_on(&output));
        builder = match (&self.cookie, &self.cookie_file) {
            (Some(cookie), _) => builder.cookie(cookie),
            (None, Some(path)) => builder.cookie_file(path),
            (None, None) => builder,
        };
        if let Some(port) = self.epmd_port {
            builder = builder.epmd_port(port);
        }
        for (node, address) in &self.addresses {
            builder = builder.address(node.as_str(), *address);
        }
        if let Some(tls) = self.tls.read(file.tls().clone())? {
            builder = builder.tls(tls);
        }
        Ok(builder.peers(peers.iter().map(NodeName::as_str)))
    }

    /// Makes sure that a node that listens has what it needs for that.
    pub(super) fn check_listening(&self, file: &Config) -> Result<(), Failure> {
        self.tls.require_certificate(file.tls().clone())
    }
}

/// The variables of the environment that say which nodes to be connected with.
pub(super) const ALLOW: [&str; 2] = ["RLB_ALLOW_PEERS", "RLB_ALLOW_NETWORKS"];

impl ClientOptions {
    /// A node as described, for which there is no file. It lives for one command, whose --timeout says
    /// how long to wait for whoever is silent.
    async fn builder(&self, more: Option<&NodeName>) -> Result<NodeBuilder, Failure> {
        let (given, file) = (NodeConfig::default(), Config::default());
        let builder = self.node.builder(more, &ALLOW, given, &file).await?;
        // The name that is chosen where none is given is no other node's. An EPMD that does not answer about one
        // that is given leaves time for what the command is to do.
        Ok(builder.name_check(match self.node.name {
            None => Duration::ZERO,
            Some(_) => (self.timeout / 2).min(Duration::from_secs(1)),
        }))
    }

    /// When nodes and members have to be found that are looked for from now on.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Starts a node that calls others and cannot be called. It is connected to the given peers
    /// only, and to `more`.
    pub(super) async fn start(
        &self,
        more: Option<&NodeName>,
        deadline: Instant,
    ) -> Result<Node, Failure> {
        let started = async {
            let builder = self.builder(more).await?;
            start(builder.listen(Listen::Off).discovery(false)).await
        };
        self.within(deadline, started).await
    }

    /// Starts such a node, which connects to all nodes that its peers know.
    pub(super) async fn start_discovering(&self, deadline: Instant) -> Result<Node, Failure> {
        let started = async {
            let builder = self.builder(None).await?.listen(Listen::Off);
            // It lives for seconds, and its user waits.
            start(builder.discovery_interval(Duration::from_secs(1))).await
        };
        self.within(deadline, started).await
    }

    /// The node, if it has started by then.
    async fn within(
        &self,
        deadline: Instant,
        started: impl Future<Output = Result<Node, Failure>>,
    ) -> Result<Node, Failure> {
        // An EPMD is not waited for as long, so that there is but one cause.
        timeout_at(deadline, started).await.unwrap_or_else(|_| {
            let timeout = self.timeout;
            Err(Failure::timed_out(format!(
                "the host of the first peer was not found within {timeout:?}: the resolver of this machine \
                 does not answer"
            ))
            .advise("with a --name the host is not needed to choose one"))
        })
    }
}

/// How much time is left, in whole hundredths of a second so that it reads well where it is told.
pub(super) fn left(deadline: Instant) -> Duration {
    const STEP_MS: u64 = 10;

    let left = deadline.saturating_duration_since(Instant::now());
    let steps = left.as_millis().div_ceil(STEP_MS.into());
    Duration::from_millis(
        u64::try_from(steps)
            .unwrap_or(u64::MAX)
            .saturating_mul(STEP_MS),
    )
}

/// Starts a node. What keeps it from starting is a matter of configuration: its name or port is
/// taken, its host is not this machine, its cookie is missing.
pub(super) async fn start(builder: NodeBuilder) -> Result<Node, Failure> {
    builder
        .start()
        .await
        .map_err(|error| Failure::from(error).with_exit(Exit::Usage))
}

/// Ends a node that nobody waits for any more.
///
/// Its calls are over, so there is nothing to drain that could fail.
pub(super) async fn stop(node: Node) {
    if let Err(error) = node.shutdown().await {
        tracing::debug!(%error, "stopped with calls left");
    }
}

/// Reads a setting as an option has it.
pub(super) fn setting<T: FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Error| error.message)
}

/// Reads a duration that is not nothing.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match config::duration(text) {
        Ok(Duration::ZERO) => Err("it must be more than nothing".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.message),
    }
}

/// Reads where a node listens.
fn address(text: &str) -> Result<(NodeName, SocketAddr), String> {
    let (node, address) = text
        .split_once('=')
        .ok_or("expected NODE=IP:PORT, as in w1@10.0.0.7=10.0.0.7:9100")?;
    let address = address
        .parse()
        .map_err(|_| format!("{address:?} is no address, expected IP:PORT as in 10.0.0.7:9100"))?;
    Ok((node_name(node)?, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_everywhere_and_are_not_nothing() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("500"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "0", "0s", "x", "-1s", "1000y"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_belongs_to_a_node() {
        let (node, at) = address("w@::1=[::1]:9100").unwrap();
        assert_eq!((node.as_str(), at.port()), ("w@::1", 9100));
        for text in ["w@h", "w=1.2.3.4:5", "w@h=1.2.3.4", "w@h=web1:9100"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
