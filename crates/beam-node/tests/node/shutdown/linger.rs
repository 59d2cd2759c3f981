//! How long a node that was a member waits for late calls.

use std::time::Duration;

use beam_dist::control::SpawnReply;
use beam_node::{CallContext, Node};
use beam_term::Term;

use crate::support::{Cluster, within};

const GROUP: Term = Term::atom("workers");

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(1_000_000);

async fn start(cluster: &Cluster, linger: Duration) -> Node {
    let builder = cluster.builder("b").drain_linger(linger);
    let node = within(builder.drain_timeout(LONG).start()).await.unwrap();
    node.export("quick", "work", async || 7).unwrap();
    node
}

fn shut_down(node: &Node) -> tokio::task::JoinHandle<Result<(), beam_node::Error>> {
    let node = node.clone();
    tokio::spawn(async move { node.shutdown().await })
}

/// Waits until a node has begun to drain.
async fn drains(node: &Node) {
    within(async {
        while let Ok(membership) = node.join(Term::atom("probe")) {
            drop(membership);
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_left_a_moment_ago_waits_as_one_that_leaves_now() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, start(&cluster, LONG).await);
    within(a.connect(b.name())).await.unwrap();
    drop(b.join(GROUP).unwrap());

    let stopping = shut_down(&b);
    drains(&b).await;

    for _ in 0..20 {
        let late: i32 = within(a.call(b.name(), ("quick", "work"), ()))
            .await
            .unwrap();
        assert_eq!(late, 7);
    }
    assert!(!stopping.is_finished());
    stopping.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_shutdown_waits_for_the_first() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, start(&cluster, LONG).await);
    within(a.connect(b.name())).await.unwrap();
    let _membership = b.join(GROUP).unwrap();
    let first = shut_down(&b);
    drains(&b).await;

    let second = shut_down(&b);

    for _ in 0..20 {
        let late: i32 = within(a.call(b.name(), ("quick", "work"), ()))
            .await
            .unwrap();
        assert_eq!(late, 7);
    }
    assert!(!first.is_finished() && !second.is_finished());
    first.abort();
    second.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_that_nobody_waits_for_goes_on() {
    let cluster = Cluster::new();
    let b = start(&cluster, Duration::ZERO).await;
    b.export("slow", "wait", async |call: CallContext| {
        call.cancelled().await;
    })
    .unwrap();
    let mut events = b.events();
    let mut peer = cluster.raw_peer(&b, "raw").await;
    let request = peer.reference(1);
    peer.call(&request, ("slow", "wait"), []).await;
    let SpawnReply { result, .. } = peer.spawn_reply().await;
    result.unwrap();
    let stopping = shut_down(&b);
    drains(&b).await;

    stopping.abort();
    assert!(within(stopping).await.unwrap_err().is_cancelled());
    drop(peer);

    within(async { while events.next().await.is_some() {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_calls_are_no_calls_that_were_lost() {
    let cluster = Cluster::new();
    let builder = cluster.builder("b").drain_linger(LONG);
    let b = within(builder.drain_timeout(Duration::from_millis(100)).start())
        .await
        .unwrap();
    let _membership = b.join(GROUP).unwrap();

    within(b.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_wait_for_what_it_asks_itself() {
    let cluster = Cluster::new();
    // Less than it waits for such an answer otherwise.
    let builder = cluster
        .builder("b")
        .discovery(true)
        .drain_timeout(Duration::from_secs(3));
    let b = within(builder.start()).await.unwrap();
    let mut peer = cluster.raw_peer(&b, "raw").await;
    peer.spawn_request().await;
    assert_eq!(b.calling(), 1);

    within(b.shutdown()).await.unwrap();
}
