//! Connections that have not shown that they know the cookie.

use std::time::Duration;

use beam_node::{Cause, ConnectError, Limits};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

use crate::support::{Cluster, connect, within};

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_say_nothing_keep_nobody_out() {
    let cluster = Cluster::new();
    let limits = Limits {
        unauthenticated_connections: 2,
        handshake_ms: 1_000_000,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let address = cluster.address(a.name()).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }

    let b = cluster.start("b").await;
    within(b.connect(a.name())).await.unwrap();

    // Two are left in the places that they have.
    for stranger in &mut silent[..8] {
        let end = within(stranger.read_u8()).await.unwrap_err();
        assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof);
    }
    // Those that are through the handshake do not count.
    let (c, d) = (cluster.start("c").await, cluster.start("d").await);
    for node in [&c, &d] {
        within(node.connect(a.name())).await.unwrap();
    }
    within(a.ping(b.name())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_may_take_only_so_long() {
    let cluster = Cluster::new();
    let limits = Limits {
        handshake_ms: 100,
        ..Limits::default()
    };
    // One who connects and says nothing.
    let a = within(cluster.builder("a").limits(limits.clone()).start())
        .await
        .unwrap();
    let mut silent = TcpStream::connect(cluster.address(a.name()).await)
        .await
        .unwrap();
    let mut rest = Vec::new();
    assert_eq!(within(silent.read_to_end(&mut rest)).await.unwrap(), 0);

    // One who accepts and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let b = within(
        cluster
            .builder("b")
            .limits(limits)
            .address("silent@127.0.0.1", listener.local_addr().unwrap())
            .start(),
    )
    .await
    .unwrap();
    let error = within(b.connect("silent@127.0.0.1")).await.unwrap_err();
    let Cause::NotConnected(ConnectError::TimedOut { after, .. }) = error.cause() else {
        panic!("{error:?}")
    };
    assert_eq!(*after, Duration::from_millis(100));
    assert!(!error.may_have_run());
    connect(&b, &a).await;
}
