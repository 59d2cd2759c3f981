//! Two nodes that connect to each other at the same moment.

use std::sync::Arc;

use beam_node::{DownReason, Event, Events, Node, NodeName};
use beam_term::Atom;
use tokio::sync::Barrier;

use crate::support::{Cluster, down, within};

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

/// Reads the events of a node up to the end of its link, and gives those about the link.
async fn until_disconnected(events: &mut Events, peer: &NodeName) -> Vec<Event> {
    let mut seen = Vec::new();
    within(async {
        loop {
            let event = events.next().await.unwrap();
            // Whoever is disconnected may have it reported as an error of the connection.
            let is_last = matches!(
                &event,
                Event::Down { reason, .. } if *reason != DownReason::Replaced
            );
            seen.push(event);
            if is_last {
                return;
            }
        }
    })
    .await;
    assert!(
        matches!(&seen[0], Event::Up { peer: up, .. } if up == peer),
        "{seen:?}"
    );
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_connect_to_each_other_at_once_have_one_link() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, cluster.start("b").await);
    let (mut a_events, mut b_events) = (a.events(), b.events());
    let barrier = Arc::new(Barrier::new(2));

    for round in 0..ROUNDS {
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
        for node in [&a, &b] {
            assert_eq!(node.peers().len(), 1, "round {round}");
        }
        a.disconnect(b.name());
        for (events, peer) in [(&mut a_events, b.name()), (&mut b_events, a.name())] {
            let seen = until_disconnected(events, peer).await;
            assert_eq!(seen.len(), 2, "round {round}: {seen:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_connect_from_both_sides_are_all_answered() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, cluster.start("b").await);
    let barrier = Arc::new(Barrier::new(2));

    for _ in 0..ROUNDS {
        let (mut a_events, mut b_events) = (a.events(), b.events());
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
        a.disconnect(b.name());
        down(&mut a_events, b.name()).await;
        down(&mut b_events, a.name()).await;
    }
}
