//! What others see of a node that drains.

use beam_dist::handshake::HandshakeError;
use beam_node::{Cause, ConnectError, Node};
use beam_term::Term;
use tokio::sync::oneshot;

use crate::support::{Cluster, PATIENCE, connect, within};

const GROUP: Term = Term::atom("workers");

/// Has `b` serve a call of `a` that ends when the sender is used.
async fn occupy(a: &Node, b: &Node) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (started, has_started) = oneshot::channel();
    let (finish, finished) = oneshot::channel();
    let once = std::sync::Arc::new(std::sync::Mutex::new(Some((started, finished))));
    b.export("slow", "work", move || {
        let (started, finished) = once.lock().unwrap().take().unwrap();
        async move {
            started.send(()).unwrap();
            finished.await.unwrap();
        }
    })
    .unwrap();
    let call = tokio::spawn({
        let call = a.call::<(), _>(b.name(), ("slow", "work"), ());
        async move { call.await.unwrap() }
    });
    within(has_started).await.unwrap();
    (finish, call)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_drains_has_left_its_groups_and_takes_no_newcomers() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let _memberships = [
        a.join(GROUP).unwrap(),
        b.join(GROUP).unwrap(),
        b.join(GROUP).unwrap(),
    ];
    let mut published = b.publish(Term::atom("region"), 1).unwrap();
    within(a.wait_for_members(GROUP, 2, PATIENCE))
        .await
        .unwrap();
    let (finish, call) = occupy(&a, &b).await;

    let stopping = tokio::spawn({
        let b = b.clone();
        async move { b.shutdown().await }
    });

    let mut view = a.watch_members(GROUP);
    within(view.wait_for(|members| !members.contains(b.name())))
        .await
        .unwrap();
    // It serves on, and is connected.
    assert_eq!((b.serving(), a.peers().len()), (1, 1));
    assert!(!b.members(&GROUP).contains(b.name()));
    // What it published is gone for good as well.
    assert!(published.set(2).is_err() && b.publish(Term::atom("zone"), 1).is_err());
    let mut regions = a.watch_published(Term::atom("region"));
    within(regions.wait_for(|regions| regions.is_empty()))
        .await
        .unwrap();

    let newcomer = cluster.start("c").await;
    connect(&newcomer, &a).await;
    let members = within(newcomer.wait_for_members(GROUP, 1, PATIENCE))
        .await
        .unwrap();
    assert!(members.nodes().eq([a.name()]));
    let error = within(newcomer.connect(b.name())).await.unwrap_err();
    assert!(
        matches!(
            error.cause(),
            Cause::NotConnected(ConnectError::Handshake(HandshakeError::NotAllowed { .. }))
        ),
        "{error:?}"
    );

    finish.send(()).unwrap();
    within(call).await.unwrap();
    within(stopping).await.unwrap().unwrap();
    assert!(newcomer.members(&GROUP).nodes().eq([a.name()]));
}
