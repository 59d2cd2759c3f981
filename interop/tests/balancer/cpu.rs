//! How busy the processors of members are, as nodes of OTP and of Rust tell each other.

use std::time::Duration;

use beam_node::Node;
use beam_term::{Atom, Term};
use interop::{Beam, Otp, eventually};
use rpc_load_balancer::{Balancer, LeastCpu};

use crate::mixed::{CACHE, DEADLINE, GROUP, otp_member, rust_node, says_it_is_busy};

/// How often in a row members come in the same order when no two are equally busy. Those that are
/// come in random order.
const ORDERED: usize = 64;

pub(crate) async fn members_of_otp_tell_their_load_average_if_os_mon_runs(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let beams = [
        otp_member(&otp, &epmd).await,
        otp_member(&otp, &epmd).await,
        otp_member(&otp, &epmd).await,
    ];
    let [monitored, unmonitored, told] = &beams;
    let start = "{ok, _} = application:ensure_all_started(os_mon), ok";
    monitored.expression(start).external().await.unwrap();
    // Half busy is what one without an answer counts as.
    says_it_is_busy(told, 25.0).await;

    let client = rust_node(&epmd, &beams).await;
    let algorithm = LeastCpu::new()
        .initial_delay(Duration::ZERO)
        .interval(Duration::from_millis(100));
    let balancer = Balancer::builder(GROUP).algorithm(algorithm).join(false);
    let balancer = balancer.start(&client).await.unwrap();
    balancer.wait_for_members(3, DEADLINE).await.unwrap();

    // The machine is as busy as it is, so the order is the one that OTP's own answer leads to.
    let ordered = async || {
        let mut expected = [
            (load_average(monitored).await, monitored.name()),
            (50.0, unmonitored.name()),
            (25.0, told.name()),
        ];
        expected.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        (0..ORDERED).all(|_| {
            let leases = balancer.select_nodes(3).unwrap();
            let names = leases.iter().map(|lease| lease.node().as_str());
            names.eq(expected.map(|(_, name)| name))
        })
    };
    eventually(
        "the members in the order of what they tell",
        DEADLINE,
        ordered,
    )
    .await;
}

/// The load average of a node's machine as a share of its processors, in percent.
async fn load_average(beam: &Beam) -> f64 {
    let share = "cpu_sup:avg1() / 256 / erlang:system_info(logical_processors) * 100";
    let share: f64 = beam.eval_as(share).await.unwrap();
    share.min(100.0)
}

pub(crate) async fn a_member_of_rust_tells_otp_how_busy_it_is(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let beam = otp_member(&otp, &epmd).await;
    let node = rust_node(&epmd, std::slice::from_ref(&beam)).await;
    let _member = Balancer::builder(GROUP).start(&node).await.unwrap();

    let (first, second) = (told(&beam, &node).await, told(&beam, &node).await);

    // In milliseconds, by the clock of the same machine.
    let now: i64 = beam.eval_as("os:system_time(millisecond)").await.unwrap();
    for (percent, fetched_at) in [first, second] {
        assert!((0.0..=100.0).contains(&percent), "{percent}");
        assert!(fetched_at.abs_diff(now) < 365 * 24 * 60 * 60 * 1000);
    }
    assert!(first.1 <= second.1);
}

/// What a node of OTP gets when it asks as the Elixir library does: how busy the processors are, and
/// when that was measured.
async fn told(beam: &Beam, node: &Node) -> (f64, i64) {
    let ask = "erpc:call(Node, Module, get_local_cpu, [], 30000)";
    let answer = beam
        .expression(ask)
        .bind("Node", &Term::Atom(node.name().as_atom().clone()))
        .bind("Module", &Term::atom(CACHE))
        .term()
        .await
        .unwrap();
    let map = match answer.as_tuple() {
        Some([ok, Term::Map(map)]) if *ok == Term::atom("ok") => map,
        _ => panic!("{answer}"),
    };
    assert_eq!(map.len(), 2, "{answer}");
    let entry = |key: &'static str| map.get(&Term::Atom(Atom::from_static(key)));
    match (entry("cpu"), entry("fetched_at")) {
        (Some(Term::Float(percent)), Some(fetched_at)) => {
            (f64::from(*percent), fetched_at.as_i64().unwrap())
        }
        _ => panic!("{answer}"),
    }
}
