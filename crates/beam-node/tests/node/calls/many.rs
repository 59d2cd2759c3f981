//! Many calls at a time.

use std::{collections::HashSet, sync::Arc};

use beam_node::{Export, Limits};
use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinSet};

use crate::support::{Cluster, connect, eventually, within};

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_share_one_connection_and_are_all_answered() {
    const CALLS: u64 = 10_000;
    let cluster = Cluster::new();
    let limits = Limits {
        calls_per_peer: CALLS as usize,
        served_per_peer: CALLS as usize,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits.clone()).start())
        .await
        .unwrap();
    let b = within(cluster.builder("b").limits(limits).start())
        .await
        .unwrap();
    connect(&a, &b).await;
    // None is answered before all have arrived.
    let all = Arc::new(tokio::sync::Barrier::new(CALLS as usize));
    b.export("math", "square", move |n: u64| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            n * n
        }
    })
    .unwrap();

    let mut calls = JoinSet::new();
    for n in 0..CALLS {
        let call = a.call::<u64, _>(b.name(), ("math", "square"), (n,));
        calls.spawn(async move { (n, call.timeout(crate::support::PATIENCE).await) });
    }
    let mut answered = HashSet::new();
    while let Some(call) = within(calls.join_next()).await {
        let (n, square) = call.unwrap();
        assert_eq!(square.unwrap(), n * n);
        answered.insert(n);
    }

    assert_eq!(answered.len() as u64, CALLS);
    assert_eq!((a.calling(), a.peers()[0].calling), (0, 0));
    eventually(|| b.serving() == 0 && b.peers()[0].serving == 0).await;
    assert_eq!((a.peers().len(), b.peers().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_and_large_calls_in_both_directions_get_their_own_answers() {
    let (a, b) = Cluster::new().pair().await;
    let mut calls = JoinSet::new();
    for node in [&a, &b] {
        node.export("echo", "bytes", async |n: u32, bytes: Bytes| (n, bytes))
            .unwrap();
    }
    for (caller, callee) in [(&a, &b), (&b, &a)] {
        for n in 0..100_u32 {
            // From a few bytes to what takes several fragments.
            let bytes = Bytes::from(vec![n as u8; 7 << (n % 16)]);
            let arguments = (n, bytes.clone());
            let call = caller.call::<(u32, Bytes), _>(callee.name(), ("echo", "bytes"), arguments);
            calls.spawn(async move { (n, bytes, call.await) });
        }
    }
    while let Some(call) = within(calls.join_next()).await {
        let (n, bytes, back) = call.unwrap();
        assert!(back.unwrap() == (n, bytes));
    }
    assert_eq!((a.calling(), b.calling()), (0, 0));
    eventually(|| a.serving() == 0 && b.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_run_and_are_not_answered() {
    let (a, b) = Cluster::new().pair().await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    b.export("log", "line", move |n: u64| {
        let sent = sender.send(n).is_ok();
        async move { sent }
    })
    .unwrap();

    for n in 0..1000_u64 {
        within(a.cast(b.name(), ("log", "line"), (n,)))
            .await
            .unwrap();
    }
    within(a.cast(b.name(), ("log", "nothing"), ()))
        .await
        .unwrap();

    let mut arrived = HashSet::new();
    while arrived.len() < 1000 {
        arrived.insert(within(receiver.recv()).await.unwrap());
    }
    assert_eq!(a.calling(), 0);
    eventually(|| b.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocking_functions_do_not_hold_up_others() {
    let (a, b) = Cluster::new().pair().await;
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    b.register(Export::blocking("busy", "work", move |n: u64| {
        released.lock().unwrap().recv().unwrap();
        n + 1
    }))
    .unwrap();
    b.register(Export::blocking("busy", "panic", || {
        if true {
            panic!("on a thread of its own")
        }
    }))
    .unwrap();
    b.export("quick", "work", async |n: u64| n).unwrap();

    let mut blocked = JoinSet::new();
    for n in 0..8 {
        let call = a.call::<u64, _>(b.name(), ("busy", "work"), (n,));
        blocked.spawn(async move { (n, call.await) });
    }
    for n in 0..100 {
        let quick: u64 = within(a.call(b.name(), ("quick", "work"), (n,)))
            .await
            .unwrap();
        assert_eq!(quick, n);
    }
    let panic = within(a.call::<u64, _>(b.name(), ("busy", "panic"), ()))
        .await
        .unwrap_err();
    assert!(panic.exception().is_some());

    (0..8).for_each(|_| release.send(()).unwrap());
    while let Some(call) = within(blocked.join_next()).await {
        let (n, result) = call.unwrap();
        assert_eq!(result.unwrap(), n + 1);
    }
}
