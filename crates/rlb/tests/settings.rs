//! What is said of settings that cannot be meant: by the name that they were given by.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Cluster, Directory, Ended};

const W1: &str = "w1@127.0.0.1";

fn with_variables(cluster: &Cluster, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = cluster.command(arguments);
    command.envs(variables.iter().copied());
    support::run(command)
}

#[test]
fn an_option_is_named_as_it_was_given() {
    let cluster = Cluster::new();
    for (option, value, said) in [
        ("--allow-peer", "/((/", "unclosed group"),
        ("--allow-peer", "", "whole name is expected"),
        ("--allow-network", "10.0.0.0/99", "fd00::/8"),
        (
            "--allow-network",
            "10.0.0.1/8",
            "10.0.0.0/8 for the network",
        ),
        ("--timeout", "5 parsecs", "milliseconds"),
        ("--timeout", "0", "more than nothing"),
        ("--timeout", "99999999999999999999", "longer than 366 days"),
    ] {
        let ended = cluster.run(&["ping", W1, option, value]);
        ended.failed(2, &[option, value, said]);
        assert!(!ended.stderr.contains("allow_"), "{ended:?}");
    }
}

#[test]
fn a_variable_is_named_as_it_was_given() {
    let cluster = Cluster::new();
    for (variable, value, said) in [
        ("RLB_ALLOW_PEERS", "app*,x", "number 2 of the list"),
        ("RLB_ALLOW_PEERS", "app*,,b@h", "take one comma away"),
        ("RLB_ALLOW_PEERS", "", "unset it"),
        ("RLB_ALLOW_NETWORKS", "banana", "fd00::/8"),
        ("RLB_TLS_CA", "ca.pem,", "take one comma away"),
    ] {
        let ended = with_variables(&cluster, &["ping", W1], &[(variable, value)]);
        ended.failed(2, &[variable, value, said]);
        assert!(!ended.stderr.contains("`allow_"), "{ended:?}");
    }
}

#[test]
fn tls_without_an_authority_names_the_options_and_the_variables() {
    let cluster = Cluster::new();
    let certificate = ["--tls-cert", "c.pem", "--tls-key", "c.key"];
    let ended = cluster.run(&[&["ping", W1][..], &certificate].concat());
    ended.failed(2, &["`ca`", "--tls-ca", "RLB_TLS_CA"]);
}

#[test]
fn a_duration_is_read_the_same_wherever_it_is_given() {
    let cluster = Cluster::new();
    let directory = Directory::new("durations");
    let start = |option: &[&str], variable: &[(&str, &str)]| {
        let node = [&["node", "--name", W1, "--join", "pool"], option].concat();
        with_variables(&cluster, &node, variable)
    };
    const SAID: &str = "500ms, 10s or 2m; a number alone is milliseconds";
    for wrong in ["5 parsecs", "-1s", "1.5"] {
        let file = format!("[node]\nsuspect_after = \"{wrong}\"\n");
        let file = directory.file("rlb.toml", &file);
        for ended in [
            start(&["--suspect-after", wrong], &[]),
            start(&[], &[("RLB_SUSPECT_AFTER", wrong)]),
            start(&[], &[("RLB_SLOW_START", wrong)]),
            start(&["--drain-timeout", wrong], &[]),
        ] {
            // An option that begins with a hyphen is another one.
            if !ended.stderr.contains("unexpected argument") {
                ended.failed(2, &[wrong, SAID]);
            }
        }
        let ended = start(&["--config", &file], &[]);
        ended.failed(2, &["line 2, column 17: `node.suspect_after`", SAID]);
    }
    let _node = cluster.node(W1, &["--suspect-after", "500", "--drain-timeout", "500"]);
    let ping = ["ping", W1, "--timeout", "30000"];
    assert_eq!(cluster.run(&ping).code, 0);
}

#[test]
fn what_is_wrong_in_a_file_is_told_without_its_values() {
    const SECRET: &str = "c4nd7Jar";

    let cluster = Cluster::new();
    let directory = Directory::new("secrets");
    for (text, said) in [
        ("[node]\ncooki = \"$\"", "line 2, column 1: "),
        (
            "[node]\ncooki = \"$\"",
            "there is no key `cooki`; there are `allow_peers`",
        ),
        (
            "[node]\nallow_peers = \"$\"",
            "`node.allow_peers`: expected a list, not a text",
        ),
        (
            "[node]\nallow_peers = [\"a@h\", \"$\"]",
            "number 2 of the list",
        ),
        (
            "[defaults]\nretry_count = \"$\"",
            "`defaults.retry_count`: expected a number",
        ),
        ("cookie = \"$", "line 1, column 19: "),
        ("cookie = $", "line 1, column 10: "),
        ("[node]\nallow_networks = []", "leave it out to allow all"),
        // A file with a cookie, by mistake.
        ("$", "line 1, column 9: "),
    ] {
        let file = directory.file("rlb.toml", &text.replace('$', SECRET));
        let node = ["node", "--name", W1, "--config", &file];
        for options in [&[][..], &["--json", "-vvv"]] {
            let ended = cluster.run(&[&node[..], options].concat());
            assert!(!ended.stderr.contains(SECRET), "{text}: {ended:?}");
            assert_eq!(ended.code, 2, "{ended:?}");
            if options.is_empty() {
                ended.failed(2, &[file.as_str(), said]);
            }
        }
    }
}

#[test]
fn a_variable_that_a_command_does_not_use_is_none_of_its_business() {
    let cluster = Cluster::new();
    let wrong = [
        ("RLB_SUSPECT_AFTER", "soon"),
        ("RLB_SUSPECT_CALL_GRACE", "soon"),
        ("RLB_RETRY_COUNT", "often"),
    ];
    let node = ["node", "--name", W1];
    with_variables(&cluster, &node, &wrong[..1]).failed(2, &["RLB_SUSPECT_AFTER"]);
    let _node = cluster.node(W1, &["--join", "pool"]);
    let call = ["call", W1, "demo", "node"];
    assert_eq!(with_variables(&cluster, &call, &wrong).code, 0);
    let members = ["members", "pool", "--peer", W1];
    assert_eq!(with_variables(&cluster, &members, &wrong).line(), W1);
    // Nor is one that an option comes before.
    let call = [&call[..], &["--allow-peer", "w1@*"]].concat();
    let wrong = [("RLB_ALLOW_PEERS", "/(/")];
    assert_eq!(with_variables(&cluster, &call, &wrong).code, 0);
}

#[test]
fn what_another_try_does_not_heal_has_a_code_of_its_own() {
    let cluster = Cluster::new();
    let _node = cluster.node(W1, &["--allow-peer", "rlb-*"]);
    let ping = |options: &[&str]| cluster.run(&[&["ping", W1], options].concat());
    ping(&["--cookie", "other"]).failed(2, &["cookie"]);
    // It does not say why, and may allow it later.
    ping(&["--name", "x@127.0.0.1"]).failed(3, &["does not allow", "--allow-peer"]);
    ping(&["--allow-peer", "w2@*"]).failed(2, &["allowed peers", "the list is --allow-peer"]);
    ping(&["--allow-network", "10.0.0.0/8"])
        .failed(2, &["allowed networks", "the list is --allow-network"]);
    assert_eq!(ping(&[]).code, 0);
}

#[test]
fn a_file_that_is_not_there_is_told_in_the_words_of_the_system() {
    const MISSING: &str = "/nowhere/file";

    let cluster = Cluster::new();
    let directory = Directory::new("missing");
    let there = directory.file("there", "");
    for options in [
        &["--cookie-file", MISSING][..],
        &["--config", MISSING],
        &[
            "--tls-ca",
            MISSING,
            "--tls-cert",
            &there,
            "--tls-key",
            &there,
        ],
    ] {
        let ended = cluster.run(&[&["node", "--name", W1], options].concat());
        ended.failed(2, &["No such file or directory"]);
        assert_eq!(ended.stderr.matches(MISSING).count(), 1, "{ended:?}");
    }
}
