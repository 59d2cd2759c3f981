//! The life of `rlb node`.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, Read};

use rustix::process::Signal;
use serde_json::{Value, json};
use support::{COOKIE, Cluster, Directory, Running, eventually};

const W1: &str = "w1@127.0.0.1";

#[test]
fn it_says_its_name_and_ends_well_on_either_signal() {
    let cluster = Cluster::new();
    for signal in [Signal::INT, Signal::TERM] {
        let node = cluster.node(W1, &[]);
        node.signal(signal);
        let ended = node.ended();
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, "", "")
        );
    }
}

#[test]
fn it_says_so_in_json_on_demand() {
    let cluster = Cluster::new();
    let arguments = [
        "--json",
        "node",
        "--name",
        W1,
        "--join",
        "pool",
        "--join",
        "MyApp.Pool",
    ];
    let mut node = Running::start(cluster.command(&arguments));
    let ready: Value = serde_json::from_str(&node.line()).unwrap();
    let address = ready["address"].as_str().unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert_eq!(
        ready,
        json!({"node": W1, "address": address, "balancers": ["pool", "Elixir.MyApp.Pool"]})
    );

    for balancer in ["pool", "MyApp.Pool", "Elixir.MyApp.Pool"] {
        assert_eq!(cluster.run(&["members", balancer, "--peer", W1]).line(), W1);
    }
}

#[test]
fn it_has_a_name_of_its_own_by_default() {
    let cluster = Cluster::new();
    let mut node = Running::start(cluster.command(&["node"]));
    let name = node.line();
    assert!(
        name.starts_with("rlb-") && name.ends_with("@127.0.0.1"),
        "{name}"
    );
    assert_eq!(
        cluster.run(&["call", &name, "demo", "node"]).line(),
        format!("'{name}'")
    );
}

#[test]
fn a_call_that_it_serves_when_it_is_told_to_end_is_answered() {
    let cluster = Cluster::new();
    let node = cluster.node(W1, &["--join", "pool"]);
    let call = ["call", W1, "demo", "sleep", "[1000]", "-vv"];
    let mut call = Running::start(cluster.command(&call));
    // The call is on its way once its connection is there: it is the only thing that the command
    // connects for. The node goes on serving until late calls would have come.
    let mut log = call.stderr();
    let mut line = String::new();
    while !line.contains("connected") {
        line.clear();
        assert_ne!(
            log.read_line(&mut line).unwrap(),
            0,
            "it ended without a connection"
        );
    }
    node.signal(Signal::TERM);
    assert_eq!(call.line(), "ok");
    assert_eq!(node.ended().code, 0);
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let cluster = Cluster::new();
    let node = cluster.node(W1, &["--join", "pool", "-v"]);
    let _call = Running::start(cluster.command(&["call", W1, "demo", "sleep", "[60000]"]));
    let mut node = node;
    let mut log = node.stderr();
    let mut await_line = |part: &str| {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "it ended without saying {part:?}"
            );
        }
    };
    await_line("connected");
    node.signal(Signal::TERM);
    await_line("waiting for calls to end");
    node.signal(Signal::INT);
    assert_eq!(node.ended().code, 130);
}

#[test]
fn it_serves_on_when_nobody_reads_its_log_any_more() {
    let cluster = Cluster::new();
    for verbosity in ["-v", "-vv"] {
        let mut node = cluster.node(W1, &[verbosity]);
        drop(node.stderr());
        for _ in 0..2 {
            let call = ["call", W1, "demo", "add", "[1, 2]"];
            assert_eq!(cluster.run(&call).line(), "3");
        }
        node.signal(Signal::TERM);
        assert_eq!(node.ended().code, 0);
    }
}

#[test]
fn it_serves_on_when_nobody_reads_its_name() {
    let cluster = Cluster::new();
    let mut node = Running::start(cluster.command(&["node", "--name", W1, "-v"]));
    node.close_stdout();
    let mut log = node.stderr();
    // Its name is written once it is registered, and can be called before that.
    let call = ["call", W1, "demo", "node"];
    eventually(|| cluster.run(&call).code == 0);
    for _ in 0..2 {
        assert_eq!(cluster.run(&call).line(), format!("'{W1}'"));
    }
    node.signal(Signal::TERM);
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("waiting for calls to end"), "{rest}");
    assert_eq!(node.ended().code, 0);
}

#[test]
fn it_warns_of_a_peer_that_has_another_cookie() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    let arguments = [
        "node",
        "--name",
        "w2@127.0.0.1",
        "--peer",
        W1,
        "--cookie",
        "another",
    ];
    let mut node = Running::start(cluster.command(&arguments));
    let mut line = String::new();
    node.stderr().read_line(&mut line).unwrap();
    assert!(line.contains(W1) && line.contains("cookie"), "{line}");
}

#[test]
fn it_connects_with_those_that_are_allowed() {
    let cluster = Cluster::new();
    let call = |node, name| cluster.run(&["call", "--name", name, node, "demo", "node"]);
    let named = ["--allow-peer", "w2@*", "--allow-peer", "/^rlb-/"];
    let node = cluster.node(W1, &named);
    assert_eq!(call(W1, "w2@127.0.0.1").line(), format!("'{W1}'"));
    call(W1, "w3@127.0.0.1").failed(3, &["does not allow", "--allow-peer"]);
    drop(node);

    let far = "far@127.0.0.1";
    let mut node = cluster.node(far, &["--allow-network", "10.0.0.0/8"]);
    call(far, "w2@127.0.0.1").failed(3, &["closed the connection", "`--allow-network`"]);
    let mut line = String::new();
    node.stderr().read_line(&mut line).unwrap();
    for said in ["refused a connection", "127.0.0.1:", "allowed networks"] {
        assert!(line.contains(said), "{said}: {line}");
    }
    drop(node);

    // What is said at the command comes before the environment, and that before a file.
    let directory = Directory::new("allowed");
    let file = directory.file("rlb.toml", "[node]\nallow_peers = [\"w3@*\"]\n");
    for (name, variable, option, allowed) in [
        ("a@127.0.0.1", None, None, "w3@127.0.0.1"),
        ("b@127.0.0.1", Some("w4@*"), None, "w4@127.0.0.1"),
        ("c@127.0.0.1", Some("w4@*"), Some("w5@*"), "w5@127.0.0.1"),
    ] {
        let mut arguments = vec!["node", "--name", name, "--config", &file];
        arguments.extend(option.iter().flat_map(|pattern| ["--allow-peer", pattern]));
        let mut command = cluster.command(&arguments);
        command.envs(variable.map(|patterns| ("RLB_ALLOW_PEERS", patterns)));
        let mut node = Running::start(command);
        assert_eq!(node.line(), name);
        for caller in ["w3@127.0.0.1", "w4@127.0.0.1", "w5@127.0.0.1"] {
            let ended = call(name, caller);
            assert_eq!(ended.code == 0, caller == allowed, "{caller} {allowed}");
        }
        node.signal(Signal::TERM);
        assert_eq!(node.ended().code, 0);
    }

    let wrong = ["node", "--name", W1, "--allow-network", "10.0.0/8"];
    cluster
        .run(&wrong)
        .failed(2, &["--allow-network", "10.0.0/8"]);
}

#[test]
fn a_command_connects_with_those_that_are_allowed() {
    let cluster = Cluster::new();
    let _nodes = cluster.pool();
    let call = ["call", W1, "demo", "node"];
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = cluster.command(arguments);
        command.envs(variables.iter().copied());
        support::run(command)
    };
    for more in [["--allow-peer", "w2@*"], ["--allow-network", "10.0.0.0/8"]] {
        run(&[&call[..], &more].concat(), &[]).failed(2, &[W1, "allow"]);
    }
    for variable in [
        ("RLB_ALLOW_PEERS", "w2@*"),
        ("RLB_ALLOW_NETWORKS", "10.0.0.0/8,::1"),
    ] {
        run(&call, &[variable]).failed(2, &[W1, "allow"]);
        // What is said at the command comes first.
        let own = ["--allow-peer", "w1@*", "--allow-network", "127.0.0.1"];
        let answer = run(&[&call[..], &own].concat(), &[variable]);
        assert_eq!(answer.line(), format!("'{W1}'"));
    }

    // None is connected to because others know it.
    let ask = [
        "multicall",
        "--balancer",
        "pool",
        "--peer",
        W1,
        "demo",
        "node",
    ];
    let named = ["--allow-peer", "w1@*", "--allow-peer", "w3@*"];
    let answer = run(&[&ask[..], &named].concat(), &[]);
    assert!(answer.stdout.contains("w3@127.0.0.1"), "{answer:?}");
    assert!(!answer.stdout.contains("w2@127.0.0.1"), "{answer:?}");

    // Nobody can tell whether that is meant for everybody or for nobody.
    for variable in ["RLB_ALLOW_PEERS", "RLB_ALLOW_NETWORKS"] {
        for command in [&call[..], &["node", "--name", "w4@127.0.0.1"]] {
            run(command, &[(variable, "")]).failed(2, &[variable, "unset it to allow all"]);
        }
    }
}

#[test]
fn its_log_has_neither_its_cookie_nor_arguments() {
    let cluster = Cluster::new();
    let mut node = cluster.node(W1, &["-v"]);
    let mut log = node.stderr();
    for function in ["fail", "add", "sleep", "nothing"] {
        let ended = cluster.run(&["call", W1, "demo", function, "[card4111]"]);
        assert_ne!(ended.code, 0);
    }
    let stranger = ["call", "--cookie", "0penBarley", W1, "demo", "node"];
    cluster.run(&stranger).failed(2, &["cookie"]);
    node.signal(Signal::TERM);
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();

    for said in ["connected", "refused a connection"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    for secret in ["card4111", COOKIE, "0penBarley"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn it_takes_its_settings_from_a_file() {
    let cluster = Cluster::new();
    let directory = Directory::new("settings");
    let file = directory.file(
        "rlb.toml",
        "[balancers.pool]\nown_weight = 5\n[limits]\nserved_per_peer = 0\n",
    );
    let node = cluster.node(W1, &["--join", "pool", "--config", &file]);
    let members = cluster.run(&["members", "pool", "--peer", W1, "--json"]);
    assert_eq!(members.weights(), [(W1.to_owned(), 5)]);
    cluster
        .run(&["call", W1, "demo", "node"])
        .failed(3, &["system_limit"]);
    drop(node);

    let wrong = directory.file("wrong.toml", "[balancers.pool]\nretry_cont = 5\n");
    let arguments = ["node", "--name", W1, "--config", &wrong];
    cluster
        .run(&arguments)
        .failed(2, &["wrong.toml", "retry_cont"]);
    let arguments = ["node", "--name", W1, "--config", "/nowhere.toml"];
    cluster.run(&arguments).failed(2, &["/nowhere.toml"]);
}

#[test]
fn a_hangup_does_not_end_a_node_without_files_to_read_again() {
    let cluster = Cluster::new();
    let node = cluster.node(W1, &[]);
    node.signal(Signal::HUP);
    let answer = cluster.run(&["call", W1, "demo", "add", "[1, 2]"]);
    assert_eq!(answer.line(), "3");
    node.signal(Signal::TERM);
    assert_eq!(node.ended().code, 0);
}

#[test]
fn a_silence_that_is_too_short_is_refused() {
    let cluster = Cluster::new();
    let command = ["node", "--name", W1, "--suspect-after", "1ms"];
    cluster
        .run(&command)
        .failed(2, &["--suspect-after", "20ms"]);

    let mut command = cluster.command(&["node", "--name", W1]);
    command.env("RLB_SUSPECT_AFTER", "3");
    support::run(command).failed(2, &["RLB_SUSPECT_AFTER", "20ms", "as \"3s\""]);
    let directory = Directory::new("silence");
    let file = directory.file("rlb.toml", "[node]\nsuspect_after = 3\n");
    let command = ["node", "--name", W1, "--config", &file];
    cluster
        .run(&command)
        .failed(2, &["rlb.toml", "line 2", "as \"3s\""]);
}

#[test]
fn a_node_that_no_epmd_knows_says_where_it_listens() {
    let cluster = Cluster::new();
    let mut node = cluster.node(W1, &["--no-epmd"]);
    let mut line = String::new();
    node.stderr().read_line(&mut line).unwrap();
    let (_, option) = line.trim().split_once("--address ").unwrap();
    let call = ["call", W1, "demo", "node", "--address", option];
    assert_eq!(cluster.run(&call).line(), format!("'{W1}'"));
}

#[test]
fn a_port_that_something_else_than_epmd_has_is_told() {
    let cluster = Cluster::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // It closes what it takes, once it has said something.
    let something = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n").unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    let node = ["node", "--name", W1, "--epmd-port", &port];
    cluster
        .run(&node)
        .failed(2, &[&port, "is it an EPMD?", "another one for EPMD"]);
    something.join().unwrap();
}

#[test]
fn a_node_that_does_not_listen_where_its_name_points_says_so() {
    let cluster = Cluster::new();
    for (name, listen) in [(W1, "::1"), ("w2@::1", "127.0.0.1")] {
        let mut node = cluster.node(name, &["--listen", listen]);
        let mut line = String::new();
        node.stderr().read_line(&mut line).unwrap();
        let said = "does not listen at the host of its name";
        assert!(line.contains(said), "{line}");
        cluster
            .run(&["ping", name])
            .failed(3, &["cannot be reached"]);
    }
    // Who is told where it listens looks for it there.
    let mut node = cluster.node(W1, &["--listen", "::1", "--no-epmd"]);
    let mut line = String::new();
    node.stderr().read_line(&mut line).unwrap();
    assert!(line.contains("others need --address"), "{line}");
}

#[test]
fn a_node_whose_name_may_not_join_says_so() {
    let cluster = Cluster::new();
    let directory = Directory::new("no-member");
    let settings = "[balancers.pool]\nnode_match = [\"worker\"]\n";
    let file = directory.file("rlb.toml", settings);
    let mut node = cluster.node(
        W1,
        &["--join", "pool", "--config", &file, "--suspect-after", "0s"],
    );
    let mut line = String::new();
    node.stderr().read_line(&mut line).unwrap();
    assert!(line.contains("no member of the balancer pool"), "{line}");
}
