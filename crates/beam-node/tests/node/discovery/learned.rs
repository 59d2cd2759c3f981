//! Names that a peer tells, whatever they are.

use std::{collections::HashSet, time::Duration};

use beam_node::{ConnectError, Event, Limits, Node};
use beam_term::{Atom, Term};
use tokio::net::TcpListener;

use crate::support::{Cluster, RawPeer, Warnings, connect_failed, poll_once, within};

/// Answers the question which nodes the peer knows: as many, all of them gone.
async fn tell(peer: &mut RawPeer, count: u32) {
    tell_names(peer, (0..count).map(|n| format!("gone{n}@127.0.0.1"))).await;
}

async fn tell_names(peer: &mut RawPeer, names: impl IntoIterator<Item = String>) {
    let (request, arguments) = peer.spawn_request().await;
    assert!(
        arguments
            .to_string()
            .ends_with(",erlang,nodes,[[visible,hidden]]]")
    );
    let process = peer.pid(9);
    let known = names.into_iter().map(|name| Atom::try_from(name).unwrap());
    let result = RawPeer::returned(&request, Term::list(known.map(Term::Atom)));
    peer.started(&request, &process).await;
    peer.ended(&request, &process, &result).await;
}

#[tokio::test]
async fn peers_that_are_learned_from_others_are_limited() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let limits = Limits {
        learned_peers: 2,
        ..Limits::default()
    };
    let builder = cluster.builder("a").limits(limits).discovery(true);
    let a = within(builder.start()).await.unwrap();
    let mut events = a.events();
    let mut peer = cluster.raw_peer(&a, "raw").await;

    tell(&mut peer, 10).await;

    let mut tried = HashSet::new();
    for _ in 0..2 {
        let (name, reason) = connect_failed(&mut events).await;
        assert!(
            matches!(reason, ConnectError::NotRegistered { .. }),
            "{reason}"
        );
        tried.insert(name);
    }
    assert_eq!(tried.len(), 2);
    assert_eq!(warnings.count("learned_peers"), 1);
}

#[tokio::test]
async fn a_newcomer_that_knows_nobody_yet_is_asked_again() {
    let cluster = Cluster::new();
    let builder = cluster
        .builder("a")
        .discovery(true)
        .discovery_interval(Duration::from_secs(3600));
    let a = within(builder.start()).await.unwrap();
    let mut events = a.events();
    let mut peer = cluster.raw_peer(&a, "raw").await;

    tell(&mut peer, 0).await;
    tell_names(&mut peer, [a.name().to_string()]).await;
    tell(&mut peer, 1).await;

    let (name, _) = connect_failed(&mut events).await;
    assert_eq!(name.as_str(), "gone0@127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_learned_node_cannot_be_reached_is_told_once() {
    let cluster = Cluster::new();
    let builder = cluster
        .builder("a")
        .discovery(true)
        .discovery_interval(Duration::from_millis(10));
    let a = within(builder.start()).await.unwrap();
    let mut events = a.events();
    let mut peer = cluster.raw_peer(&a, "raw").await;

    tell(&mut peer, 1).await;
    let (gone, _) = connect_failed(&mut events).await;
    // It is tried again and again meanwhile.
    for _ in 0..100 {
        tell(&mut peer, 1).await;
    }

    let mut told = 0;
    a.connect("other@127.0.0.1").await.unwrap_err();
    loop {
        match within(events.next()).await {
            Some(Event::ConnectFailed { peer, .. }) if peer == gone => told += 1,
            Some(Event::ConnectFailed { .. }) => break,
            _ => {}
        }
    }
    assert_eq!(told, 0);
}

/// A node to which all other names stand for the one address of a listener.
async fn all_at_one_address(cluster: &Cluster, handshake_ms: u64) -> (Node, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits {
        handshake_ms,
        ..Limits::default()
    };
    let builder = cluster
        .builder("a")
        .fixed_port(listener.local_addr().unwrap().port())
        .limits(limits)
        .discovery(true);
    (within(builder.start()).await.unwrap(), listener)
}

#[tokio::test(flavor = "multi_thread")]
async fn few_of_many_learned_names_are_tried_at_a_time() {
    let cluster = Cluster::new();
    let (a, listener) = all_at_one_address(&cluster, 1_000_000).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;

    tell(&mut peer, 1_000).await;

    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(within(listener.accept()).await.unwrap());
    }
    for _ in 0..100 {
        peer.settle().await;
        assert!(poll_once(listener.accept()).await.is_none());
    }
    drop(open.pop());
    within(listener.accept()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learned_node_that_does_not_answer_is_not_given_up_as_one_that_refuses_is() {
    let cluster = Cluster::new();
    // The peer is connected by then, or it is again.
    let (a, listener) = all_at_one_address(&cluster, 1_000).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;

    tell(&mut peer, 1).await;

    // Nobody says anything to it, as in a network that is cut.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(within(listener.accept()).await.unwrap());
    }
}
