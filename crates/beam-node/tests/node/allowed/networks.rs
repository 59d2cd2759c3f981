//! Peers by network.

use std::net::SocketAddr;

use beam_node::{Cause, ConnectError};
use tokio::{io::AsyncReadExt, net::TcpSocket};

use crate::support::{Cluster, Warnings, connect, within};

// Only Linux has the whole of 127.0.0.0/8 without further ado.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_from_a_network_that_is_not_allowed_is_closed_unread() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let builder = cluster.builder("a").allow_networks(["127.0.0.1", "::1"]);
    let a = within(builder.start()).await.unwrap();
    let address = cluster.address(a.name()).await;

    for _ in 0..3 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        let mut stream = within(socket.connect(address)).await.unwrap();
        let mut said = Vec::new();
        // Nothing was sent that could be lost.
        within(stream.read_to_end(&mut said)).await.unwrap();
        assert_eq!(said, b"");
    }
    assert_eq!(warnings.count("none of `allow_networks`"), 1);
    assert_eq!(warnings.count("127.0.0.2:"), 1);

    let b = cluster.start("b").await;
    connect(&b, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_in_a_network_that_is_not_allowed_is_not_dialled() {
    let cluster = Cluster::new();
    let builder = cluster.builder("a").allow_networks(["10.0.0.0/8", "::1"]);
    let a = within(builder.start()).await.unwrap();
    let b = cluster.start("b").await;

    let error = within(a.ping(b.name())).await.unwrap_err();

    let Cause::NotConnected(ConnectError::NetworkNotAllowed { node, address }) = error.cause()
    else {
        panic!("{error:?}");
    };
    assert_eq!(node, b.name());
    assert_eq!(*address, cluster.address(b.name()).await);
    assert!(error.message.contains("allow_networks"), "{error}");
    assert!(b.peers().is_empty());
}
