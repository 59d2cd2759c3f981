//! What goes over a link with TLS.

use std::sync::Arc;

use beam_node::{CallContext, DownReason, Node};
use beam_term::Term;
use bytes::Bytes;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{HOST, start};
use crate::support::{Authority, Cluster, connect, down, eventually, up, within};

async fn pair(cluster: &Cluster, authority: &Authority) -> (Node, Node) {
    let tls = authority.tls(HOST);
    let a = start(cluster, "a", tls.clone()).await;
    let b = start(cluster, "b", tls).await;
    connect(&a, &b).await;
    (a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_call_each_other_and_share_groups() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let (a, b) = pair(&cluster, &authority).await;
    assert!(a.has_tls() && b.has_tls());
    for (caller, callee) in [(&a, &b), (&b, &a)] {
        callee
            .export("math", "double", async |n: i64| 2 * n)
            .unwrap();
        let double: i64 = within(caller.call(callee.name(), ("math", "double"), (21,)))
            .await
            .unwrap();
        assert_eq!(double, 42);
        within(caller.ping(callee.name())).await.unwrap();
    }

    let group = Term::atom("workers");
    let mut members = a.watch_members(group.clone());
    let _membership = b.join(group).unwrap();
    within(members.wait_for(|members| members.contains(b.name())))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_of_a_node_may_be_a_name_or_an_address_of_either_kind() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    for host in ["localhost", "127.0.0.1", "::1"] {
        let tls = authority.tls(host);
        let start = async |alive: &str| {
            let builder = cluster.builder_at(&format!("{alive}@{host}"));
            within(builder.tls(tls.clone()).start()).await.unwrap()
        };
        let (a, b) = (start("a").await, start("b").await);
        connect(&a, &b).await;
        within(b.ping(a.name())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_may_connect_at_once() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let tls = authority.tls(HOST);
    let a = start(&cluster, "a", tls.clone()).await;
    let b = start(&cluster, "b", tls).await;
    for _ in 0..20 {
        let (mut a_events, mut b_events) = (a.events(), b.events());
        let (ours, theirs) =
            within(async { tokio::join!(a.connect(b.name()), b.connect(a.name())) }).await;
        ours.unwrap();
        theirs.unwrap();
        // The connection that has precedence may be the second one, and take the place of the first.
        within(async { while a.ping(b.name()).await.is_err() {} }).await;
        within(async { while b.ping(a.name()).await.is_err() {} }).await;
        assert!(a.disconnect(b.name()));
        down(&mut a_events, b.name()).await;
        down(&mut b_events, a.name()).await;
        // The other connection may be made in the end, as there is none any more that stands against
        // it; but then both nodes have it.
        eventually(|| {
            a.disconnect(b.name());
            a.peers().is_empty() && b.peers().is_empty()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_many_records_arrive_beside_small_ones() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let (a, b) = pair(&cluster, &authority).await;
    let mut calls = JoinSet::new();
    for node in [&a, &b] {
        node.export("echo", "bytes", async |n: u32, bytes: Bytes| (n, bytes))
            .unwrap();
    }
    for (caller, callee) in [(&a, &b), (&b, &a)] {
        for n in 0..200_u32 {
            // From a few bytes to 1 MiB.
            let bytes = Bytes::from(vec![n as u8; 8 << (n % 18)]);
            let arguments = (n, bytes.clone());
            let call = caller.call::<(u32, Bytes), _>(callee.name(), ("echo", "bytes"), arguments);
            let call = call.timeout(crate::support::PATIENCE);
            calls.spawn(async move { (n, bytes, call.await) });
        }
    }
    while let Some(call) = within(calls.join_next()).await {
        let (n, bytes, back) = call.unwrap();
        assert!(back.unwrap() == (n, bytes));
    }
    eventually(|| a.serving() == 0 && b.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_calls_are_all_answered() {
    const CALLERS: u64 = 64;
    const CALLS: u64 = 200;
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let (a, b) = pair(&cluster, &authority).await;
    b.export("math", "square", async |n: u64| n * n).unwrap();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (a, b) = (a.clone(), b.name().clone());
        callers.spawn(async move {
            for n in caller..caller + CALLS {
                let square: u64 = a.call(&b, ("math", "square"), (n,)).await.unwrap();
                assert_eq!(square, n * n);
            }
        });
    }
    within(async {
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
    })
    .await;
    assert_eq!(a.calling(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_served_at_shutdown_are_answered() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let (a, b) = pair(&cluster, &authority).await;
    let open = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&open);
    b.export("gate", "pass", move || {
        let open = Arc::clone(&waiting);
        async move {
            open.acquire().await.unwrap().forget();
            // It fills more records than there is room for in any buffer of TLS.
            vec![7_u64; 1 << 20]
        }
    })
    .unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let call = a.call::<Vec<u64>, _>(b.name(), ("gate", "pass"), ());
        calls.spawn(async move { call.timeout(crate::support::PATIENCE).await });
    }
    eventually(|| b.serving() == 4).await;

    let mut events = a.events();
    let stopping = tokio::spawn({
        let b = b.clone();
        async move { b.shutdown().await }
    });
    open.add_permits(4);

    while let Some(call) = within(calls.join_next()).await {
        assert_eq!(call.unwrap().unwrap().len(), 1 << 20);
    }
    assert_eq!(down(&mut events, b.name()).await, DownReason::Closed);
    within(stopping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_casts_before_a_shutdown_arrive() {
    const CASTS: usize = 500;
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let (a, b) = pair(&cluster, &authority).await;
    let (sender, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    b.export("sink", "take", move |bytes: Bytes| {
        let sender = sender.clone();
        async move { sender.send(bytes.len()).unwrap() }
    })
    .unwrap();
    let bytes = Bytes::from(vec![7; 10_000]);
    for _ in 0..CASTS {
        within(a.cast(b.name(), ("sink", "take"), (bytes.clone(),)))
            .await
            .unwrap();
    }
    within(a.shutdown()).await.unwrap();
    for _ in 0..CASTS {
        assert_eq!(within(arrived.recv()).await, Some(bytes.len()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_goes_without_a_word_has_closed_the_connection() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let (a, b) = pair(&cluster, &authority).await;
    b.export("slow", "wait", async |call: CallContext| {
        call.cancelled().await
    })
    .unwrap();
    let mut events = a.events();
    let call = a.call::<Term, _>(b.name(), ("slow", "wait"), ());
    let call = tokio::spawn(async move { call.await });
    eventually(|| b.serving() == 1).await;

    let name = b.name().clone();
    drop(b);

    let error = within(call).await.unwrap().unwrap_err();
    assert!(error.may_have_run());
    assert_eq!(down(&mut events, &name).await, DownReason::Closed);
    let again = within(async {
        loop {
            let again = cluster.builder("b").tls(authority.tls(HOST));
            if let Ok(again) = again.start().await {
                return again;
            }
        }
    })
    .await;
    within(a.connect(again.name())).await.unwrap();
    up(&mut events, again.name()).await;
}
