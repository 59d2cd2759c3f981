//! Balancers, seen from outside.

mod support;

use std::{collections::BTreeMap, io::BufRead as _};

use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Cluster, Running};

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
    let mut shown = members.json();
    for member in shown.as_array_mut().expect("a list") {
        let member = member.as_object_mut().expect("an object");
        let since = ["since", "since_ms"].map(|key| member.remove(key).expect(key));
        assert!(since[0].is_string() && since[1].is_u64(), "{since:?}");
    }
    let expected = NAMES
        .map(|node| json!({ "node": node, "weight": 1, "state": "up", "reason": "it joined" }));
    assert_eq!(shown, json!(expected));
}

/// A line about a member, without the time since when it is so, which is that of a test.
fn watched(watch: &mut Running) -> String {
    let line = watch.line();
    let (before, rest) = line.split_once("since ").expect(&line);
    let (since, after) = rest.split_at("2026-01-01T00:00:00Z".len());
    assert!(since.starts_with("20") && since.ends_with('Z'), "{line}");
    format!("{before}{}", after.trim_start())
}

#[test]
fn whoever_watches_the_members_sees_how_they_are() {
    let cluster = Cluster::new();
    let [_w1, w2, w3] = cluster.pool();
    let watch = ["members", "pool", "--watch", "--peer", NAMES[0]];
    let mut watch = Running::start(cluster.command(&watch));
    let [n1, n2, n3] = NAMES;
    let mut shown: Vec<String> = (0..3).map(|_| watched(&mut watch)).collect();
    shown.sort();
    assert_eq!(
        shown,
        [n1, n2, n3].map(|node| format!("{node}  up        weight 1  it joined"))
    );
    w2.signal(Signal::STOP);
    let line = format!("{n2}  suspect   weight 1  it gives no sign of life");
    assert_eq!(watched(&mut watch), line);
    w2.signal(Signal::CONT);
    let line = format!("{n2}  up        weight 1  it is heard of again");
    assert_eq!(watched(&mut watch), line);
    w3.signal(Signal::KILL);
    let line = format!("{n3}  down      weight 1  the peer closed the connection");
    assert_eq!(watched(&mut watch), line);
    watch.signal(Signal::INT);
    assert_eq!(watch.ended().code, 130);
}

#[test]
fn whoever_watches_a_balancer_without_members_waits_for_them() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(NAMES[0], &[]);
    let watch = [
        "members",
        "pool",
        "--watch",
        "--peer",
        NAMES[0],
        "--timeout",
        "200ms",
    ];
    let mut watch = Running::start(cluster.command(&watch));
    let mut remark = String::new();
    watch.stderr().read_line(&mut remark).unwrap();
    assert_eq!(
        remark,
        format!(
            "the balancer pool has no members yet as seen from {}; waiting for them\n",
            NAMES[0]
        )
    );

    let join = ["--peer", NAMES[0], "--join", "pool", "--weight", "3"];
    let w2 = cluster.node(NAMES[1], &join);
    let line = format!("{}  up        weight 3  it joined", NAMES[1]);
    assert_eq!(watched(&mut watch), line);
    drop(w2);
    let line = watched(&mut watch);
    assert!(line.contains("  down      weight 3  "), "{line}");
    watch.signal(Signal::INT);
    assert_eq!(watch.ended().code, 130);
}

#[test]
fn all_lines_of_a_watch_have_the_same_keys_in_json() {
    let cluster = Cluster::new();
    let join = ["--join", "pool", "--weight", "3"];
    let _w1 = cluster.node(NAMES[0], &join);
    let watch = ["members", "pool", "--watch", "--json", "--peer", NAMES[0]];
    let mut watch = Running::start(cluster.command(&watch));
    let mut next = || -> Value { serde_json::from_str(&watch.line()).unwrap() };
    let listed = next();
    let w2 = cluster.node(NAMES[1], &[&join[..], &["--peer", NAMES[0]]].concat());
    let joined = next();
    drop(w2);
    let lost = next();
    let keys = |line: &Value| {
        line.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(keys(&listed).contains(&"since_ms".to_owned()), "{listed}");
    for (line, node, event, before, state) in [
        (&listed, NAMES[0], "listed", Value::Null, "up"),
        (&joined, NAMES[1], "changed", Value::Null, "up"),
        (&lost, NAMES[1], "changed", json!("up"), "down"),
    ] {
        assert_eq!(keys(line), keys(&listed));
        let told = ["node", "event", "before", "state", "weight"].map(|key| line[key].clone());
        let expected = [json!(node), json!(event), before, json!(state), json!(3)];
        assert_eq!(told, expected, "{line}");
    }
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

#[test]
fn every_member_is_called_at_once_and_has_a_line() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();
    let multicall = [
        "multicall",
        "--balancer",
        "pool",
        "--peer",
        NAMES[0],
        "demo",
    ];

    let answers = cluster.run(&[&multicall[..], &["node"]].concat());
    let expected = NAMES.map(|name| format!("{name}: '{name}'"));
    assert_eq!(answers.lines(), expected);

    let failed = cluster.run(&[&multicall[..], &["fail", "[oops]", "--json"]].concat());
    assert_eq!((failed.code, failed.stderr.as_str()), (1, ""));
    let lines: Vec<Value> = failed
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    for (line, name) in lines.iter().zip(NAMES) {
        assert_eq!(
            (&line["node"], &line["error"]["node"]),
            (&json!(name), &json!(name))
        );
        assert_eq!(line["error"]["exception"]["reason"], "oops");
    }
}

#[test]
fn a_key_goes_to_one_member_and_shares_are_shown_as_bars() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();
    let of_pool = ["--balancer", "pool", "--peer", NAMES[0]];
    let by_key = [
        "--algorithm",
        "hash-ring:weight=64",
        "--key",
        "\"user\"",
        "--count",
        "6",
    ];

    let calls = [&["call"], &of_pool[..], &by_key, &["demo", "node"]].concat();
    assert_eq!(counted(&cluster.run(&calls).lines()).len(), 1);

    let select = [
        "select",
        "pool",
        "--peer",
        NAMES[0],
        "--histogram",
        "--count",
        "3000",
    ];
    let bars = cluster.run(&[&select[..], &["--algorithm", "round_robin"]].concat());
    let bar = "█".repeat(40);
    let expected = NAMES.map(|name| format!("{name}  1000   33.3 %  {bar}"));
    assert_eq!(bars.lines(), expected);
    let shares = cluster.run(&[&select[..], &["--algorithm", "maglev", "--json"]].concat());
    let shares = shares.json();
    let picks = shares
        .as_array()
        .unwrap()
        .iter()
        .map(|share| share["picks"].as_u64().unwrap());
    assert_eq!(picks.sum::<u64>(), 3000);
}

#[test]
fn a_member_can_say_that_it_wants_no_calls() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(NAMES[0], &["--join", "pool", "--weight", "0"]);
    let _w2 = cluster.node(NAMES[1], &["--join", "pool", "--peer", NAMES[0]]);
    let members = cluster.run(&["members", "pool", "--peer", NAMES[1], "--json"]);
    let expected = [(NAMES[0].to_owned(), 0), (NAMES[1].to_owned(), 1)];
    assert_eq!(members.weights(), expected);
    let call = [
        "call",
        "--balancer",
        "pool",
        "--peer",
        NAMES[1],
        "--count",
        "4",
        "demo",
        "node",
    ];
    assert_eq!(counted(&cluster.run(&call).lines()).len(), 1);
}

#[test]
fn a_node_can_be_picked_by_its_name() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();
    let call = ["call", "--peer", NAMES[0], "demo", "node", "--match"];
    assert_eq!(
        cluster.run(&[&call[..], &["/^w[2]@/"]].concat()).line(),
        "'w2@127.0.0.1'"
    );
    let nobody =
        cluster.run(&[&call[..], &["db", "--retry", "1", "--retry-sleep", "10ms"]].concat());
    nobody.failed(
        3,
        &["rlb: none of the 3 nodes that may be picked has a name that matches \"db\": w1@127.0.0.1, "],
    );
    cluster
        .run(&[&call[..], &["/(/"]].concat())
        .failed(2, &["--match", "unclosed group"]);
    let both = [&call[..], &["w", "--balancer", "pool"]].concat();
    cluster.run(&both).failed(2, &["--match", "--balancer"]);
}

#[test]
fn a_wrong_algorithm_is_refused_with_those_that_there_are() {
    let cluster = Cluster::new();
    let select = ["select", "pool", "--peer", NAMES[0], "--algorithm"];
    cluster
        .run(&[&select[..], &["best"]].concat())
        .failed(2, &["best", "round-robin"]);
    cluster
        .run(&[&select[..], &["hash-ring:weight=none"]].concat())
        .failed(2, &["hash-ring: weight: \"none\""]);
    let node = ["call", NAMES[0], "--algorithm", "random", "demo", "node"];
    cluster.run(&node).failed(2, &["--balancer"]);
    let twice = [
        "call",
        "--balancer",
        "pool",
        "--peer",
        NAMES[0],
        NAMES[1],
        "demo",
        "node",
    ];
    cluster.run(&twice).failed(2, &["no node is named"]);
}

#[test]
fn a_command_that_looks_for_a_name_does_not_find_itself() {
    let cluster = Cluster::new();
    let _pool = cluster.pool();
    // The host of every name, that of the command itself among them.
    let calls = [
        "call", "--match", "@127", "--peer", NAMES[0], "--count", "9",
    ];
    let calls = cluster.run(&[&calls[..], &["demo", "node"]].concat());
    assert_eq!(counted(&calls.lines()).values().sum::<usize>(), 9);
}

#[test]
fn a_balancer_without_a_name_is_refused() {
    let cluster = Cluster::new();
    let node = cluster.node(NAMES[0], &[]);
    for arguments in [
        &["members", "", "--peer", NAMES[0]][..],
        &["node", "--name", NAMES[1], "--join", ""],
    ] {
        cluster.run(arguments).failed(2, &["empty"]);
    }
    drop(node);
}
