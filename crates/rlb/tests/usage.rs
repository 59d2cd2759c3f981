//! What the command line says without a cluster.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs::File, process::Stdio};

use support::{rlb, run};

const SUBCOMMANDS: [&str; 9] = [
    "demo",
    "node",
    "ping",
    "nodes",
    "call",
    "cast",
    "multicall",
    "members",
    "select",
];

#[test]
fn every_help_text_tells_the_exit_codes() {
    for help in ["-h", "--help"] {
        for subcommand in SUBCOMMANDS {
            let ended = run(rlb(&[subcommand, help]));
            assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{subcommand}");
            assert!(ended.stdout.contains("Exit codes:"), "{subcommand}");
            assert!(ended.stdout.contains("4    timed out"), "{subcommand}");
        }
    }
    assert!(run(rlb(&["--help"])).stdout.contains("Exit codes:"));
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for arguments in [&["--help"][..], &["--version"], &["call", "--help"]] {
        let mut command = rlb(arguments);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let ended = command.stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("failed to write"), "{stderr}");
    }
}

#[test]
fn the_options_of_a_node_are_told_under_their_own_headings() {
    let help = run(rlb(&["node", "--help"])).stdout;
    let at = |text: &str| {
        help.find(text)
            .unwrap_or_else(|| panic!("{text} is not in {help}"))
    };
    let [options, cluster, tls] = ["\nOptions:", "\nCluster:", "\nTLS:"].map(at);
    for option in [
        "--join",
        "--listen",
        "--no-epmd",
        "--config",
        "--suspect-after",
    ] {
        let option = at(&format!("      {option}"));
        assert!(options < option && option < cluster, "{help}");
    }
    for option in ["--peer", "--allow-peer", "--allow-network"] {
        let option = at(&format!("      {option} "));
        assert!(cluster < option && option < tls, "{help}");
    }
}

#[test]
fn the_help_warns_that_others_see_a_cookie_on_the_command_line() {
    let help = run(rlb(&["call", "--help"])).stdout;
    assert!(help.contains("`ps`"), "{help}");
}

#[test]
fn wrong_usage_is_told_on_stderr_with_code_2() {
    for (arguments, said) in [
        (&[][..], "Usage:"),
        (&["fly"], "unrecognized subcommand"),
        (&["ping"], "<NODE>"),
        (&["ping", "w1"], "w1@127.0.0.1"),
        (&["ping", "w1@127.0.0.1", "--name", "app"], "app@127.0.0.1"),
        (
            &["ping", "w1@127.0.0.1", "--timeout", "soon"],
            "500ms, 10s or 2m",
        ),
        (
            &["call", "w1@127.0.0.1", "demo"],
            "NODE MODULE FUNCTION [ARGS]",
        ),
        (
            &["call", "w1", "demo", "node"],
            "'w1' is no name of a node: it has no host",
        ),
        (
            &["call", "", "demo", "node"],
            "'' is no name of a node: it is empty",
        ),
        (&["call", "w1@h", "demo", "echo", "[1,"], "line 1, column 4"),
        (&["call", "w1@h", "demo", "echo", "1"], "'[1]'"),
        (
            &["call", "w1@h", "demo", "echo", "--json-args", "[1,"],
            "line 1 column 3",
        ),
        (
            &["call", "w1@h", "demo", "echo", "--json-args", "{}"],
            "an array",
        ),
        (&["call", "--balancer", "b", "demo", "node"], "--peer"),
        (
            &[
                "call",
                "--balancer",
                "b",
                "--peer",
                "a@h",
                "a@h",
                "demo",
                "node",
                "[]",
            ],
            "no node is named",
        ),
        (
            &["call", "w1@h", "demo", "node", "--concurrency", "2"],
            "--count",
        ),
        (&["nodes"], "--peer"),
        (&["members", "b"], "--peer"),
        (&["select", "b"], "--peer"),
        (&["select", "b", "--peer", "a@h", "--key", "{"], "--key"),
        (&["demo", "--workers", "2"], "from 3 to 64"),
        (&["node", "--join", ""], "'--join <BALANCER>': it is empty"),
        (&["members", ""], "'<BALANCER>': it is empty"),
        (
            &["call", "--balancer", "", "m", "f"],
            "'--balancer <NAME>': it is empty",
        ),
        (&["call", "w1@h", "demo", "add", "1", "-2"], "'[1, -2]'"),
        (&["call", "w1@h", "demo", "add", "[1,", "2]"], "'[1, 2]'"),
        (
            &["cast", "w1@h", "demo", "add", "1", "2"],
            "not 2: ARGS is one list",
        ),
        (
            &["call", "--match", "w", "demo", "add", "1", "2"],
            "ARGS is one list with all arguments",
        ),
        (
            &["call", "--match", "", "--peer", "w@h", "demo", "node"],
            "'--match <PATTERN>': it is empty",
        ),
        (&["call", "w1@h", "demo", "echo", "-1"], "'[-1]'"),
        (
            &["call", "w1@h", "m", "f", "--count", "-1"],
            "'--count <N>': expected a whole number from 1",
        ),
        (
            &["call", "w1@h", "m", "f", "--retry", "-1"],
            "a number from 0 to",
        ),
        (&["select", "b", "--count", "-1"], "from 1 to 10000000"),
        (&["ping", "w1@h", "--timeout", "-1"], "500ms, 10s or 2m"),
        (
            &["node", "--join", "b", "--weight", "-1"],
            "'--weight <N>': expected a whole number from 0 to 4294967295",
        ),
        (&["node", "--listen", "9200-9100"], "write 9100-9200"),
        (&["node", "--listen", "[::1]:9200-9100"], "write 9100-9200"),
        (&["node", "--listen", "web1"], "10.0.0.7:9100"),
    ] {
        run(rlb(arguments)).failed(2, &[said]);
    }
}

#[test]
fn wrong_usage_is_json_when_json_is_wanted() {
    for arguments in [
        &["--json", "ping", "w1"][..],
        &["call", "w1@h", "demo", "echo", "1", "--json"],
    ] {
        let ended = run(rlb(arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
        assert_eq!(ended.error()["exit_code"], 2);
        assert_eq!(ended.error()["code"], "bad_request");
    }
}

#[test]
fn all_of_stderr_is_json_when_json_is_wanted() {
    let call = ["call", "w1@127.0.0.1", "demo", "node", "--epmd-port", "1"];
    let mut command = rlb(&[&call[..], &["--json", "-vvv"]].concat());
    command.env("RLB_COOKIE", "chocolate");
    let ended = run(command);
    let notes = ended.notes();
    assert_eq!(notes.last().unwrap()["error"]["exit_code"], 3);
    assert!(
        notes.iter().any(|note| note["level"] == "DEBUG"),
        "{ended:?}"
    );
}

#[test]
fn a_wrong_filter_for_the_log_is_told() {
    let mut command = rlb(&["ping", "w1@127.0.0.1"]);
    command.env("RUST_LOG", "beam_node=chatty");
    run(command).failed(2, &["RUST_LOG", "beam_node=debug"]);
}

#[test]
fn short_and_long_names_are_told_apart_before_anything_is_tried() {
    let names = ["ping", "w1@web1", "--name", "app@10.0.0.7"];
    run(rlb(&names)).failed(2, &["w1@web1 has a short name", "app@10.0.0.7, a long one"]);
}

#[test]
fn a_missing_cookie_is_told_with_the_places_it_is_looked_for() {
    let mut command = rlb(&["ping", "w1@127.0.0.1"]);
    let home = env!("CARGO_TARGET_TMPDIR");
    command.env("HOME", home).env_remove("XDG_CONFIG_HOME");
    run(command).failed(2, &["RLB_COOKIE", ".erlang.cookie"]);
}
