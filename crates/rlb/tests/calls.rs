//! Calls and casts of one node.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{COOKIE, Cluster, Running, run};

const W1: &str = "w1@127.0.0.1";

#[test]
fn the_functions_of_a_node_do_what_they_are_described_to_do() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    let call =
        |function: &str, arguments: &str| cluster.run(&["call", W1, "demo", function, arguments]);

    let term = r#"#{a => [1.5,{b,<<"é"/utf8>>}],<<0,255>> => []}"#;
    assert_eq!(call("echo", &format!("[{term}]")).line(), term);
    assert_eq!(call("add", "[40, 2]").line(), "42");
    let big = "170141183460469231731687303715884105728";
    assert_eq!(
        call("add", &format!("[{big}, -1]")).line(),
        "170141183460469231731687303715884105727"
    );
    assert_eq!(call("sleep", "[1]").line(), "ok");
    assert_eq!(call("node", "[]").line(), "'w1@127.0.0.1'");
    assert_eq!(
        cluster.run(&["call", W1, "demo", "node"]).line(),
        "'w1@127.0.0.1'"
    );
    call("fail", "[{went, wrong}]").failed(1, &["demo:fail/1", W1, "{went,wrong}"]);
}

#[test]
fn calls_whose_results_nobody_reads_any_further_end_as_by_sigpipe() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    let call = ["call", W1, "demo", "node", "--count", "1000000000"];
    let mut call = Running::start(cluster.command(&call));
    assert_eq!(call.line(), format!("'{W1}'"));
    call.close_stdout();
    let ended = call.ended();
    assert_eq!((ended.code, ended.stderr.as_str()), (141, ""));
}

#[test]
fn a_failure_of_the_function_is_told_with_code_1() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);

    cluster
        .run(&["call", W1, "demo", "nothing", "[1]"])
        .failed(1, &["demo:nothing/1 is not defined"]);
    cluster
        .run(&["call", W1, "demo", "add", "[1, two]"])
        .failed(1, &["badarg"]);
    cluster
        .run(&["call", W1, "String", "upcase", "[]"])
        .failed(1, &["'Elixir.String':upcase/0"]);

    let ended = cluster.run(&["--json", "call", W1, "demo", "fail", "[{oops, <<255, 0>>}]"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    let error = ended.error();
    assert_eq!(error["code"], "internal_server_error");
    assert_eq!(error["node"], W1);
    assert_eq!(error["function"], "demo:fail/1");
    assert_eq!(error["exception"]["class"], "error");
    assert_eq!(
        error["exception"]["reason"],
        json!(["oops", {"$term": "<<255,0>>"}])
    );
}

#[test]
fn arguments_and_results_are_json_on_demand() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    let arguments =
        r#"[{"a": [null, true, 1.5, 123456789012345678901234567890], "b": {"$term": "{x}"}}]"#;
    let echo = ["call", W1, "demo", "echo", "--json-args", arguments];

    assert_eq!(
        cluster.run(&echo).line(),
        r#"#{<<"a">> => [nil,true,1.5,123456789012345678901234567890],<<"b">> => {x}}"#
    );
    assert_eq!(
        cluster.run(&[&echo[..], &["--json"]].concat()).line(),
        r#"{"a":[null,true,1.5,123456789012345678901234567890],"b":["x"]}"#
    );
}

#[test]
fn a_call_without_an_answer_in_time_ends_with_code_4() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    let sleep = ["call", W1, "demo", "sleep", "[60000]", "--timeout", "50ms"];

    cluster
        .run(&sleep)
        .failed(4, &["demo:sleep/1", W1, "--timeout"]);
    let error = cluster.run(&[&sleep[..], &["--json"]].concat()).error();
    assert_eq!(
        (&error["code"], &error["exit_code"]),
        (&json!("request_timeout"), &json!(4))
    );
    assert_eq!(error["may_have_run"], true);
}

#[test]
fn many_calls_give_a_line_each_and_a_summary_on_stderr() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    let many = [
        "call",
        W1,
        "demo",
        "add",
        "[1, 2]",
        "--count",
        "50",
        "--concurrency",
        "8",
    ];

    let ended = cluster.run(&many);
    assert_eq!(ended.lines(), ["3"; 50]);
    assert!(ended.stderr.contains("50 calls in"), "{ended:?}");
    assert!(ended.stderr.contains("none failed"), "{ended:?}");

    let ended = cluster.run(&[&many[..], &["--json"]].concat());
    assert_eq!(ended.lines(), ["3"; 50]);
    let summary: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(summary["summary"]["calls"], 50);
    assert_eq!(summary["summary"]["nodes"][0]["node"], W1);
}

#[test]
fn many_failures_are_grouped_and_end_with_their_code() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);

    let ended = cluster.run(&["call", W1, "demo", "fail", "[oops]", "--count", "5"]);
    ended.failed(1, &["5 calls in", "5 failed", "5 × ", "oops"]);
}

#[test]
fn a_cast_is_ok_when_the_node_has_received_it() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);

    assert_eq!(cluster.run(&["cast", W1, "demo", "node"]).line(), "ok");
    assert_eq!(
        cluster
            .run(&["--json", "cast", W1, "demo", "nothing", "[1]"])
            .line(),
        r#""ok""#
    );
    cluster
        .run(&["cast", "w2@127.0.0.1", "demo", "node"])
        .failed(3, &["w2@127.0.0.1"]);
}

#[test]
fn a_node_answers_a_ping() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);

    assert!(
        cluster
            .run(&["ping", W1])
            .line()
            .starts_with("w1@127.0.0.1 answered in ")
    );
    let json = cluster.run(&["ping", W1, "--json"]).json();
    assert_eq!(json["node"], W1);
    assert!(json["round_trip_us"].is_u64());
}

#[test]
fn a_cookie_comes_from_an_option_a_file_or_the_environment() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    let file = cookie_file("cookie", 0o400, COOKIE);
    let ping = |more: &[&str]| {
        let mut command = cluster.command(&[&["ping", W1], more].concat());
        command.env("RLB_COOKIE", "another one");
        run(command)
    };

    assert_eq!(ping(&["--cookie", COOKIE]).code, 0);
    assert_eq!(ping(&["--cookie-file", &file]).code, 0);
    ping(&[]).failed(2, &["cookie"]);

    let file = cookie_file("open-cookie", 0o644, COOKIE);
    ping(&["--cookie-file", &file]).failed(2, &["chmod 400"]);
}

fn cookie_file(name: &str, mode: u32, content: &str) -> String {
    use std::os::unix::fs::PermissionsExt;

    let path = format!(
        "{}/{name}-{}",
        env!("CARGO_TARGET_TMPDIR"),
        std::process::id()
    );
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}
