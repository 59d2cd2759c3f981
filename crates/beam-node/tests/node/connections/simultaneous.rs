//! Two nodes that connect to each other at the same moment.

use std::sync::Arc;

use beam_node::{Event, Events, Node};
use beam_term::Atom;
use tokio::sync::Barrier;

use crate::support::{Cluster, within};

const ROUNDS: usize = 100;

async fn connect_at_once(barrier: &Barrier, from: &Node, to: &Node) {
    barrier.wait().await;
    within(from.connect(to.name())).await.unwrap();
}

async fn calls(from: &Node, to: &Node) {
    let name: Atom = within(from.call(to.name(), ("erlang", "node"), ()))
        .await
        .unwrap();
    assert_eq!(name.as_str(), to.name().as_str());
}

/// Two nodes that are not connected.
///
/// New ones for each round: an attempt that is under way when the nodes are disconnected connects
/// them again.
async fn pair(cluster: &Cluster, round: usize) -> (Node, Node) {
    let a = cluster.start(&format!("a{round}")).await;
    let b = cluster.start(&format!("b{round}")).await;
    (a, b)
}

/// The events of a node that is stopped.
async fn all(mut events: Events) -> Vec<Event> {
    let mut seen = Vec::new();
    while let Some(event) = within(events.next()).await {
        seen.push(event);
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_connect_to_each_other_at_once_have_one_link() {
    let cluster = Cluster::new();
    let barrier = Arc::new(Barrier::new(2));

    for round in 0..ROUNDS {
        let (a, b) = pair(&cluster, round).await;
        let events = [a.events(), b.events()];
        let connecting = [(&a, &b), (&b, &a)].map(|(from, to)| {
            let (barrier, from, to) = (Arc::clone(&barrier), from.clone(), to.clone());
            tokio::spawn(async move { connect_at_once(&barrier, &from, &to).await })
        });
        for connecting in connecting {
            within(connecting).await.unwrap();
        }

        // What is connected can be used, both ways.
        calls(&a, &b).await;
        calls(&b, &a).await;
        assert_eq!([a.peers().len(), b.peers().len()], [1, 1], "round {round}");
        for node in [a, b] {
            within(node.shutdown()).await.unwrap();
        }
        for events in events {
            let seen = all(events).await;
            let is_one_link = matches!(&seen[..], [Event::Up { .. }, Event::Down { .. }]);
            assert!(is_one_link, "round {round}: {seen:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_connect_from_both_sides_are_all_answered() {
    let cluster = Cluster::new();
    let barrier = Arc::new(Barrier::new(2));

    for round in 0..ROUNDS {
        let (a, b) = pair(&cluster, round).await;
        let calling = [(&a, &b), (&b, &a)].map(|(from, to)| {
            let (barrier, from, to) = (Arc::clone(&barrier), from.clone(), to.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                calls(&from, &to).await;
            })
        });
        for calling in calling {
            within(calling).await.unwrap();
        }
        for node in [a, b] {
            within(node.shutdown()).await.unwrap();
        }
    }
}
