//! Calls that wait for an answer, on either side.

use std::sync::Arc;

use beam_node::{CallContext, Cause, Code, Error, Limits, Node};
use beam_term::Term;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use crate::support::{Cluster, eventually, within};

fn call(from: &Node, to: &impl AsRef<str>) -> JoinHandle<Result<Term, Error>> {
    let call = from.call::<Term, _>(to, ("slow", "wait"), ());
    tokio::spawn(async move { call.await })
}

/// Exports `slow:wait/0`, and tells when it runs.
fn export_wait(node: &Node) -> mpsc::UnboundedReceiver<()> {
    let (started, receiver) = mpsc::unbounded_channel();
    node.export("slow", "wait", move |context: CallContext| {
        started.send(()).unwrap();
        async move { context.cancelled().await }
    })
    .unwrap();
    receiver
}

fn assert_limit(error: &Error, name: &str) {
    assert_eq!(error.code, Code::TooManyRequests, "{error}");
    assert!(
        matches!(error.cause(), Cause::Limit(limit) if *limit == name),
        "{error:?}"
    );
    assert!(error.message.contains(name), "{error}");
    assert!(!error.may_have_run());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_one_peer_are_limited() {
    let cluster = Cluster::new();
    let limits = Limits {
        calls_per_peer: 2,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let other = cluster.start("other").await;
    let calls = [call(&a, peer.name()), call(&a, peer.name())];
    peer.spawn_request().await;
    peer.spawn_request().await;

    let error = within(call(&a, peer.name())).await.unwrap().unwrap_err();
    assert_limit(&error, "calls_per_peer");
    assert_eq!((a.calling(), a.peers()[0].calling), (2, 2));
    within(a.call::<Term, _>(other.name(), ("erlang", "node"), ()))
        .await
        .unwrap();

    calls[0].abort();
    eventually(|| a.calling() == 1).await;
    let third = call(&a, peer.name());
    peer.spawn_request().await;
    third.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_all_peers_are_limited() {
    let cluster = Cluster::new();
    let limits = Limits {
        calls_per_node: 2,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let mut first = cluster.raw_peer(&a, "first").await;
    let mut second = cluster.raw_peer(&a, "second").await;
    let calls = [call(&a, first.name()), call(&a, second.name())];
    first.spawn_request().await;
    second.spawn_request().await;

    let error = within(call(&a, first.name())).await.unwrap().unwrap_err();
    assert_limit(&error, "calls_per_node");
    assert_eq!((a.calling(), a.peers()[0].calling), (2, 1));

    calls[1].abort();
    eventually(|| a.calling() == 1).await;
    let third = call(&a, first.name());
    first.spawn_request().await;
    third.abort();
}

/// A node with these limits, on which `b` has two calls run, and another peer.
async fn serving_two(cluster: &Cluster, limits: Limits) -> (Node, Node, Node) {
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let mut started = export_wait(&a);
    let (b, c) = (cluster.start("b").await, cluster.start("c").await);
    for _ in 0..2 {
        drop(call(&b, a.name()));
        within(started.recv()).await.unwrap();
    }
    a.export("quick", "work", async || 7).unwrap();
    (a, b, c)
}

async fn quick(from: &Node, to: &Node) -> Result<i32, Error> {
    within(from.call(to.name(), ("quick", "work"), ())).await
}

fn assert_refused(error: &Error) {
    assert_eq!(error.code, Code::TooManyRequests, "{error}");
    assert!(matches!(error.cause(), Cause::Refused(reason) if *reason == "system_limit"));
    assert!(!error.may_have_run());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_served_for_one_peer_are_limited() {
    let cluster = Cluster::new();
    let limits = Limits {
        served_per_peer: 2,
        ..Limits::default()
    };
    let (a, b, c) = serving_two(&cluster, limits).await;

    assert_refused(&quick(&b, &a).await.unwrap_err());
    assert_eq!(a.serving(), 2);
    assert_eq!(quick(&c, &a).await.unwrap(), 7);
    assert_eq!(quick(&a, &a).await.unwrap(), 7);

    assert!(b.disconnect(a.name()));
    eventually(|| a.serving() == 0).await;
    assert_eq!(quick(&b, &a).await.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_served_for_all_peers_are_limited() {
    let cluster = Cluster::new();
    let limits = Limits {
        served_per_node: 2,
        ..Limits::default()
    };
    let (a, b, c) = serving_two(&cluster, limits).await;

    assert_refused(&quick(&b, &a).await.unwrap_err());
    assert_refused(&quick(&c, &a).await.unwrap_err());
    assert_limit(&quick(&a, &a).await.unwrap_err(), "served_per_node");
    assert_eq!(a.serving(), 2);

    assert!(b.disconnect(a.name()));
    eventually(|| a.serving() == 0).await;
    assert_eq!(quick(&c, &a).await.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_outlive_a_connection_count_for_the_next_one() {
    let cluster = Cluster::new();
    let limits = Limits {
        served_per_peer: 2,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let (started, mut running) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    a.export("slow", "work", {
        let gate = Arc::clone(&gate);
        move || {
            started.send(()).unwrap();
            let gate = Arc::clone(&gate);
            // Whoever waits for it, it goes on.
            async move { gate.acquire_owned().await.map(|_permit| 7).unwrap() }
        }
    })
    .unwrap();
    let b = cluster.start("b").await;
    let work = || b.call::<i32, _>(a.name(), ("slow", "work"), ());
    for _ in 0..2 {
        let call = work();
        drop(tokio::spawn(async move { call.await }));
        within(running.recv()).await.unwrap();
    }

    for _ in 0..3 {
        assert!(b.disconnect(a.name()));
        eventually(|| a.peers().is_empty()).await;
        assert_refused(&within(work()).await.unwrap_err());
        assert_eq!((a.serving(), a.peers()[0].serving), (2, 2));
    }

    gate.add_permits(3);
    eventually(|| a.serving() == 0).await;
    assert_eq!(within(work()).await.unwrap(), 7);
}
