//! Describing a node, and starting it.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use beam_dist::{Creation, InvalidCookie, NodeName, epmd::NodeKind, tick::TickPolicy};
use tokio_util::sync::CancellationToken;

use crate::{
    Limits, Node, Output,
    allow::{self, AllowedPeers, NamePattern, Names, Network, Networks},
    builtin,
    connect::{self, ConnectError, Progress, Transport},
    cookie::CookieSource,
    deadline,
    discovery::{self, Discovery, Hosts},
    epmd::{self, Epmd, Registrar},
    error::{Cause, Code, Error},
    group::ScopeDriver,
    identity::Identity,
    link::SilencePolicy,
    listen::{self, Listen},
    net::TcpListener,
    process::Processes,
    resolve::{Ports, Resolver},
    service::{self, OutputQueue},
    shutdown,
    state::{Drain, NodeState, Parts},
};

/// A node that is not started yet.
///
/// Everything but the name has a default: the cookie of the environment variable `RLB_COOKIE` or
/// of `~/.erlang.cookie`, hidden, listening on the address of the name's host at a free port that
/// an EPMD tells.
#[derive(Clone)]
#[must_use = "a node runs once it is started"]
pub struct NodeBuilder {
    name: String,
    cookie: Result<CookieSource, InvalidCookie>,
    peers: Vec<String>,
    hosts: Vec<String>,
    allowed_peers: Option<allow::List<NamePattern>>,
    allowed_networks: Option<allow::List<Network>>,
    visible: bool,
    listen: Listen,
    epmd: Epmd,
    epmd_port: Option<u16>,
    addresses: HashMap<String, SocketAddr>,
    fixed_port: Option<u16>,
    name_check: Duration,
    net_ticktime: Duration,
    silence: SilencePolicy,
    discovery: bool,
    discovery_interval: Duration,
    drain: Drain,
    limits: Limits,
    output: service::Sink,
    #[cfg(feature = "tls")]
    tls: Option<crate::Tls>,
}

impl NodeBuilder {
    /// The shortest time for [`NodeBuilder::suspect_after`]: 20 ms.
    pub const MIN_SUSPECT_AFTER: Duration = SilencePolicy::MIN_SUSPECT_AFTER;

    pub(crate) fn new(name: impl AsRef<str>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            cookie: Ok(CookieSource::Default),
            peers: Vec::new(),
            hosts: Vec::new(),
            allowed_peers: None,
            allowed_networks: None,
            visible: false,
            listen: Listen::default(),
            epmd: Epmd::default(),
            epmd_port: None,
            addresses: HashMap::new(),
            fixed_port: None,
            name_check: Duration::from_secs(1),
            net_ticktime: Duration::from_secs(60),
            silence: SilencePolicy::default(),
            discovery: true,
            discovery_interval: Duration::from_secs(5),
            drain: Drain {
                timeout: Duration::from_secs(15),
                linger: Duration::from_secs(1),
            },
            limits: Limits::default(),
            output: service::log(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Sets the cookie, the secret that all nodes of a cluster share.
    pub fn cookie(mut self, cookie: impl AsRef<str>) -> Self {
        self.cookie = cookie.as_ref().parse().map(CookieSource::Given);
        self
    }

    /// Reads the cookie from an environment variable.
    pub fn cookie_variable(mut self, variable: impl Into<String>) -> Self {
        self.cookie = Ok(CookieSource::Environment(variable.into()));
        self
    }

    /// Reads the cookie from a file, which nobody but its owner may be able to read.
    pub fn cookie_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.cookie = Ok(CookieSource::File(path.into()));
        self
    }

    /// Adds a peer that this node connects to, and reconnects to for as long as it runs.
    ///
    /// A peer that cannot be reached is tried again 0.1 s later, then less and less often, up to every
    /// 2 s, or as soon as an attempt has timed out; after ten minutes every 5 s to 10 s.
    pub fn peer(mut self, name: impl Into<String>) -> Self {
        self.peers.push(name.into());
        self
    }

    /// Adds several peers; see [`NodeBuilder::peer`].
    pub fn peers(mut self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        self.peers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Connects to every node that the EPMD of this host knows, and to those that come later.
    ///
    /// A node that cannot be reached is tried less and less often, and told of by
    /// [`Event::ConnectFailed`](crate::Event::ConnectFailed) once. One that refuses several times, or does not answer
    /// for ten minutes, is given up until its EPMD tells of it again.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Limits by name which nodes may connect to this one, and which it connects to. Default: all that
    /// know the cookie.
    ///
    /// A pattern, a text or a [`NamePattern`], is a whole name, in which each `*`
    /// stands for any characters, as in `*@10.0.0.7`; or a regular expression between slashes, as in
    /// `/^app[0-9]+@/`, which matches anywhere in a name unless it is anchored. One that matches is
    /// enough. Patterns of several calls add up, and with none at all nobody is allowed.
    ///
    /// One who connects under another name is told so as soon as it has said its name, and
    /// [`Event::Refused`](crate::Event::Refused) tells it here. Calls to another node fail at once
    /// with [`ConnectError::PeerNotAllowed`], and none is
    /// connected to because others know it. Peers that are configured have to be among the allowed.
    ///
    /// A name is what a node says of itself: whoever knows the cookie can take any, also that
    /// of a node that is connected, whose connection then ends.
    pub fn allow_peers(
        mut self,
        patterns: impl IntoIterator<Item: TryInto<NamePattern, Error: Into<Error>>>,
    ) -> Self {
        allow::add(&mut self.allowed_peers, patterns);
        self
    }

    /// Limits by address which nodes may connect to this one, and which it connects to. Default: all.
    ///
    /// A network, a text or a [`Network`], is an address, as `10.0.0.7` or `::1`, or
    /// one with the length of its prefix, as `10.0.0.0/8` or `fd00::/8`. Networks of several calls add up,
    /// and with none at all nobody is allowed. Nodes of the same machine are not exempt: `127.0.0.0/8` and `::1` allow those that
    /// connect by loopback.
    ///
    /// A connection from elsewhere is closed before a byte of it is read, which is logged with its
    /// address and told by [`Event::Refused`](crate::Event::Refused). Calls to a node elsewhere fail with
    /// [`ConnectError::NetworkNotAllowed`]: once the name of its
    /// host is resolved, and before anything there is connected to, an EPMD included.
    ///
    /// An EPMD that this node serves still answers look-ups from everywhere.
    pub fn allow_networks(
        mut self,
        networks: impl IntoIterator<Item: TryInto<Network, Error: Into<Error>>>,
    ) -> Self {
        allow::add(&mut self.allowed_networks, networks);
        self
    }

    /// Whether this node shows in `Node.list()` and `nodes()` of others. Default: `false`.
    ///
    /// A hidden node calls, serves and is a member just the same; a visible one also takes part
    /// in the protocols of OTP's `global`.
    pub fn visible(mut self, visible: bool) -> Self {
        self.visible = visible;
        self
    }

    /// Sets where the node listens. Default: at the address of its name's host, at a free port.
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }

    /// Sets whether the node uses an EPMD, and whether it may serve one. Default:
    /// [`Epmd::Auto`].
    pub fn epmd(mut self, epmd: Epmd) -> Self {
        self.epmd = epmd;
        self
    }

    /// Sets the port of the EPMD. Default: the environment variable `ERL_EPMD_PORT`, else 4369.
    pub fn epmd_port(mut self, port: u16) -> Self {
        self.epmd_port = Some(port);
        self
    }

    /// Sets the address of a peer, which is then not asked of any EPMD.
    pub fn address(mut self, peer: impl Into<String>, address: SocketAddr) -> Self {
        self.addresses.insert(peer.into(), address);
        self
    }

    /// Sets the port at which all other nodes listen, each on its own host, as OTP's
    /// `-erl_epmd_port` does; no EPMD is asked then.
    pub fn fixed_port(mut self, port: u16) -> Self {
        self.fixed_port = Some(port);
        self
    }

    /// Sets how long the EPMD of this machine may take to say whether another node has the name of this one,
    /// where this one does not listen, so that the EPMD would not refuse it. Default: 1 s. What it has not
    /// said by then counts as no. Zero: it is not asked, which suits a name that nobody else can have.
    pub fn name_check(mut self, patience: Duration) -> Self {
        self.name_check = patience;
        self
    }

    /// Sets after how long a silent peer is given up, in the way of OTP's setting of this name:
    /// a tick is sent every quarter of it. Default: 60 s. Less than 40 ms is refused.
    ///
    /// A [suspect](Self::suspect_after) that has left a probe without its answer for 8 s, or for half of the
    /// net tick time if that is less, is connected to anew as soon as it answers a handshake, as it does after
    /// a cut. It keeps the connection that it has if something comes over that within half a second of its
    /// answer, or if anything is under way there: calls of which the other end has said that they have begun;
    /// answers that may not have arrived, until their deadline, or for 15 s of silence if the caller says none;
    /// monitors and links. These wait for TCP until the net tick time is over. What else was sent into a cut
    /// or to a suspect may be lost with the connection: casts, messages, and calls, which end with
    /// `service_unavailable` and may have run. A peer that takes slowly what it is sent keeps its connection as
    /// long as it takes some 64 KiB in that time.
    pub fn net_ticktime(mut self, net_ticktime: Duration) -> Self {
        self.net_ticktime = net_ticktime;
        self
    }

    /// Sets after how long a connected peer that says nothing is suspect. Default: 1 s. `None`: never.
    ///
    /// A connection on which nothing comes for half of this time is probed; any byte counts as an
    /// answer, for which a peer has the other half, and at least four times as long as it usually takes:
    /// in the handshake at first, and then for each probe. While this node reads no further, as the peer
    /// takes its answers too slowly, what has come and waits counts as well, for as long as the peer
    /// takes any. A suspect gets no new calls through balancers until it answers a probe; calls to
    /// it by name are sent all the same, and the connection is kept until
    /// [`net_ticktime`](Self::net_ticktime) ends it. Times below
    /// [20 ms](Self::MIN_SUSPECT_AFTER) are refused.
    ///
    /// A peer that is never quiet is probed now and then while it is given answers, at most once in a second:
    /// those that have arrived do not [keep a connection](Self::net_ticktime) that falls silent later.
    ///
    /// See [`Event::Suspect`](crate::Event::Suspect) and [`Node::suspects`].
    pub fn suspect_after(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.silence.suspect_after = silence.into();
        self
    }

    /// Sets how much longer a call waits for a peer that has become suspect, or is when it is sent;
    /// it then fails with `service_unavailable`, and may have run. Default: `None`, until its timeout.
    pub fn suspect_call_grace(mut self, grace: impl Into<Option<Duration>>) -> Self {
        self.silence.call_grace = grace.into();
        self
    }

    /// Whether to ask peers for the nodes that they know, and to connect to those. Default:
    /// `true`. Hosts are asked in any case.
    pub fn discovery(mut self, discovery: bool) -> Self {
        self.discovery = discovery;
        self
    }

    /// Sets how often, on average, peers and hosts are asked for the nodes that they know. Default:
    /// 5 s. A peer is asked when it is connected as well, and again for 3 s if it knows nobody else yet.
    pub fn discovery_interval(mut self, interval: Duration) -> Self {
        self.discovery_interval =
            interval.clamp(SHORTEST_DISCOVERY_INTERVAL, LONGEST_DISCOVERY_INTERVAL);
        self
    }

    /// Sets how long calls may take to run out when the node shuts down. Default: 15 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain.timeout = timeout;
        self
    }

    /// Sets how long a member that shuts down waits for late calls after the last one. Default:
    /// 1 s.
    pub fn drain_linger(mut self, linger: Duration) -> Self {
        self.drain.linger = linger;
        self
    }

    /// Sets the bounds on what peers can make this node hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Speaks TLS on every link, and nothing else. Default: no TLS.
    ///
    /// [`Tls`](crate::Tls) says what that means. Needs the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets what is done with what called functions print. Default: lines in the log.
    ///
    /// The function must not block; it runs on a task of the node.
    pub fn output(mut self, sink: impl Fn(Output) + Send + Sync + 'static) -> Self {
        self.output = Arc::new(sink);
        self
    }

    /// Starts the node: it listens, has its name, and connects to its peers in the background.
    ///
    /// # Errors
    ///
    /// `bad_request` for a wrong name, cookie or setting, and `service_unavailable` when the
    /// address or the name is taken.
    ///
    /// # Cancellation safety
    ///
    /// When this future is dropped, what was started is stopped.
    pub async fn start(self) -> Result<Node, Error> {
        let name: NodeName = parse_name(&self.name)?;
        let transport = self.transport(&name)?;
        let peers = self
            .peers
            .iter()
            .map(|peer| parse_name(peer))
            .collect::<Result<Vec<_>, _>>()?;
        let addresses = self
            .addresses
            .iter()
            .map(|(peer, address)| Ok((parse_name(peer)?, *address)))
            .collect::<Result<HashMap<_, _>, Error>>()?;
        let allowed = allowed(self.allowed_peers, self.allowed_networks)?;
        if let Some(peer) = peers.iter().find(|peer| !allowed.allows_name(peer)) {
            let error = ConnectError::PeerNotAllowed(peer.clone());
            return Err(Error::new(Code::BadRequest, error.to_string(), error));
        }
        self.limits.check()?;
        let cookie = self
            .cookie
            .map_err(|error| wrong_setting(format!("wrong cookie: {error}")))?
            .read()
            .map_err(wrong_setting)?;
        if self.net_ticktime < TickPolicy::MIN_NET_TICKTIME {
            return Err(Error::bad_request(format!(
                "the net tick time is {:?}, at least {:?} are needed",
                self.net_ticktime,
                TickPolicy::MIN_NET_TICKTIME
            )));
        }
        if let Some(silence) = self.silence.suspect_after
            && silence < SilencePolicy::MIN_SUSPECT_AFTER
        {
            return Err(Error::bad_request(format!(
                "suspect_after is {silence:?}, at least {:?} are needed",
                SilencePolicy::MIN_SUSPECT_AFTER
            )));
        }
        let epmd_port = epmd::port(self.epmd_port).map_err(wrong_setting)?;

        let stop = CancellationToken::new();
        let stop_on_failure = stop.clone().drop_guard();
        let listener = listen::bind(&self.listen, &name)
            .await
            .map_err(not_started)?;
        let kind = if self.visible {
            NodeKind::Visible
        } else {
            NodeKind::Hidden
        };
        let listening = listener
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()
            .map_err(not_started)?;
        // Without EPMD and a fixed port, peers are told where it listens.
        if let Some(address) = listening
            && (self.epmd != Epmd::Off || self.fixed_port.is_some())
        {
            listen::warn_of_missed_name(&name, address);
        }
        let (registrar, creation) = match listening {
            Some(listening) => Registrar::begin(&name, listening, kind, self.epmd, epmd_port)
                .await
                .map(|(registrar, creation)| (Some(registrar), creation))
                .map_err(not_started)?,
            None => {
                if self.epmd != Epmd::Off && !self.name_check.is_zero() {
                    refuse_taken(&name, epmd_port, self.name_check).await?;
                }
                (None, Creation::random().map_err(not_started)?)
            }
        };

        let resolver = Resolver {
            fixed: addresses,
            ports: match (self.epmd, self.fixed_port) {
                (_, Some(port)) => Ports::Fixed(port),
                (Epmd::Off, None) => Ports::Unknown,
                (Epmd::Auto | Epmd::External, None) => Ports::Epmd(epmd_port),
            },
        };
        let hosts = Hosts {
            names: self.hosts,
            epmd_port,
        };
        let (output, print) = OutputQueue::new(self.limits.output_bytes, self.output, stop.clone());
        let processes = Processes::new(name.as_atom().clone(), creation.get());
        let identity = Identity::new(name, creation, &processes, self.limits);
        let node = Arc::new(NodeState::new(Parts {
            identity,
            processes,
            cookie,
            allowed,
            visible: self.visible,
            listening,
            net_ticktime: self.net_ticktime.min(TickPolicy::MAX_NET_TICKTIME),
            silence: self.silence,
            drain: self.drain,
            resolver,
            transport,
            output,
            discovery: Discovery::new(self.discovery_interval, hosts, self.discovery, &peers),
            stop: stop.clone(),
        }));
        builtin::export(&node)?;
        node.spawn(print);
        if let Some(registrar) = registrar {
            node.spawn(registrar.keep(stop));
        }
        tokio::spawn(shutdown::supervise(Arc::clone(&node)));
        node.spawn(ScopeDriver::run_timer(Arc::clone(&node)));
        if let Some(listener) = listener {
            node.spawn(connect::serve(Arc::clone(&node), listener));
        }
        node.spawn(discovery::renew_silent_links(Arc::clone(&node)));
        let question = node.settling.question(&node.discovery);
        node.spawn(Discovery::run(Arc::clone(&node), question));
        for peer in peers {
            let question = node.settling.question(&peer);
            node.spawn(discovery::keep_connected(Arc::clone(&node), peer, question));
        }
        stop_on_failure.disarm();
        Ok(Node::new(node))
    }

    #[cfg(feature = "tls")]
    fn transport(&self, name: &NodeName) -> Result<Transport, Error> {
        let Some(tls) = &self.tls else {
            return Ok(Transport::Plain);
        };
        let listens = self.listen != Listen::Off;
        crate::tls::Endpoint::read(tls, name, listens)
            .map(Transport::Tls)
            .map_err(wrong_setting)
    }

    #[cfg(not(feature = "tls"))]
    fn transport(&self, _name: &NodeName) -> Result<Transport, Error> {
        Ok(Transport::Plain)
    }
}

fn not_started(error: impl std::fmt::Display) -> Error {
    let message = error.to_string();
    Error::new(
        Code::ServiceUnavailable,
        message.clone(),
        Cause::Io(message),
    )
}

/// More often than this would be a load without a use.
const SHORTEST_DISCOVERY_INTERVAL: Duration = Duration::from_millis(10);

/// More seldom than this would be never.
const LONGEST_DISCOVERY_INTERVAL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn parse_name(name: &str) -> Result<NodeName, Error> {
    name.parse().map_err(|error| {
        Error::bad_request(format!(
            "wrong name of a node: {error}; names are of the form alive@host, such as app@127.0.0.1"
        ))
    })
}

fn allowed(
    patterns: Option<allow::List<NamePattern>>,
    networks: Option<allow::List<Network>>,
) -> Result<AllowedPeers, Error> {
    let wrong = |setting, error: Error| {
        Error::bad_request(format!("wrong setting `{setting}`: {}", error.message))
    };
    let patterns = patterns.transpose();
    let networks = networks.transpose();
    Ok(AllowedPeers {
        names: patterns
            .map_err(|error| wrong("allow_peers", error))?
            .map(Names::new),
        networks: networks
            .map_err(|error| wrong("allow_networks", error))?
            .map(Networks::new),
    })
}

/// Refuses a name that another node is registered under: a node that does not listen does not
/// register, so nobody else would, and peers would give the other node up for this one.
async fn refuse_taken(name: &NodeName, epmd_port: u16, patience: Duration) -> Result<(), Error> {
    let deadline = deadline::after(patience);
    // The own host is not a peer.
    let (everybody, progress) = (AllowedPeers::default(), Progress::default());
    match epmd::lookup(name, epmd_port, &everybody, deadline, &progress).await {
        Ok(_addresses) => Err(not_started(format!(
            "the name {name} is taken by a running node; choose another name"
        ))),
        // Nobody knows of such a node.
        Err(_unknown) => Ok(()),
    }
}

fn wrong_setting(error: impl std::fmt::Display) -> Error {
    Error::bad_request(error.to_string())
}
