//! A network that comes and goes.

use std::time::Duration;

use beam_term::Term;
use interop::{Network, Rust, eventually};
use tokio::time::Instant;

use crate::site::{
    DEADLINE, HEALED, Outcome, Site, call, events, in_time, lasts, member, outcome, see,
};

/// So short that peers are given up each time.
const NET_TICKTIME: Duration = Duration::from_millis(600);

/// How often the network goes before it is looked at what nodes have: by then each looks for all others.
const FIRST_FLAPS: u32 = 3;

const FLAPS: u32 = 7;

/// What is logged for each flap, by each node, at most: that a peer is gone and there again, and what
/// may come in between.
const LINES: usize = 12;

#[tokio::test]
async fn flapping_every_second_leaves_the_right_members_and_nothing_behind() {
    let network = Network::create().unwrap();
    let sites = [(); 3].map(|()| Site::new(&network));
    let builder = |site: &Site| site.rust().net_ticktime(NET_TICKTIME);
    let a = member(builder(&sites[0])).await;
    let b = member(builder(&sites[1]).peer(a.name())).await;
    let c = member(builder(&sites[2]).peer(a.name())).await;
    let nodes = [&a, &b, &c];
    let names = nodes.map(Rust::name);
    see(&nodes, &names).await;
    flap(&sites[2], FIRST_FLAPS).await;
    see(&nodes, &names).await;
    let before = quiet(nodes).await;

    let mut calls = Vec::new();
    for _ in 0..FLAPS {
        for (from, to) in [(&a, &c), (&c, &b)] {
            calls.push(from.command(&call(to.name(), "sleep", 300, 2_000)).start());
        }
        flap(&sites[2], 1).await;
    }
    let healed = Instant::now();
    see(&nodes, &names).await;
    in_time(healed, HEALED);
    for call in calls {
        match outcome(call.term().await.unwrap()) {
            Outcome::Value(value) => assert_eq!(value, Term::atom("slept")),
            Outcome::Failed(code, _) => assert!(
                ["connection_lost", "request_timeout", "service_unavailable"].contains(&&*code),
                "{code}"
            ),
        }
    }

    let downs = events(&c, "down").await;
    assert!(downs.len() >= FLAPS as usize / 2, "{downs:?}");
    let settled = async || {
        let now = quiet(nodes).await;
        now.iter()
            .zip(&before)
            .all(|(now, before)| now[0] <= before[0] && now[1] <= before[1])
    };
    eventually(
        "tasks and file descriptors to be those of before",
        DEADLINE,
        settled,
    )
    .await;
    for node in nodes {
        let lines = node.output().lines().count();
        println!("{} logged {lines} lines", node.name());
        assert!(
            lines <= LINES * (FIRST_FLAPS + FLAPS) as usize,
            "{}",
            node.output()
        );
    }
}

async fn flap(site: &Site, times: u32) {
    for _ in 0..times {
        site.cable.cut();
        lasts(Duration::from_secs(1)).await;
        site.cable.mend();
        lasts(Duration::from_secs(1)).await;
    }
}

/// How many tasks, and how many file descriptors, each node has when it is in no call.
async fn quiet(nodes: [&Rust; 3]) -> Vec<[u64; 2]> {
    let mut counts = Vec::new();
    for node in nodes {
        let what = format!("{} to be in no call", node.name());
        let tasks = async || {
            let (tasks, calling, serving) = node.run_as("counts").await.unwrap();
            ((calling, serving) == (0_u64, 0_u64)).then_some(tasks)
        };
        let tasks = eventually(&what, DEADLINE, tasks).await;
        counts.push([tasks, node.open_files() as u64]);
    }
    counts
}
