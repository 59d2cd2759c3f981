//! Nodes that connect to each other at the same time, and those who only seem to.

use beam_dist::{
    Cookie, Creation, Flags, NodeName,
    handshake::{Acceptor, AcceptorEvent, Challenge, Decision, Identity, Initiator, take_packet},
};
use beam_node::{Event, Node};
use beam_term::Term;
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::support::{COOKIE, Cluster, eventually, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_connect_to_each_other_at_once_are_connected() {
    const ROUNDS: usize = 300;
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, cluster.start("b").await);
    let group = Term::atom("g");
    let _memberships = [&a, &b].map(|node| node.join(group.clone()).unwrap());
    let mut events = [&a, &b].map(Node::events);
    for _ in 0..ROUNDS {
        let connects = [(&a, &b), (&b, &a)].map(|(from, to)| {
            let (from, to) = (from.clone(), to.name().clone());
            tokio::spawn(async move { from.connect(to).await })
        });
        for connect in connects {
            within(connect).await.unwrap().unwrap();
        }
        eventually(|| [&a, &b].iter().all(|node| node.members(&group).len() == 2)).await;

        eventually(|| {
            a.disconnect(b.name());
            b.disconnect(a.name());
            a.peers().is_empty() && b.peers().is_empty()
        })
        .await;
        // An attempt that led to a link, be it another one, was not refused.
        for events in &mut events {
            loop {
                match within(events.next()).await {
                    Some(Event::ConnectFailed { reason, .. } | Event::Refused { reason, .. }) => {
                        panic!("{reason}")
                    }
                    Some(Event::Down { .. }) => break,
                    Some(_) => {}
                    None => panic!("no more events"),
                }
            }
        }
    }
}

/// A node `c` that reaches the node `z`, whose name is the greater one, by a listener of the test.
async fn node_with_a_detour(cluster: &Cluster) -> (Node, Node, TcpListener) {
    let detour = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let z = cluster.start("z").await;
    let builder = cluster
        .builder("c")
        .address(z.name().as_str(), detour.local_addr().unwrap());
    let c = within(builder.start()).await.unwrap();
    (c, z, detour)
}

/// Connects what came to a listener with a node.
async fn pass_on(mut stream: TcpStream, cluster: &Cluster, to: &NodeName) {
    let mut onward = TcpStream::connect(cluster.address(to).await).await.unwrap();
    tokio::spawn(async move { copy_bidirectional(&mut stream, &mut onward).await });
}

fn identity(name: &NodeName) -> Identity {
    Identity {
        name: name.clone(),
        creation: Creation::new(5),
        flags: Flags::for_node(false),
    }
}

/// The next packet of a handshake.
pub(super) async fn packet(stream: &mut TcpStream) -> Bytes {
    let mut received = BytesMut::new();
    loop {
        if let Some(packet) = take_packet(&mut received).unwrap() {
            return packet;
        }
        assert!(within(stream.read_buf(&mut received)).await.unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_takes_the_name_of_a_peer_does_not_stop_an_attempt_to_reach_it() {
    let cluster = Cluster::new();
    let (c, z, detour) = node_with_a_detour(&cluster).await;
    let connect = tokio::spawn({
        let (c, z) = (c.clone(), z.name().clone());
        async move { c.connect(z).await }
    });
    let (dialled, _) = within(detour.accept()).await.unwrap();
    // It is there before the node that made it goes on. Its handshake has begun with what comes first.
    within(dialled.peek(&mut [0])).await.unwrap();

    let address = cluster.address(c.name()).await;
    let mut stranger = TcpStream::connect(address).await.unwrap();
    let cookie: Cookie = "guessed".parse().unwrap();
    let challenge = Challenge::random().unwrap();
    let mut initiator = Initiator::new(identity(z.name()), c.name().clone(), cookie, challenge);
    let name = initiator.outgoing().unwrap();
    stranger.write_all(&name).await.unwrap();
    assert_eq!(packet(&mut stranger).await, "sok_simultaneous");
    drop(stranger);

    pass_on(dialled, &cluster, z.name()).await;
    within(connect).await.unwrap().unwrap();
    within(c.ping(z.name())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_made_anew_when_the_one_with_precedence_does_not_come() {
    let cluster = Cluster::new();
    let (c, z, detour) = node_with_a_detour(&cluster).await;
    let connect = tokio::spawn({
        let (c, z) = (c.clone(), z.name().clone());
        async move { c.connect(z).await }
    });

    let (mut dialled, _) = within(detour.accept()).await.unwrap();
    let challenge = Challenge::random().unwrap();
    let mut acceptor = Acceptor::new(identity(z.name()), COOKIE.parse().unwrap(), challenge);
    let name = packet(&mut dialled).await;
    assert!(matches!(
        acceptor.receive(&name),
        Ok(AcceptorEvent::Decide(_))
    ));
    acceptor.decide(Decision::Nok).unwrap_err();
    let status = acceptor.outgoing().unwrap();
    dialled.write_all(&status).await.unwrap();

    let (dialled, _) = within(detour.accept()).await.unwrap();
    pass_on(dialled, &cluster, z.name()).await;
    within(connect).await.unwrap().unwrap();
}
