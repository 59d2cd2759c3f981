//! Two members of OTP and two of Rust, and every algorithm over them.

use std::collections::BTreeMap;
use std::time::Duration;

use beam_node::{Epmd as Mode, Node, NodeName};
use beam_term::{Atom, Term};
use interop::{Beam, Epmd, Otp, eventually, unique_name};
use rpc_load_balancer::{
    Algorithm, Balancer, BoundedHash, CallDirect, HashRing, LeastConnections, LeastCpu, Maglev,
    PeakEwma, PowerOfTwo, Random, RoundRobin, WeightedRoundRobin,
};
use serde::Serialize;
use tokio::task::JoinSet;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const GROUP: &str = "my_balancer";

pub(crate) const COOKIE: &str = "interop";

/// How many calls each algorithm shares out, and how many are under way at once.
const CALLS: u32 = 10_000;
const AT_ONCE: u32 = 16;

pub(crate) async fn every_algorithm_shares_calls_over_members_of_both_kinds(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let beams = [otp_member(&otp, &epmd).await, otp_member(&otp, &epmd).await];
    let rust = [
        rust_node(&epmd, &beams).await,
        rust_node(&epmd, &beams).await,
    ];
    // How busy each kind of member says that it is.
    for beam in &beams {
        says_it_is_busy(beam, 80.0).await;
    }
    for node in &rust {
        export_busyness(node, 20.0);
    }
    let _members = [member(&rust[0]).await, member(&rust[1]).await];
    let client = rust_node(&epmd, &beams).await;
    let setting = Setting {
        client,
        otp: beams.each_ref().map(|beam| beam.name().parse().unwrap()),
        rust: rust.each_ref().map(|node| node.name().clone()),
    };
    let [a, b] = setting.otp.clone();
    let [c, d] = setting.rust.clone();
    let all = [&a, &b, &c, &d];
    let quarter = CALLS / 4;

    let shares = setting.shares(Random::new(), |_| None).await;
    // A standard deviation is 43.
    near(&shares, &all.map(|node| (node, quarter)), 260);

    let shares = setting.shares(RoundRobin::new(), |_| None).await;
    near(&shares, &all.map(|node| (node, quarter)), AT_ONCE);

    // How many each gets depends on how fast it answers; none is left out.
    for shares in [
        setting.shares(LeastConnections::new(), |_| None).await,
        setting.shares(PowerOfTwo::new(), |_| None).await,
        setting.shares(PeakEwma::new(), |_| None).await,
    ] {
        assert_eq!(shares.values().sum::<u32>(), CALLS);
        assert!(
            all.iter().all(|node| shares.contains_key(*node)),
            "{shares:?}"
        );
    }

    let balancer = setting.balancer(HashRing::new()).await;
    let shares = calls(&balancer, |number| Some(Term::from(number % 100))).await;
    let mut expected = BTreeMap::new();
    for number in 0..CALLS {
        let lease = balancer.select_with_key(&Term::from(number % 100)).unwrap();
        *expected.entry(lease.node().clone()).or_default() += 1;
    }
    assert_eq!(shares, expected);

    let shares = setting
        .shares(Maglev::new(), |number| Some(Term::from(number)))
        .await;
    near(&shares, &all.map(|node| (node, quarter)), quarter / 4);

    // One key for all: its owner takes no more than a quarter over the mean of what is under way,
    // and the next ones the rest.
    let hot = |_| Some(Term::atom("hot"));
    let shares = setting.shares(BoundedHash::new(), hot).await;
    assert_eq!(shares.values().sum::<u32>(), CALLS);
    assert!(shares.len() > 1, "{shares:?}");

    let balancer = Balancer::builder(GROUP).algorithm(WeightedRoundRobin::new());
    let weights = all.into_iter().zip([1, 2, 3, 4]);
    let balancer = weights
        .clone()
        .fold(balancer.join(false), |balancer, (node, weight)| {
            balancer.weight(node.to_string(), weight)
        });
    let balancer = setting.start(balancer).await;
    let shares = calls(&balancer, |_| None).await;
    let expected: Vec<_> = weights
        .map(|(node, weight)| (node, weight * CALLS / 10))
        .collect();
    near(&shares, &expected, AT_ONCE);

    let shares = setting.shares(CallDirect::new(), |_| None).await;
    assert_eq!(
        shares,
        BTreeMap::from([(setting.client.name().clone(), CALLS)])
    );

    let algorithm = LeastCpu::new()
        .initial_delay(Duration::ZERO)
        .interval(Duration::from_millis(100));
    let balancer = setting.balancer(algorithm).await;
    let learned = async || {
        let picks: Vec<_> = (0..64).map(|_| balancer.select().unwrap()).collect();
        picks
            .iter()
            .all(|lease| setting.rust.contains(lease.node()))
    };
    eventually("the members to say how busy they are", DEADLINE, learned).await;
    let shares = calls(&balancer, |_| None).await;
    near(&shares, &[(&c, CALLS / 2), (&d, CALLS / 2)], 300);
}

/// Who calls, and whom.
struct Setting {
    client: Node,
    otp: [NodeName; 2],
    rust: [NodeName; 2],
}

impl Setting {
    /// A balancer that has seen all four members.
    async fn balancer(&self, algorithm: impl Algorithm) -> Balancer {
        let balancer = Balancer::builder(GROUP).algorithm(algorithm).join(false);
        self.start(balancer).await
    }

    async fn start(&self, balancer: rpc_load_balancer::BalancerBuilder) -> Balancer {
        let balancer = balancer.start(&self.client).await.unwrap();
        balancer.wait_for_members(4, DEADLINE).await.unwrap();
        balancer
    }

    /// How many calls each node gets.
    async fn shares(
        &self,
        algorithm: impl Algorithm,
        key: impl Fn(u32) -> Option<Term> + Copy,
    ) -> BTreeMap<NodeName, u32> {
        let balancer = self.balancer(algorithm).await;
        calls(&balancer, key).await
    }
}

/// Makes the calls, and counts who answered.
async fn calls(balancer: &Balancer, key: impl Fn(u32) -> Option<Term>) -> BTreeMap<NodeName, u32> {
    let mut callers = JoinSet::new();
    for caller in 0..AT_ONCE {
        let numbers = (0..CALLS).filter(|number| number % AT_ONCE == caller);
        let keys: Vec<_> = numbers.map(&key).collect();
        let balancer = balancer.clone();
        callers.spawn(async move {
            let mut shares = BTreeMap::<NodeName, u32>::new();
            for key in keys {
                let call = balancer.call::<Atom, _>(("erlang", "node"), ());
                let call = match key {
                    Some(key) => call.key(key),
                    None => call,
                };
                let name = call.await.unwrap();
                *shares.entry(name.as_str().parse().unwrap()).or_default() += 1;
            }
            shares
        });
    }
    let mut shares = BTreeMap::new();
    for (node, count) in callers.join_all().await.into_iter().flatten() {
        *shares.entry(node).or_default() += count;
    }
    shares
}

#[track_caller]
fn near(shares: &BTreeMap<NodeName, u32>, expected: &[(&NodeName, u32)], by: u32) {
    assert_eq!(shares.len(), expected.len(), "{shares:?}");
    for (node, count) in expected {
        let share = shares.get(*node).copied().unwrap_or(0);
        assert!(
            share.abs_diff(*count) <= by,
            "{share} of {node} is not {count}: {shares:?}"
        );
    }
}

pub(crate) async fn otp_member(otp: &Otp, epmd: &Epmd) -> Beam {
    let module = "-module(demo).\n-export([none/0]).\nnone() -> none.\n";
    otp_member_named(otp, epmd, &unique_name("otp"), module).await
}

/// A node of OTP with this module, and a member through nothing but `pg`.
pub(crate) async fn otp_member_named(otp: &Otp, epmd: &Epmd, name: &str, module: &str) -> Beam {
    let beam = otp.beam().name(name).cookie(COOKIE).epmd(epmd);
    let beam = beam.start().await.unwrap();
    beam.define_module(module).await.unwrap();
    let join = "{ok, Scope} = pg:start(rpc_load_balancer),
        Member = spawn(fun() -> receive stop -> ok end end),
        register(member, Member),
        ok = pg:join(rpc_load_balancer, my_balancer, Member)";
    beam.expression(join).external().await.unwrap();
    beam
}

/// A node of Rust that knows these members.
pub(crate) async fn rust_node(epmd: &Epmd, beams: &[Beam]) -> Node {
    Node::builder(format!("{}@127.0.0.1", unique_name("rust")))
        .cookie(COOKIE)
        .epmd(Mode::External)
        .epmd_port(epmd.port())
        .peers(beams.iter().map(Beam::name))
        .drain_linger(Duration::ZERO)
        .start()
        .await
        .unwrap()
}

async fn member(node: &Node) -> Balancer {
    Balancer::builder(GROUP).start(node).await.unwrap()
}

pub(crate) const CACHE: &str = "Elixir.RpcLoadBalancer.LoadBalancer.NodeCpuCache";

/// Lets a member of OTP answer as one with the Elixir library does.
pub(crate) async fn says_it_is_busy(beam: &Beam, percent: f64) {
    let source = format!(
        "-module('{CACHE}').
         -export([get_local_cpu/0]).
         get_local_cpu() -> {{ok, #{{cpu => {percent:?}, fetched_at => 1}}}}."
    );
    beam.define_module(&source).await.unwrap();
}

fn export_busyness(node: &Node, percent: f64) {
    #[derive(Clone, Serialize)]
    struct Said {
        cpu: f64,
        fetched_at: i64,
    }

    let cpu = percent;
    let said = move || std::future::ready(Ok::<_, ()>(Said { cpu, fetched_at: 1 }));
    node.export(CACHE, "get_local_cpu", said).unwrap();
}
