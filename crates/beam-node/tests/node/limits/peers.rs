//! How many peers there may be.

use beam_dist::handshake::HandshakeError;
use beam_node::{Cause, ConnectError, Limits, Node};

use crate::support::{Cluster, Warnings, connect, eventually, refused, up, within};

/// A node that takes two peers, which has these.
async fn full(cluster: &Cluster) -> (Node, [Node; 2]) {
    let limits = Limits {
        connected_peers: 2,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let peers = [cluster.start("b").await, cluster.start("c").await];
    for peer in &peers {
        connect(peer, &a).await;
    }
    (a, peers)
}

#[tokio::test]
async fn a_peer_more_than_there_may_be_is_refused_and_told_of() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let (a, [b, c]) = full(&cluster).await;
    let d = cluster.start("d").await;
    let mut events = a.events();

    let error = within(d.ping(a.name())).await.unwrap_err();

    let told = HandshakeError::NotAllowed {
        peer: a.name().clone(),
    };
    assert!(
        matches!(error.cause(), Cause::NotConnected(ConnectError::Handshake(reason)) if *reason == told),
        "{error:?}"
    );
    let (peer, reason) = refused(&mut events).await;
    assert_eq!(peer, *d.name());
    let too_many = ConnectError::TooManyPeers {
        peer: d.name().clone(),
        limit: 2,
    };
    assert_eq!(reason, too_many);
    assert_eq!(warnings.count("raise the limit `connected_peers`"), 1);
    // Those that are there are none the worse for it, and one that goes makes room.
    within(b.ping(a.name())).await.unwrap();
    assert!(c.disconnect(a.name()));
    eventually(|| a.peers().len() == 1).await;
    within(d.ping(a.name())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_may_connect_anew_where_there_is_no_room_for_others() {
    let cluster = Cluster::new();
    let (a, [b, _c]) = full(&cluster).await;
    let mut events = a.events();

    // It claims to know nothing of the connection that there still is.
    let anew = cluster.raw_peer(&a, "b").await;

    assert_eq!(anew.name(), b.name());
    within(up(&mut events, anew.name())).await;
    assert_eq!(a.peers().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_connects_to_others_however_many_it_has() {
    let cluster = Cluster::new();
    let (a, _peers) = full(&cluster).await;
    let d = cluster.start("d").await;

    within(a.ping(d.name())).await.unwrap();

    assert_eq!(a.peers().len(), 3);
}
