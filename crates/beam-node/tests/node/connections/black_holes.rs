//! Peers that cannot be reached, and never say so: every call ends by its deadline.

use std::{net::SocketAddr, time::Duration};

use beam_dist::{
    NodeName,
    epmd::{NodeKind, Registration},
};
use beam_node::{Cause, Code, ConnectError, Limits, Node, NodeBuilder, WaitingFor};
use beam_term::Term;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::Instant,
};

use crate::support::{Cluster, within};

/// Short enough to be waited for.
const SHORT: Duration = Duration::from_millis(200);

/// A place whose queue of connections is full: what is sent there is dropped.
struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    async fn open() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        // The operating system takes one or two more than it is asked for.
        while let Ok(connected) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
            queued.push(connected.unwrap());
            assert!(queued.len() < 64, "connections are taken without a bound");
        }
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }
}

/// A node that would wait for a connection for much longer than the test.
async fn start(builder: NodeBuilder) -> Node {
    let limits = Limits {
        handshake_ms: 3_600_000,
        ..Limits::default()
    };
    within(builder.limits(limits).start()).await.unwrap()
}

async fn assert_ends_by_its_deadline(node: &Node, peer: &str, expected: WaitingFor) {
    let assert_timed_out = |error: beam_node::Error| {
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(!error.may_have_run());
        assert!(
            matches!(
                error.cause(),
                Cause::NotConnected(ConnectError::TimedOut { waiting_for, .. })
                    if *waiting_for == expected
            ),
            "{error:?}"
        );
    };
    let begun = Instant::now();
    let call = node.call::<Term, _>(peer, ("m", "f"), ()).timeout(SHORT);
    assert_timed_out(within(call).await.unwrap_err());
    assert!(begun.elapsed() >= SHORT);
    assert_timed_out(
        within(node.cast(peer, ("m", "f"), ()).timeout(SHORT))
            .await
            .unwrap_err(),
    );
    let peer = node.peer(peer).unwrap();
    assert_timed_out(within(peer.connect(SHORT)).await.unwrap_err());
    assert_timed_out(within(peer.ping(SHORT)).await.unwrap_err());
    // One that came to wait in the middle of the same attempt ends at its own.
    let call = peer.call::<Term, _>(("m", "f"), ());
    let error = within(call.until(Instant::now() + SHORT))
        .await
        .unwrap_err();
    assert!(matches!(error.cause(), Cause::NotConnected(_)), "{error:?}");
    assert_eq!(node.calling(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_an_address_that_swallows_packets_ends_by_its_deadline() {
    let cluster = Cluster::new();
    let hole = BlackHole::open().await;
    let node = cluster.builder("a").address("hole@127.0.0.1", hole.address);
    let node = start(node).await;
    assert_ends_by_its_deadline(&node, "hole@127.0.0.1", WaitingFor::Node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_peer_that_says_nothing_in_its_handshake_ends_by_its_deadline() {
    let cluster = Cluster::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let name: NodeName = "silent@127.0.0.1".parse().unwrap();
    let registration = Registration::new((&name).into(), port, NodeKind::Visible);
    let _registered = cluster.register(registration).await;
    let node = start(cluster.builder("a")).await;
    assert_ends_by_its_deadline(&node, name.as_str(), WaitingFor::Node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_name_that_nobody_resolves_ends_by_its_deadline() {
    let cluster = Cluster::new();
    // The node asks the EPMD of the peer's host, which takes the question and is silent.
    let silent = TcpListener::bind(("127.0.0.2", cluster.epmd_port()))
        .await
        .unwrap();
    let node = start(cluster.builder("a")).await;
    let epmd = WaitingFor::Epmd {
        host: "127.0.0.2".to_owned(),
        port: cluster.epmd_port(),
    };
    assert_ends_by_its_deadline(&node, "b@127.0.0.2", epmd).await;
    drop(silent);
}
