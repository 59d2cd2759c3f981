//! Names of every form, and ways to find a node without asking for its port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use beam_node::{Cause, Code, ConnectError, Epmd, Listen, Node, NodeBuilder};
use beam_term::Atom;

use crate::support::{COOKIE, Cluster, connect, down, within};

async fn call_each_other(a: &Node, b: &Node) {
    connect(a, b).await;
    for (from, to) in [(a, b), (b, a)] {
        let name: Atom = within(from.call(to.name(), ("erlang", "node"), ()))
            .await
            .unwrap();
        assert_eq!(name.as_str(), to.name().as_str());
    }
}

async fn start(cluster: &Cluster, name: &str) -> Node {
    within(cluster.builder_at(name).start()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_short_names_find_each_other() {
    let cluster = Cluster::new();
    let a = start(&cluster, "a@localhost").await;
    let b = start(&cluster, "b@localhost").await;

    assert!(!a.name().is_long());
    call_each_other(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_name_and_a_long_one_do_not_go_together() {
    let cluster = Cluster::new();
    let short = start(&cluster, "a@localhost").await;
    let long = start(&cluster, "b@127.0.0.1").await;

    let error = within(short.connect(long.name())).await.unwrap_err();

    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(
        matches!(
            error.cause(),
            Cause::NotConnected(ConnectError::NameForm { .. })
        ),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_at_addresses_of_ipv6_find_each_other() {
    let cluster = Cluster::new();
    let a = start(&cluster, "a@::1").await;
    let b = start(&cluster, "b@::1").await;

    call_each_other(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_address_wins_over_the_name_of_its_node() {
    let cluster = Cluster::new();
    let listen = Listen::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let elsewhere = cluster.builder_at("b@elsewhere.invalid").listen(listen);
    let b = within(elsewhere.start()).await.unwrap();
    let unaware = cluster.start("c").await;
    let error = within(unaware.connect(b.name())).await.unwrap_err();
    assert!(
        matches!(
            error.cause(),
            Cause::NotConnected(ConnectError::HostUnresolved { .. })
        ),
        "{error:?}"
    );

    let address = cluster.address(b.name()).await;
    let aware = cluster.builder("a").address(b.name().as_str(), address);
    let a = within(aware.start()).await.unwrap();

    call_each_other(&a, &b).await;
}

/// Starts what `start` describes for a port that is free at both addresses.
async fn with_a_free_port(start: impl Fn(u16) -> [NodeBuilder; 2]) -> [Node; 2] {
    loop {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let [a, b] = start(port);
        // Somebody else may have taken it meanwhile.
        if let (Ok(a), Ok(b)) = tokio::join!(a.start(), b.start()) {
            return [a, b];
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_one_port_find_each_other_without_epmd() {
    let [a, b] = with_a_free_port(|port| {
        ["a@127.0.0.1", "b@127.0.0.2"].map(|name| {
            Node::builder(name)
                .cookie(COOKIE)
                .discovery(false)
                .epmd(Epmd::Off)
                .listen(Listen::from(port))
                .fixed_port(port)
        })
    })
    .await;

    call_each_other(&a, &b).await;
    let mut events = b.events();
    assert!(a.disconnect(b.name()));
    down(&mut events, a.name()).await;
    call_each_other(&b, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_epmd_a_node_needs_the_address_of_a_peer() {
    let [a, b] = with_a_free_port(|port| {
        let a_address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let builder = |name| {
            Node::builder(name)
                .cookie(COOKIE)
                .discovery(false)
                .epmd(Epmd::Off)
        };
        [
            builder("a@127.0.0.1").listen(Listen::from(a_address)),
            builder("b@127.0.0.1").address("a@127.0.0.1", a_address),
        ]
    })
    .await;

    let error = within(a.connect(b.name())).await.unwrap_err();
    assert!(
        matches!(
            error.cause(),
            Cause::NotConnected(ConnectError::PortUnknown(peer)) if peer == b.name()
        ),
        "{error:?}"
    );
    call_each_other(&b, &a).await;
}
