//! Configured peers that go away and come back.

use beam_node::{DownReason, Event};

use crate::support::{Cluster, connect_failed, down, up, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_peer_is_connected_again_whenever_it_comes_back() {
    let cluster = Cluster::new();
    let a = within(cluster.builder("a").peer("b@127.0.0.1").start())
        .await
        .unwrap();
    let mut events = a.events();
    let name = "b@127.0.0.1".parse().unwrap();

    // It need not be there at the start.
    assert_eq!(connect_failed(&mut events).await.0, name);
    let mut counted = a.events();
    let mut came = 0;
    for is_orderly in [true, false, true] {
        let b = cluster.start_again("b").await;
        up(&mut events, &name).await;
        came += 1;
        within(b.call::<(), _>(a.name(), ("erlang", "nodes"), (42,)))
            .await
            .unwrap_err();
        if is_orderly {
            within(b.shutdown()).await.unwrap();
        }
        drop(b);
        assert_eq!(down(&mut events, &name).await, DownReason::Closed);
        // It is looked for while it is away.
        assert_eq!(connect_failed(&mut events).await.0, name);
    }

    let (mut ups, mut downs) = (0, 0);
    within(async {
        while downs < came {
            match counted.next().await.unwrap() {
                Event::Up { .. } => ups += 1,
                Event::Down { .. } => downs += 1,
                _ => {}
            }
        }
    })
    .await;
    assert_eq!((ups, downs), (came, came));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_peer_that_is_disconnected_is_connected_again() {
    let cluster = Cluster::new();
    let b = cluster.start("b").await;
    let mut b_events = b.events();
    let a = within(cluster.builder("a").peer(b.name().as_str()).start())
        .await
        .unwrap();
    up(&mut b_events, a.name()).await;

    for _ in 0..3 {
        assert!(b.disconnect(a.name()));
        assert_eq!(
            down(&mut b_events, a.name()).await,
            DownReason::Disconnected
        );
        up(&mut b_events, a.name()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_configured_is_connected_again_by_a_call_only() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let mut events = a.events();
    assert!(b.disconnect(a.name()));
    down(&mut events, b.name()).await;
    assert!(a.peers().is_empty());

    within(a.ping(b.name())).await.unwrap();

    up(&mut events, b.name()).await;
}
