//! What the tests have in common: hosts with a node each, and what the nodes see.

use std::time::Duration;

use beam_term::Term;
use interop::{Beam, Cable, Epmd, Host, Network, Otp, Rust, RustBuilder, eventually, unique_name};
use tokio::time::{Instant, sleep};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// How soon after a cut the members are right on every node of Rust.
pub(crate) const HEALED: Duration = Duration::from_secs(5);

/// The same with nodes of OTP, which look after their connections every quarter of the tick time.
pub(crate) const HEALED_WITH_OTP: Duration = Duration::from_secs(10);

/// A silent peer is given up after some more than this, where a test does not want to wait for a
/// minute. It is the least that OTP keeps to.
pub(crate) const NET_TICKTIME: Duration = Duration::from_secs(8);

/// Makes a node of OTP a member of `workers`.
pub(crate) const JOIN: &str = "{ok, _} = pg:start(rpc_load_balancer),
    ok = pg:join(rpc_load_balancer, workers, spawn(timer, sleep, [infinity]))";

/// A host with a node, which others know by its name.
pub(crate) struct Site {
    pub(crate) host: Host,
    pub(crate) cable: Cable,
}

impl Site {
    pub(crate) fn new(network: &Network) -> Self {
        let (host, cable) = network.host_with_cable().unwrap();
        Self { host, cable }
    }

    /// A node of Rust on this host, to be started.
    pub(crate) fn rust(&self) -> RustBuilder {
        rust("rust").on(&self.host)
    }

    /// Starts a node of OTP on this host, with a port mapper, as a member of `workers`.
    pub(crate) async fn otp(&self, otp: &Otp, net_ticktime: Duration) -> (Epmd, Beam) {
        let epmd = otp.epmd().on(&self.host).port(4369).start().await.unwrap();
        let seconds = net_ticktime.as_secs().to_string();
        let beam = otp.beam().name(unique_name("otp")).on(&self.host);
        let beam = beam
            .epmd(&epmd)
            .flags(["-kernel", "net_ticktime", &seconds]);
        let beam = beam.start().await.unwrap();
        beam.expression(JOIN).external().await.unwrap();
        (epmd, beam)
    }
}

/// A node of Rust, to be started.
pub(crate) fn rust(stem: &str) -> RustBuilder {
    RustBuilder::new(env!("CARGO_BIN_EXE_interop"), unique_name(stem))
}

/// Starts a node of Rust as a member of `workers`.
pub(crate) async fn member(node: RustBuilder) -> Rust {
    let node = node.start().await.unwrap();
    node.run("{join, workers}").await.unwrap();
    node
}

/// Two nodes of Rust that know each other, each on a host of its own.
pub(crate) struct Pair {
    pub(crate) nodes: [Rust; 2],
    /// The host of the second one.
    pub(crate) far: Site,
    _near: Site,
    _network: Network,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let network = Network::create().unwrap();
        let (near, far) = (Site::new(&network), Site::new(&network));
        let a = member(near.rust()).await;
        let b = member(far.rust().peer(a.name())).await;
        let pair = Self {
            nodes: [a, b],
            far,
            _near: near,
            _network: network,
        };
        pair.is_whole().await;
        pair
    }

    /// Waits until both see each other.
    pub(crate) async fn is_whole(&self) {
        let [a, b] = &self.nodes;
        see(&[a, b], &[a.name(), b.name()]).await;
    }

    /// Makes sure that no connection has ended.
    pub(crate) async fn none_is_down(&self) {
        for node in &self.nodes {
            assert_eq!(events(node, "down").await, Vec::<String>::new());
        }
    }
}

/// A node of OTP and one of Rust that know each other, each on a host of its own.
pub(crate) struct MixedPair {
    pub(crate) beam: Beam,
    pub(crate) rust: Rust,
    /// The host of the node of Rust.
    pub(crate) far: Site,
    _epmd: Epmd,
    _near: Site,
    _network: Network,
}

impl MixedPair {
    pub(crate) async fn start(otp: &Otp) -> Self {
        let network = Network::create().unwrap();
        let (near, far) = (Site::new(&network), Site::new(&network));
        let (epmd, beam) = near.otp(otp, Duration::from_secs(60)).await;
        let rust = member(far.rust().peer(beam.name())).await;
        let pair = Self {
            beam,
            rust,
            far,
            _epmd: epmd,
            _near: near,
            _network: network,
        };
        pair.is_whole().await;
        pair
    }

    /// Waits until both see each other.
    pub(crate) async fn is_whole(&self) {
        let names = [self.beam.name(), self.rust.name()];
        see(&[&self.rust], &names).await;
        otp_sees(&self.beam, &names).await;
    }
}

/// Waits until a node waits for so many calls, and serves so many.
pub(crate) async fn at_work(node: &Rust, calling: u64, serving: u64) {
    let what = format!(
        "{} to wait for {calling} calls and serve {serving}",
        node.name()
    );
    let is_so = async || {
        let counts: (u64, u64, u64) = node.run_as("counts").await.unwrap();
        (counts.1, counts.2) == (calling, serving)
    };
    eventually(&what, DEADLINE, is_so).await;
}

/// Waits until each of these nodes sees just these members of `workers`.
pub(crate) async fn see(nodes: &[&Rust], names: &[&str]) {
    let expected = sorted(names);
    for node in nodes {
        let what = format!("{} to see {expected:?}", node.name());
        let agreed = async || members(node).await == expected;
        eventually(&what, DEADLINE, agreed).await;
    }
}

/// Makes sure that since `healed` it took no longer than this.
pub(crate) fn in_time(healed: Instant, promised: Duration) {
    let took = healed.elapsed();
    println!("members were right again after {took:?}");
    assert!(took <= promised, "it took {took:?}, more than {promised:?}");
}

/// The nodes that have members of `workers`, as this node sees it.
pub(crate) async fn members(node: &Rust) -> Vec<String> {
    names(&node.run("{members, workers}").await.unwrap())
}

/// The same for a node of OTP.
pub(crate) async fn members_seen_by_otp(beam: &Beam) -> Vec<String> {
    let source = "lists:usort([node(P) || P <- pg:get_members(rpc_load_balancer, workers)])";
    names(&beam.eval(source).await.unwrap())
}

/// Waits until a node of OTP sees just these members of `workers`.
pub(crate) async fn otp_sees(beam: &Beam, expected: &[&str]) {
    let expected = sorted(expected);
    let what = format!("{} to see {expected:?}", beam.name());
    let agreed = async || members_seen_by_otp(beam).await == expected;
    eventually(&what, DEADLINE, agreed).await;
}

fn names(list: &Term) -> Vec<String> {
    let names = list.as_list().unwrap().iter();
    names
        .map(|name| name.as_atom().unwrap().as_str().to_owned())
        .collect()
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    names.sort();
    names
}

/// What has happened to the connections of a node that was none of these words.
pub(crate) async fn events(node: &Rust, word: &str) -> Vec<String> {
    let events: Vec<String> = node.run_as("events").await.unwrap();
    events
        .into_iter()
        .filter(|event| event.starts_with(word))
        .collect()
}

/// Keeps the network as it is for a while: the length of a cut is what is tested.
pub(crate) async fn lasts(duration: Duration) {
    sleep(duration).await;
}

/// What came of a call: a value, or a code and whether it may have run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Value(Term),
    Failed(String, bool),
}

/// Reads what `{call, …}` gives.
pub(crate) fn outcome(term: Term) -> Outcome {
    let result: Result<Term, (beam_term::Atom, bool, String)> =
        beam_term::serde::from_term(&term).unwrap();
    match result {
        Ok(value) => Outcome::Value(value),
        Err((code, may_have_run, _)) => Outcome::Failed(code.as_str().to_owned(), may_have_run),
    }
}

/// A call of the module `rust` on another node, to be given as a command.
pub(crate) fn call(
    to: &str,
    function: &str,
    argument: impl std::fmt::Display,
    millis: u64,
) -> String {
    format!("{{call, '{to}', rust, {function}, [{argument}], {millis}}}")
}
