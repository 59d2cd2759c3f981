//! Links that come and go at the same time, without sockets.

mod silence;

use std::{
    future::IntoFuture as _,
    sync::{Barrier, mpsc},
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use beam_dist::{
    Cookie, Creation, Flags, Message, NodeName,
    control::{Control, Exit2, Monitor, Recipient, SpawnOptions, SpawnRequest, Target},
    handshake::{
        Acceptor, AcceptorEvent, Challenge, Decision, Established, Identity, Initiator,
        InitiatorEvent, take_packet,
    },
};
use beam_term::{Atom, Pid, RawTerm, Reference, Term};
use bytes::BytesMut;

use super::*;
use crate::{
    CallContext, Epmd, Limits, Listen, Node, NodeBuilder, connect::Side, link::dispatch::dispatch,
    process::Process, serve::Server,
};

async fn node() -> (Node, Arc<NodeState>) {
    node_with(Limits::default()).await
}

async fn node_with(limits: Limits) -> (Node, Arc<NodeState>) {
    started(builder(limits)).await
}

fn builder(limits: Limits) -> NodeBuilder {
    Node::builder("m@127.0.0.1")
        .limits(limits)
        .cookie("sesame")
        .epmd(Epmd::Off)
        .listen(Listen::Off)
        .discovery(false)
}

async fn started(builder: NodeBuilder) -> (Node, Arc<NodeState>) {
    let node = builder.start().await.unwrap();
    let state = Arc::clone(&node.peer("a@127.0.0.1").unwrap().node);
    (node, state)
}

/// A link of a connection that the peer made.
fn establish(state: &Arc<NodeState>, slot: &Arc<Slot>, established: &Established) -> Arc<Link> {
    state
        .establish(slot, connection(established, Side::Peer))
        .unwrap()
}

/// A connection with a peer, made by this side.
fn connection(established: &Established, made_by: Side) -> Handshaken {
    Handshaken {
        established: established.clone(),
        made_by,
        disowned: None,
    }
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
                    let link = establish(&state, &slot, &established);
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
async fn of_connections_made_by_both_sides_the_one_of_the_greater_name_stays() {
    let (_node, state) = node().await;
    for (peer, kept) in [("a@127.0.0.1", Side::ThisNode), ("p@127.0.0.1", Side::Peer)] {
        let peer = peer.parse().unwrap();
        let established = handshake(&state, &peer);
        let slot = state.slot(&peer);
        for order in [[Side::ThisNode, Side::Peer], [Side::Peer, Side::ThisNode]] {
            for side in order {
                let _ = state.establish(&slot, connection(&established, side));
            }
            let live = slot.live().unwrap();
            assert_eq!(live.made_by, kept, "{peer} {order:?}");
            // A peer that knows nothing of it replaces it all the same.
            let other = match kept {
                Side::ThisNode => Side::Peer,
                Side::Peer => Side::ThisNode,
            };
            let anew = Handshaken {
                disowned: Some(live.id),
                ..connection(&established, other)
            };
            let anew = state.establish(&slot, anew).unwrap();
            assert_eq!(live.reason(), DownReason::Replaced);
            anew.close(DownReason::Closed);
            state.withdraw(&slot, &anew);
        }
    }
}

#[tokio::test]
async fn a_link_that_comes_after_the_end_of_the_node_is_closed() {
    let (node, state) = node().await;
    let peer = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    node.shutdown().await.unwrap();

    let link = establish(&state, &state.slot(&peer), &established);

    assert!(link.is_closing());
    assert_eq!(link.reason(), DownReason::ShutDown);
}

#[tokio::test]
async fn nothing_is_left_of_a_message_that_a_replaced_link_was_busy_with() {
    let (node, state) = node().await;
    let peer: NodeName = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    export_wait(&node);
    let slot = state.slot(&peer);
    let old = establish(&state, &slot, &established);
    let new = establish(&state, &slot, &established);
    assert_eq!(old.reason(), DownReason::Replaced);
    assert_eq!(state.groups.wired(&peer), Some(new.id));
    let holders = Arc::strong_count(&old);

    for message in [monitor(&peer), call(&peer)] {
        dispatch(&Server::new(Arc::clone(&state)), &old, message);
    }
    assert!(Arc::strong_count(&old) > holders);
    assert_eq!(node.serving(), 1);
    state.release_processes(&old);

    // The call was cancelled, and nothing holds the link any more.
    let ended = async {
        while node.serving() > 0 || Arc::strong_count(&old) > holders {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_link_that_was_closed_is_replaced_before_its_task_has_withdrawn_it() {
    let (node, state) = node().await;
    let mut events = node.events();
    let peer: NodeName = "a@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    let slot = state.slot(&peer);
    let made_here = connection(&established, Side::ThisNode);
    let old = state.establish(&slot, made_here).unwrap();

    old.close(DownReason::Closed);
    assert!(slot.live().is_none() && !slot.is_live());
    let new = establish(&state, &slot, &established);

    assert_eq!(slot.live().map(|live| live.id), Some(new.id));
    assert!(!state.withdraw(&slot, &old));
    let hidden = true;
    for expected in [
        Event::Up {
            peer: peer.clone(),
            hidden,
        },
        Event::Down {
            peer: peer.clone(),
            reason: DownReason::Closed,
        },
        Event::Up { peer, hidden },
    ] {
        assert_eq!(events.next().await, Some(expected));
    }
}

#[tokio::test]
async fn nobody_waits_for_a_sign_of_life_from_a_link_that_is_lost() {
    let (_node, state) = node().await;
    let peer = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    let slot = state.slot(&peer);
    let link = establish(&state, &slot, &established);
    link.close(DownReason::Closed);
    state.withdraw(&slot, &link);

    let probe = tokio::time::timeout(Duration::from_secs(30), link.probe());

    assert!(probe.await.unwrap().is_err());
}

#[tokio::test]
async fn what_a_replaced_link_brings_of_groups_is_ignored() {
    let (node, state) = node().await;
    let peer: NodeName = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    let slot = state.slot(&peer);
    let group = Term::atom("g");
    let scope = Term::from(pid(&peer, 1));
    let sync = Term::tuple([
        Term::atom("$gen_cast"),
        Term::tuple([Term::atom("sync"), scope.clone(), Term::nil()]),
    ]);
    let join = Term::tuple([
        Term::atom("join"),
        scope,
        group.clone(),
        Term::from(pid(&peer, 2)),
    ]);
    let deliver = |link: &Link, message: &Term| {
        let message = RawTerm::serialize(message).unwrap();
        state.groups.deliver(link, &message);
        node.members(&group).len()
    };

    let old = establish(&state, &slot, &established);
    let new = establish(&state, &slot, &established);
    assert_eq!(deliver(&new, &sync), 0);
    assert_eq!(deliver(&old, &join), 0);
    assert_eq!(deliver(&new, &join), 1);
}

fn pid(peer: &NodeName, id: u32) -> Pid {
    Pid {
        node: peer.as_atom().clone(),
        id,
        serial: 0,
        creation: 7,
    }
}

fn monitor(peer: &NodeName) -> Message {
    monitor_of(peer, "net_kernel")
}

fn monitor_of(peer: &NodeName, name: &'static str) -> Message {
    Message {
        control: Control::Monitor(Monitor {
            from: pid(peer, 1),
            to: Target::Name(Atom::from_static(name)),
            reference: reference(peer, 1),
        }),
        payload: None,
    }
}

/// Exports `m:wait/0`, which runs until it is cancelled.
fn export_wait(node: &Node) {
    node.export("m", "wait", async |context: CallContext| {
        context.cancelled().await;
    })
    .unwrap();
}

/// Runs `m:wait/0`.
fn call(peer: &NodeName) -> Message {
    call_within(peer, "wait", None)
}

/// Runs a function of the module `m`, whose caller waits for so long.
fn call_within(peer: &NodeName, function: &'static str, deadline_ms: Option<u64>) -> Message {
    Message {
        control: Control::SpawnRequest(SpawnRequest {
            request: reference(peer, 2),
            from: pid(peer, 1),
            group_leader: pid(peer, 1),
            module: Atom::from_static("m"),
            function: Atom::from_static(function),
            arity: 0,
            options: SpawnOptions {
                monitor: true,
                deadline_ms,
                ..SpawnOptions::default()
            },
            token: None,
        }),
        payload: Some(RawTerm::serialize(&Term::nil()).unwrap()),
    }
}

fn reference(peer: &NodeName, id: u32) -> Reference {
    Reference::new(peer.as_atom().clone(), 7, &[id, 0, 0]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_peers_that_connect_at_once_no_more_stay_than_there_may_be() {
    const ROUNDS: usize = 200;
    const CROWD: usize = 4;
    let limits = Limits {
        connected_peers: 2,
        ..Limits::default()
    };
    let (node, state) = node_with(limits).await;
    let peers = ["p@127.0.0.1", "q@127.0.0.1", "r@127.0.0.1", "s@127.0.0.1"];
    let established: [Established; CROWD] =
        peers.map(|peer| handshake(&state, &peer.parse().unwrap()));
    for _ in 0..ROUNDS {
        let barrier = Barrier::new(CROWD);
        let came: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = established
                .iter()
                .map(|established| {
                    scope.spawn(|| {
                        let slot = state.slot(&established.peer);
                        barrier.wait();
                        let came = state.establish(&slot, connection(established, Side::Peer));
                        (slot, came)
                    })
                })
                .collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });

        assert_eq!(state.links.count(), 2);
        let mut links = 0;
        for (slot, came) in &came {
            match came {
                Ok(link) => {
                    links += 1;
                    // One that connects anew takes no room but its own.
                    let anew = establish(&state, slot, &handshake(&state, slot.name()));
                    anew.close(DownReason::Disconnected);
                    assert!(state.withdraw(slot, &anew) && link.is_closing());
                }
                Err(unpublished) => assert_eq!(*unpublished, Unpublished::NoRoom),
            }
        }
        assert_eq!((links, state.links.count()), (2, 0));
    }
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_link_has_ended_and_still_counts_has_room_to_connect_anew() {
    let limits = Limits {
        connected_peers: 1,
        ..Limits::default()
    };
    let (node, state) = node_with(limits).await;
    let peer = "p@127.0.0.1".parse().unwrap();
    let slot = state.slot(&peer);
    let other = state.slot(&"q@127.0.0.1".parse().unwrap());
    let established = handshake(&state, &peer);
    let old = establish(&state, &slot, &established);
    old.close(DownReason::Closed);
    assert_eq!(state.links.count(), 1);

    assert!(state.has_room_for(&slot));
    assert!(!state.has_room_for(&other));

    let new = establish(&state, &slot, &established);
    assert!(!state.has_room_for(&other));
    new.close(DownReason::Closed);
    state.withdraw(&slot, &new);
    assert!(state.has_room_for(&other));
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_connects_while_this_node_does_has_room() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer: NodeName = "p@127.0.0.1".parse().unwrap();
    let limits = Limits {
        connected_peers: 1,
        ..Limits::default()
    };
    let builder = builder(limits).address(peer.as_str(), silent.local_addr().unwrap());
    let (node, state) = started(builder).await;
    let (slot, other) = (
        state.slot(&peer),
        state.slot(&"q@127.0.0.1".parse().unwrap()),
    );
    let full = establish(&state, &other, &handshake(&state, other.name()));
    assert!(!state.has_room_for(&slot));

    let mut connecting = Box::pin(node.connect(peer.as_str()));
    let polled = connecting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());

    assert!(state.has_room_for(&slot));
    let link = establish(&state, &slot, &handshake(&state, &peer));
    assert!(!full.is_closing());
    assert_eq!(state.links.count(), 2);
    link.close(DownReason::Closed);
    state.withdraw(&slot, &link);
}

/// Takes the turn of a slot when it is woken, on a thread of its own, and tells whether it got it.
struct TurnTaker {
    slot: Arc<Slot>,
    got_it: mpsc::Sender<bool>,
}

impl Wake for TurnTaker {
    fn wake(self: Arc<Self>) {
        let (done, is_done) = mpsc::channel();
        let slot = Arc::clone(&self.slot);
        thread::spawn(move || {
            drop(slot.turn());
            let _ = done.send(());
        });
        let got_it = is_done.recv_timeout(Duration::from_secs(30)).is_ok();
        let _ = self.got_it.send(got_it);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_an_answer_are_woken_when_the_turn_is_over() {
    let (node, state) = node().await;
    let peer = "p@127.0.0.1".parse().unwrap();
    let slot = state.slot(&peer);
    let established = handshake(&state, &peer);
    for ends in [
        |state: &NodeState, slot: &Slot, link: &Link| {
            silence::suspect(state, slot, link);
        },
        |state: &NodeState, slot: &Slot, link: &Link| {
            link.close(DownReason::Closed);
            state.withdraw(slot, link);
        },
    ] {
        let link = establish(&state, &slot, &established);
        let call = node.call::<u8, _>(&peer, ("m", "f"), ());
        let mut call = call.leave_suspect(true).into_future();
        let (got_it, is_free) = mpsc::channel();
        let caller = Waker::from(Arc::new(TurnTaker {
            slot: Arc::clone(&slot),
            got_it,
        }));
        assert!(
            call.as_mut()
                .poll(&mut Context::from_waker(&caller))
                .is_pending()
        );
        ends(&state, &slot, &link);
        let was_free = is_free.recv_timeout(Duration::from_secs(30));
        assert!(
            was_free.expect("the caller is woken"),
            "the turn was not over"
        );
        link.close(DownReason::Closed);
        state.withdraw(&slot, &link);
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_that_comes_again_and_again_is_asked_over_its_last_link_alone() {
    let (_node, state) = started(builder(Limits::default()).discovery(true)).await;
    let peer: NodeName = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    let slot = state.slot(&peer);
    for _ in 0..10 {
        let link = establish(&state, &slot, &established);
        while link.calling() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // It answers none of them, and each is repeated after a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(slot.live().unwrap().calling(), 1);
}
