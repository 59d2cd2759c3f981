//! Peers by network.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use beam_node::{Cause, ConnectError, Error, Event, Listen};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket},
};

use crate::support::{Cluster, Warnings, connect, within};

// Only Linux has the whole of 127.0.0.0/8 without further ado.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_from_a_network_that_is_not_allowed_is_closed_unread() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let builder = cluster.builder("a").allow_networks(["127.0.0.1", "::1"]);
    let a = within(builder.start()).await.unwrap();
    let mut events = a.events();
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
    assert_eq!(warnings.count("none of the allowed networks"), 1);
    assert_eq!(warnings.count("127.0.0.2:"), 1);
    let told = within(events.next()).await.unwrap();
    let Event::Refused {
        address,
        claimed: None,
        reason,
    } = told
    else {
        panic!("{told:?}");
    };
    assert_eq!(address.ip(), Ipv4Addr::new(127, 0, 0, 2));
    assert_eq!(reason, ConnectError::AddressNotAllowed(address.ip()));

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

    let Cause::NotConnected(ConnectError::NetworkNotAllowed { with, address }) = error.cause()
    else {
        panic!("{error:?}");
    };
    assert_eq!(with, b.name().as_str());
    assert_eq!(*address, Ipv4Addr::LOCALHOST);
    assert!(error.message.contains("allowed networks"), "{error}");
    assert!(b.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epmd_in_a_network_that_is_not_allowed_is_not_asked() {
    let cluster = Cluster::new();
    let epmd = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = epmd.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        // Counted before whoever asks sees that nothing more comes.
        while let Ok(_asking) = epmd.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let start = async |network| {
        let builder = cluster
            .builder("a")
            .listen(Listen::Off)
            .epmd_port(port)
            .host("127.0.0.1")
            .discovery_interval(Duration::from_millis(10))
            .allow_networks([network]);
        within(builder.start()).await.unwrap()
    };
    let not_connected = |error: Error| match error.cause() {
        Cause::NotConnected(error) => error.clone(),
        other => panic!("{other:?}"),
    };

    let a = start("10.0.0.0/8").await;
    // The name of the node itself was looked up, which is not that of a peer.
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    within(a.settled(Duration::from_secs(20))).await.unwrap();
    let error = within(a.ping("b@127.0.0.1")).await.unwrap_err();
    let refused = ConnectError::NetworkNotAllowed {
        with: "b@127.0.0.1".into(),
        address: Ipv4Addr::LOCALHOST.into(),
    };
    assert_eq!(not_connected(error), refused);
    within(a.shutdown()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    // It is asked where it may be, so that the test would see it.
    let a = start("127.0.0.1").await;
    let error = within(a.ping("b@127.0.0.1")).await.unwrap_err();
    assert!(matches!(not_connected(error), ConnectError::NoEpmd { .. }));
    assert!(asked.load(Ordering::SeqCst) > 2);
}
