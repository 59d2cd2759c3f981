//! `rlb node`

use std::{
    collections::HashMap,
    io::{self, Read},
    net::SocketAddr,
    path::PathBuf,
    process, thread,
    time::Duration,
};

use beam_node::{
    CallContext, Epmd, Error, Event, Events, Export, Listen, Node as BeamNode, NodeName,
};
use beam_term::{Atom, Integer, Term};
use rpc_load_balancer::{
    Balancer,
    config::{Config, NodeConfig, suspect_after},
};
use serde::Serialize;

use super::{
    cluster::{ALLOW, NodeOptions, duration, start},
    name::{alias, balancer_name},
    number::number,
};
use crate::{
    exit,
    failure::Failure,
    printer::{Printer, note},
    signals::{Hangup, Signals},
};

/// Run a node that others can call and balance over, until Ctrl-C
///
/// It exports the module `demo`: echo/1 gives back its argument, add/2 the sum of two integers,
/// node/0 the name of the node; sleep/1 takes so many milliseconds, fail/1 raises its argument as
/// an error.
///
/// It prints its name when others can call it. SIGINT (Ctrl-C) and SIGTERM make it leave its
/// balancers and end when its calls have run out; the second one ends it at once. SIGHUP makes it read the
/// files of --tls-ca, --tls-cert and --tls-key again, for connections to come, if there are any.
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Node {
    /// A balancer to become a member of; may be given more than once
    #[arg(long = "join", value_name = "BALANCER", value_parser = balancer_name)]
    balancers: Vec<String>,

    /// Share of the calls that this node asks for, where the balancer heeds weights; 0 for none
    /// [default: as if 1]
    #[arg(long, value_name = "N", requires = "balancers", value_parser = number(0..=u32::MAX))]
    #[arg(allow_negative_numbers = true)]
    weight: Option<u32>,

    /// File with settings in TOML: tables `defaults` and `balancers.NAME` for the balancers of --join, and
    /// `node`, `limits` and `tls` for the node
    ///
    /// Options come before environment variables, such as RLB_ALGORITHM and RLB_ALLOW_PEERS, and these
    /// before the file.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,

    /// Where to listen: a port, a range as 9100-9109, an address, both as 10.0.0.7:9100, or off
    /// [default: any port of the address that the host of its name has]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Listen>,

    /// How long a peer may say nothing, as 500ms or 2s, before balancers leave it out, until it does; 0:
    /// for ever, none is ever left out for its silence [default: RLB_SUSPECT_AFTER, else 1s]
    #[arg(long, value_name = "DURATION", value_parser = silence, allow_negative_numbers = true)]
    suspect_after: Option<Duration>,

    /// Neither use an EPMD nor serve one; others need --address with the address that this one then says it
    /// listens at, or that of --listen
    #[arg(long)]
    no_epmd: bool,

    /// How long calls may take to run out at the end, as 500ms, 10s or 2m; a number alone is milliseconds,
    /// here and wherever a duration is given
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    #[arg(allow_negative_numbers = true)]
    drain_timeout: Duration,

    /// End at once when standard input ends, as it does when the process that started this one is
    /// gone
    #[arg(long, hide = true)]
    stop_with_stdin: bool,

    // The last, as its headings would be those of what follows.
    #[command(flatten)]
    node: NodeOptions,
}

impl Node {
    pub(crate) async fn run(self, printer: Printer) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Ready<'a> {
            node: &'a str,
            address: Option<SocketAddr>,
            balancers: Vec<&'a str>,
        }

        if self.stop_with_stdin {
            stop_with_stdin();
        }
        // From here on a signal ends the node in good order.
        let mut signals = Signals::listen()?;
        let hangup = Hangup::listen()?;
        let no_epmd = self.no_epmd;

        let Ok(started) = signals.until(self.start()).await else {
            return Ok(());
        };
        let (node, joined) = started?;
        if no_epmd && let Some(address) = node.local_addr() {
            note(where_it_listens(node.name(), address));
        }
        tokio::spawn(reload_on_hangup(hangup, node.clone()));
        let balancers = joined.iter().map(Balancer::name).collect();
        // Others can call it, whether or not somebody reads its name.
        printer.announce(
            node.name(),
            Ready {
                node: node.name().as_str(),
                address: node.local_addr(),
                balancers,
            },
        )?;

        signals.next().await;
        tracing::info!("leaving the balancers and waiting for calls to end");
        Ok(signals.until(node.shutdown()).await??)
    }

    /// Starts the node, with its exports and as a member of its balancers.
    async fn start(self) -> Result<(BeamNode, Vec<Balancer>), Failure> {
        let config = match &self.config {
            Some(path) => Config::from_file(path)?,
            None => Config::default(),
        };
        if self.listen != Some(Listen::Off) {
            self.node.check_listening(&config)?;
        }
        let mut given = NodeConfig::default();
        given.suspect_after = self.suspect_after;
        let variables = [&ALLOW[..], &SILENCE].concat();
        let mut builder = self
            .node
            .builder(None, &variables, given, &config)
            .await?
            .drain_timeout(self.drain_timeout);
        if let Some(listen) = self.listen {
            builder = builder.listen(listen);
        }
        if self.no_epmd {
            builder = builder.epmd(Epmd::Off);
        }
        let node = start(builder).await?;
        tokio::spawn(warn_of_refusals(node.events(), self.node.peers));
        export_demo(&node)?;
        for name in config.balancers() {
            if !self.balancers.iter().any(|joined| alias(joined) == name) {
                tracing::warn!("the settings of the balancer {name} are not used: --join {name}");
            }
        }
        let mut joined = Vec::new();
        for name in &self.balancers {
            let name = alias(name);
            // Whoever says that it is to join means it.
            let settings = config.balancer(&name)?;
            let mut builder = Balancer::builder(&*name).config(&settings).join(true);
            if let Some(weight) = self.weight {
                builder = builder.own_weight(weight);
            }
            let balancer = builder.start(&node).await?;
            if !balancer.is_member() {
                tracing::warn!(
                    "this node is no member of the balancer {name}: its name is not one that `node_match` and `node_exclude` of the settings let join"
                );
            }
            joined.push(balancer);
        }
        Ok((node, joined))
    }
}

/// What others have to be told where no EPMD does.
fn where_it_listens(name: &NodeName, address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!(
            "listening at port {0} of all addresses; no EPMD tells, so others need --address \
             {name}=IP:{0}",
            address.port()
        ),
        false => format!(
            "listening at {address}; no EPMD tells, so others need --address {name}={address}"
        ),
    }
}

/// The variables of the environment that say what a node does with peers that say nothing.
const SILENCE: [&str; 2] = ["RLB_SUSPECT_AFTER", "RLB_SUSPECT_CALL_GRACE"];

/// Reads how long a peer may say nothing.
fn silence(text: &str) -> Result<Duration, String> {
    suspect_after(text).map_err(|error| error.message)
}

/// Exports the module `demo`.
fn export_demo(node: &BeamNode) -> Result<(), Error> {
    let name = node.name().as_atom().clone();
    node.export("demo", "echo", async |term: Term| term)?;
    node.export("demo", "add", async |a: Integer, b: Integer| {
        Integer::from(a.to_bigint() + b.to_bigint())
    })?;
    node.export("demo", "sleep", async |call: CallContext, ms: u64| {
        // When nobody waits for it any more it is over, and makes room for others.
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = call.cancelled() => {}
        }
        Atom::from_static("ok")
    })?;
    node.export("demo", "node", move || {
        let name = name.clone();
        async move { name }
    })?;
    node.register(Export::raising("demo", "fail", async |reason: Term| {
        Err::<(), _>(reason)
    }))
}

/// Says why the given peers cannot be connected to, and says it again when the reason is another than
/// all since the peer was connected last: in a cut, several alternate.
async fn warn_of_refusals(mut events: Events, peers: Vec<NodeName>) {
    /// What is said of one peer at most.
    const REASONS: usize = 8;

    let mut warned = HashMap::<NodeName, Vec<String>>::new();
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectFailed { peer, reason } if peers.contains(&peer) => {
                let reason = reason.to_string();
                let reasons = warned.entry(peer.clone()).or_default();
                if reasons.len() < REASONS && !reasons.contains(&reason) {
                    tracing::warn!(%peer, "no connection: {reason}");
                    reasons.push(reason);
                }
            }
            Event::Up { peer, .. } => {
                warned.remove(&peer);
            }
            _ => {}
        }
    }
}

/// Has the files of TLS read again whenever the user says so.
async fn reload_on_hangup(mut hangup: Hangup, node: BeamNode) {
    loop {
        hangup.next().await;
        if !node.has_tls() {
            tracing::info!("there are no files to be read again, as this node does not speak TLS");
            continue;
        }
        match node.reload_tls() {
            Ok(()) => tracing::info!("new connections use the files of TLS as they are now"),
            Err(error) => {
                tracing::error!("connections go on with the files of TLS as they were: {error}");
            }
        }
    }
}

/// Ends the process when its standard input does.
///
/// A thread of its own does so whatever the node is busy with.
fn stop_with_stdin() {
    thread::spawn(|| {
        let mut buffer = [0; 64];
        // Whatever is written there is of no interest; an error is an end as well.
        while matches!(io::stdin().lock().read(&mut buffer), Ok(1..)) {}
        process::exit(0);
    });
}
