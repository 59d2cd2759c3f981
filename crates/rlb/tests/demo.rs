//! The demo.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, Read};

use rustix::process::Signal;
use serde_json::Value;
use support::{Ended, Running, rlb, run};

#[test]
fn it_ends_well_and_tells_what_happened() {
    let ended = run(rlb(&["demo", "--calls", "3000"]));
    assert_eq!(ended.code, 0, "{ended:?}");
    for said in [
        "node ",
        "p99",
        "w4@127.0.0.1",
        "3000 calls in ",
        "w1@127.0.0.1 was killed: out of the pool after ",
        "w2@127.0.0.1 was stopped: out of the pool after ",
        "0 of its calls failed",
        "w4@127.0.0.1 was started: a member after ",
    ] {
        assert!(ended.stdout.contains(said), "{said:?} is not in {ended:?}");
    }
    assert!(ended.stderr.contains("calls"), "{ended:?}");
}

#[test]
fn its_numbers_add_up() {
    let ended = run(rlb(&[
        "demo",
        "--calls",
        "3000",
        "--workers",
        "4",
        "--concurrency",
        "16",
        "--json",
    ]));
    assert_eq!(ended.code, 0, "{ended:?}");
    let notes = ended.notes();
    assert!(
        notes
            .iter()
            .any(|note| note["note"] == "w1@127.0.0.1 is started"),
        "{notes:?}"
    );
    let report: Value = ended.json();
    let nodes = report["nodes"].as_array().unwrap();
    let sum = |key: &str| {
        nodes
            .iter()
            .map(|node| node[key].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(nodes.len(), 5, "{report}");
    assert_eq!((sum("calls"), &report["calls"]), (3000, &Value::from(3000)));
    assert_eq!(Value::from(sum("failed")), report["failed"]);
    assert_eq!(report["killed"]["failed"], report["failed"]);
    assert_eq!(report["stopped"]["failed"], 0);
    assert!(report["killed"]["out_of_pool_after_ms"].as_f64().unwrap() > 0.0);
    assert!(
        nodes[4]["calls"].as_u64().unwrap() > 0,
        "the newcomer was called: {report}"
    );
}

#[test]
fn a_signal_ends_it_with_all_its_workers() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let ended = interrupted_by(signal);
        assert_eq!(ended.code, code, "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn no_worker_outlives_it_even_when_it_is_killed() {
    assert_eq!(interrupted_by(Signal::KILL).code, -9);
}

/// A demo that would go on for long, ended by a signal in the midst of its calls.
fn interrupted_by(signal: Signal) -> Ended {
    let mut demo = Running::start(rlb(&["demo", "--calls", "1000000000"]));
    let mut stderr = demo.stderr();
    let mut line = String::new();
    while !line.contains("w3@127.0.0.1 is started") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended early");
    }
    demo.signal(signal);
    // The workers have the same stderr, so that it ends only when all of them have.
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    demo.ended()
}
