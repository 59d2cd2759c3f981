//! Links that come and go at the same time, without sockets.

use std::{sync::Barrier, thread};

use beam_dist::{
    Cookie, Creation, Flags, NodeName,
    handshake::{
        Acceptor, AcceptorEvent, Challenge, Decision, Identity, Initiator, InitiatorEvent,
        take_packet,
    },
};
use bytes::BytesMut;

use super::*;
use crate::{Epmd, Listen, Node};

async fn node() -> (Node, Arc<NodeState>) {
    let node = Node::builder("m@127.0.0.1")
        .cookie("sesame")
        .epmd(Epmd::Off)
        .listen(Listen::Off)
        .discovery(false)
        .start()
        .await
        .unwrap();
    let state = Arc::clone(&node.peer("a@127.0.0.1").unwrap().node);
    (node, state)
}

/// What a handshake that `peer` began with `node` comes to.
fn handshake(node: &NodeState, peer: &NodeName) -> Established {
    let challenge = || Challenge::random().unwrap();
    let cookie = || "sesame".parse::<Cookie>().unwrap();
    let peer = Identity {
        name: peer.clone(),
        creation: Creation::new(7),
        flags: Flags::for_node(false),
    };
    let mut initiator = Initiator::new(peer, node.name().clone(), cookie(), challenge());
    let mut acceptor = Acceptor::new(node.introduction(), cookie(), challenge());
    let mut received = BytesMut::new();
    loop {
        received.extend_from_slice(&initiator.outgoing().unwrap());
        let packet = take_packet(&mut received).unwrap().unwrap();
        match acceptor.receive(&packet).unwrap() {
            AcceptorEvent::Decide(_) => acceptor.decide(Decision::Ok).unwrap(),
            AcceptorEvent::Established(established) => return established,
            other => panic!("{other:?}"),
        }
        received.extend_from_slice(&acceptor.outgoing().unwrap());
        while let Some(packet) = take_packet(&mut received).unwrap() {
            assert_eq!(
                initiator.receive(&packet).unwrap(),
                InitiatorEvent::Continue
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_links_made_at_once_all_parts_of_the_node_see_the_same() {
    const ROUNDS: usize = 5_000;
    const AT_ONCE: usize = 2;
    let (_node, state) = node().await;
    let peer = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    let slot = state.slot(&peer);
    let barrier = Barrier::new(AT_ONCE);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    barrier.wait();
                    let link = state.establish(&slot, established.clone());
                    barrier.wait();
                    let live = slot.live().map(|live| live.id);
                    assert!(live.is_some());
                    assert_eq!(state.groups.wired(&peer), live);
                    assert_eq!(state.links.all().len(), 1);
                    barrier.wait();
                    link.close(DownReason::Closed);
                    state.withdraw(&slot, &link);
                    barrier.wait();
                    assert_eq!(state.groups.wired(&peer), None);
                    assert!(slot.live().is_none());
                }
            });
        }
    });
    assert_eq!(state.groups.monitors(), 0);
}

#[tokio::test]
async fn a_link_that_comes_after_the_end_of_the_node_is_closed() {
    let (node, state) = node().await;
    let peer = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    node.shutdown().await.unwrap();

    let link = state.establish(&state.slot(&peer), established);

    assert!(link.closing.is_cancelled());
    assert_eq!(link.reason(), DownReason::ShutDown);
}
