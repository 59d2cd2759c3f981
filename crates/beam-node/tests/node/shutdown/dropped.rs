//! Nodes that are dropped without being shut down.

use std::net::{Ipv4Addr, TcpListener};

use beam_node::{CallContext, Cause, DownReason, Listen};
use beam_term::Term;
use tokio::sync::mpsc;

use crate::support::{Cluster, down, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_dropped_gives_up_its_name_and_its_port() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let at = cluster.address(b.name()).await;
    let mut events = a.events();
    let creation = b.creation();

    // The last handle is what counts.
    let clone = b.clone();
    drop(b);
    within(a.ping(clone.name())).await.unwrap();
    let name = clone.name().clone();
    drop(clone);

    assert_eq!(down(&mut events, &name).await, DownReason::Closed);
    let again = within(async {
        loop {
            let builder = cluster.builder("b").listen(Listen::from(at.port()));
            match builder.start().await {
                Ok(node) => return node,
                // Both are free in a moment.
                Err(error) => assert!(
                    error.message.contains("refuses the name") || error.message.contains("taken"),
                    "{error}"
                ),
            }
        }
    })
    .await;
    assert_ne!(again.creation(), creation);
    assert_eq!(cluster.address(&name).await, at);
    within(a.ping(&name)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_a_node_that_is_dropped_are_lost_and_cancelled() {
    let (a, b) = Cluster::new().pair().await;
    let (seen, mut sees) = mpsc::unbounded_channel();
    for node in [&a, &b] {
        let seen = seen.clone();
        node.export("slow", "wait", move |context: CallContext| {
            let seen = seen.clone();
            async move {
                seen.send("started").unwrap();
                context.cancelled().await;
                seen.send("cancelled").unwrap();
                // It may have been told so in good time to answer.
                std::future::pending::<()>().await;
            }
        })
        .unwrap();
    }
    let calls = [(&a, &b), (&b, &a)].map(|(from, to)| {
        let call = from.call::<Term, _>(to.name(), ("slow", "wait"), ());
        tokio::spawn(async move { call.await })
    });
    for _ in 0..2 {
        assert_eq!(within(sees.recv()).await, Some("started"));
    }

    drop(b);

    for call in calls {
        let error = within(call).await.unwrap().unwrap_err();
        assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
        assert!(error.may_have_run());
    }
    // That of the dropped node ends with it, one way or the other.
    assert_eq!(within(sees.recv()).await, Some("cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_given_up_leaves_nothing_behind() {
    let cluster = Cluster::new();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    // The port is taken, so the node cannot start.
    within(cluster.builder("b").listen(Listen::from(port)).start())
        .await
        .unwrap_err();

    let b = cluster.start("b").await;
    let a = cluster.start("a").await;
    within(a.ping(b.name())).await.unwrap();
}
