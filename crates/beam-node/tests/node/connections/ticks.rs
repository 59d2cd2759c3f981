//! Signs of life.

use std::time::Duration;

use beam_node::{DownReason, Event, Events, Node};

use crate::support::{Cluster, connect, down, within};

async fn start(cluster: &Cluster, alive: &str, net_ticktime: Duration) -> Node {
    let builder = cluster.builder(alive).net_ticktime(net_ticktime);
    within(builder.start()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_says_nothing_is_given_up() {
    let cluster = Cluster::new();
    let ticktime = Duration::from_millis(400);
    let a = start(&cluster, "a", ticktime).await;
    let mut events = a.events();
    let mut silent = cluster.raw_peer(&a, "raw").await;

    match down(&mut events, silent.name()).await {
        DownReason::Silent(after) => assert!(after > ticktime, "{after:?}"),
        other => panic!("{other:?}"),
    }
    assert!(a.peers().is_empty());
    silent.closed().await;
}

/// Fails if a link went down.
async fn assert_no_down(events: &mut Events) {
    while let Some(Some(event)) = poll_once(events.next()).await {
        assert!(!matches!(event, Event::Down { .. }), "{event:?}");
    }
}

/// What is there already.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_carry_nothing_else_live_by_their_ticks() {
    // Long enough for a busy machine to tick in time.
    const TICKTIME: Duration = Duration::from_secs(2);
    const TICKS_PER_TICKTIME: usize = 4;
    let cluster = Cluster::new();
    let a = start(&cluster, "a", TICKTIME).await;
    let b = start(&cluster, "b", TICKTIME).await;
    connect(&a, &b).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mut events = [a.events(), b.events()];

    // A quarter of the time passes between two ticks, and silence ends a link after five.
    for _ in 0..2 * TICKS_PER_TICKTIME {
        peer.read_tick().await;
        peer.write_tick().await;
    }

    within(a.ping(b.name())).await.unwrap();
    peer.settle().await;
    for events in &mut events {
        assert_no_down(events).await;
    }
}
