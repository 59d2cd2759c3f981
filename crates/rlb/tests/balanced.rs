//! Balancers, seen from outside.

mod support;

use std::collections::BTreeMap;

use serde_json::json;
use support::Cluster;

const NAMES: [&str; 3] = ["w1@127.0.0.1", "w2@127.0.0.1", "w3@127.0.0.1"];

/// How often each line is there.
fn counted(lines: &[&str]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for line in lines {
        *counted.entry((*line).to_owned()).or_default() += 1;
    }
    counted
}

#[test]
fn one_peer_is_enough_to_see_all_members_every_time() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();

    for peer in NAMES {
        for _ in 0..5 {
            let members = cluster.run(&["members", "pool", "--peer", peer]);
            assert_eq!(members.lines(), NAMES);
        }
    }
    let members = cluster.run(&["members", "pool", "--peer", NAMES[0], "--json"]);
    let expected = NAMES.map(|node| json!({ "node": node }));
    assert_eq!(members.json(), json!(expected));
}

#[test]
fn nodes_are_listed_with_their_kind() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(NAMES[0], &["--visible"]);
    let _w2 = cluster.node(NAMES[1], &["--peer", NAMES[0], "--join", "pool"]);
    // Once the member is seen from here, both are connected.
    assert_eq!(
        cluster
            .run(&["members", "pool", "--peer", NAMES[0]])
            .lines(),
        [NAMES[1]]
    );

    let nodes = cluster.run(&["nodes", "--peer", NAMES[0]]);
    assert_eq!(
        nodes.lines(),
        ["w1@127.0.0.1  peer", "w2@127.0.0.1  hidden"]
    );
    let nodes = cluster.run(&["nodes", "--peer", NAMES[0], "--json"]);
    assert_eq!(
        nodes.json(),
        json!([{"node": NAMES[0], "kind": "peer"}, {"node": NAMES[1], "kind": "hidden"}])
    );
}

#[test]
fn calls_go_to_all_members_in_turn() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();
    let call = [
        "call",
        "--balancer",
        "pool",
        "--peer",
        NAMES[1],
        "--algorithm",
        "round-robin",
        "demo",
        "node",
    ];

    let one = cluster.run(&call);
    assert!(
        NAMES.iter().any(|name| one.line() == format!("'{name}'")),
        "{one:?}"
    );

    let many = cluster.run(&[&call[..], &["--count", "30", "--concurrency", "4"]].concat());
    let counts = counted(&many.lines());
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [10, 10, 10]);

    for algorithm in ["random", "power-of-two", "power_of_two", "round_robin"] {
        let call = [
            "call",
            "--balancer",
            "pool",
            "--peer",
            NAMES[0],
            "demo",
            "add",
            "[1, 2]",
        ];
        assert_eq!(
            cluster
                .run(&[&call[..], &["--algorithm", algorithm]].concat())
                .line(),
            "3"
        );
    }
}

#[test]
fn a_failure_names_the_member_that_was_picked() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(NAMES[0], &["--join", "pool"]);
    let call = [
        "call",
        "--balancer",
        "pool",
        "--peer",
        NAMES[0],
        "demo",
        "fail",
        "[no]",
    ];

    cluster.run(&call).failed(1, &["demo:fail/1", NAMES[0]]);
}

#[test]
fn a_cast_goes_to_a_member() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();
    let cast = [
        "cast",
        "--balancer",
        "pool",
        "--peer",
        NAMES[2],
        "demo",
        "node",
    ];

    assert_eq!(cluster.run(&cast).line(), "ok");
    let many = cluster.run(&[&cast[..], &["--count", "6", "--algorithm", "round-robin"]].concat());
    assert_eq!(many.lines(), ["ok"; 6]);
}

#[test]
fn picks_are_shown_without_a_call() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();
    let select = ["select", "pool", "--peer", NAMES[0]];
    let with = |more: &[&str]| cluster.run(&[&select[..], more].concat());

    assert!(NAMES.contains(&with(&[]).line()));
    let picks = with(&["--count", "9", "--algorithm", "round-robin"]);
    assert_eq!(
        counted(&picks.lines()).into_values().collect::<Vec<_>>(),
        [3, 3, 3]
    );
    // Each pick keeps its member busy, so the others are picked next.
    let picks = with(&["--count", "3", "--algorithm", "power-of-two"]);
    assert!(counted(&picks.lines()).len() > 1);
    let picks = with(&["--count", "9", "--distinct", "--key", "{user, 7}", "--json"]);
    let mut nodes: Vec<_> = picks
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|pick| pick["node"].as_str().unwrap().to_owned())
        .collect();
    nodes.sort();
    assert_eq!(nodes, NAMES);
}

#[test]
fn a_balancer_without_members_ends_with_code_3() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(NAMES[0], &["--join", "pool"]);
    let rest = ["nobody", "--peer", NAMES[0], "--timeout", "300ms"];

    for command in ["members", "select"] {
        let ended = cluster.run(&[&[command], &rest[..]].concat());
        ended.failed(3, &["nobody had no members", NAMES[0], "--join nobody"]);
    }
    let call = ["call", "demo", "node", "--balancer"];
    cluster
        .run(&[&call[..], &rest].concat())
        .failed(3, &["nobody had no members"]);
    let error = cluster
        .run(&[&["--json", "members"], &rest[..]].concat())
        .error();
    assert_eq!(error["code"], "service_unavailable");
}

#[test]
fn a_peer_that_is_gone_does_not_hinder_when_another_is_there() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();

    let members = cluster.run(&[
        "members",
        "pool",
        "--peer",
        "gone@127.0.0.1",
        "--peer",
        NAMES[0],
    ]);
    assert_eq!(members.lines(), NAMES);
    assert!(members.stderr.contains("gone@127.0.0.1"), "{members:?}");
}
