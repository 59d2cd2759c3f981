//! Connections in the place of those over which nothing comes.

use std::{future::IntoFuture as _, sync::Arc, time::Duration};

use beam_dist::{
    Creation, Flags, NodeName,
    control::Target,
    handshake::{Acceptor, AcceptorEvent, Challenge, Decision, HandshakeError, Identity},
};
use beam_node::{DownReason, Epmd, Event, Events, Limits, Listen, Node};
use beam_term::{Atom, Binary};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::simultaneous::packet;
use crate::support::{COOKIE, Cluster, Detour, RawPeer, connect, down, poll_once, up, within};

/// A suspect is connected to anew after half of it.
const NET_TICKTIME: Duration = Duration::from_secs(12);

/// A node `a`, a peer of it that says nothing of itself, and where that peer is connected to anew.
async fn silent_peer(cluster: &Cluster) -> (Node, RawPeer, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let builder = cluster
        .builder("a")
        .suspect_after(Duration::from_millis(200))
        .net_ticktime(NET_TICKTIME)
        .address("raw@127.0.0.1", listener.local_addr().unwrap());
    let a = within(builder.start()).await.unwrap();
    let peer = cluster.raw_peer(&a, "raw").await;
    (a, peer, listener)
}

/// Takes the next connection, and says that there is a link already; gives whether the other end replaces
/// that.
async fn is_replacement(listener: &TcpListener, own: &NodeName) -> bool {
    let (mut stream, _) = listener.accept().await.unwrap();
    let identity = Identity {
        name: own.clone(),
        creation: Creation::new(77),
        flags: Flags::for_node(false),
    };
    let (cookie, challenge) = (COOKIE.parse().unwrap(), Challenge::random().unwrap());
    let mut acceptor = Acceptor::new(identity, cookie, challenge);
    let decide = acceptor.receive(&packet(&mut stream).await).unwrap();
    assert!(matches!(decide, AcceptorEvent::Decide(_)), "{decide:?}");
    acceptor.decide(Decision::Alive).unwrap();
    let alive = acceptor.outgoing().unwrap();
    stream.write_all(&alive).await.unwrap();
    match acceptor.receive(&packet(&mut stream).await) {
        Ok(_) => true,
        Err(HandshakeError::AliveRefused { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_replaced_once_the_peer_has_answered_a_handshake() {
    let cluster = Cluster::new();
    let (_a, peer, listener) = silent_peer(&cluster).await;

    // It has a moment to speak on the connection that there is.
    assert!(!within(is_replacement(&listener, peer.name())).await);
    assert!(within(is_replacement(&listener, peer.name())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_with_a_monitor_is_kept_for_the_net_tick_time() {
    let cluster = Cluster::new();
    let (a, mut peer, listener) = silent_peer(&cluster).await;
    let mut events = a.events();
    let (silent_since, name) = (Instant::now(), peer.name().clone());
    let net_kernel = Target::Name(Atom::from_static("net_kernel"));
    let monitor = peer.monitor(net_kernel, &peer.reference(1));
    peer.send(monitor).await;

    let mut handshakes = 0;
    let ended = loop {
        tokio::select! {
            biased;
            reason = down(&mut events, &name) => break reason,
            is_replacement = is_replacement(&listener, &name) => {
                handshakes += 1;
                assert!(!is_replacement || silent_since.elapsed() >= NET_TICKTIME);
            }
        }
    };
    assert!(handshakes > 0);
    assert!(
        matches!(ended, DownReason::Silent(time) if time >= NET_TICKTIME),
        "{ended}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_a_peer_that_takes_slowly_what_it_is_sent() {
    const MESSAGE: usize = 8 * 1024 * 1024;
    let cluster = Cluster::new();
    let (a, mut peer, listener) = silent_peer(&cluster).await;
    let name = peer.name().clone();
    let socket = socket2::SockRef::from(&*peer.socket());
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    for _ in 0..4 {
        let message = Binary::from(vec![0; MESSAGE]);
        let cast = a.cast(&name, ("m", "f"), (message,)).send();
        cast.await.unwrap();
    }
    let handshakes = tokio::spawn(async move {
        while !is_replacement(&listener, &name).await {}
        panic!("the connection is replaced");
    });

    let mut buffer = vec![0; 16 * 1024];
    let mut read = 0;
    // Longer than it takes until a suspect is connected to anew, and short of the net tick time.
    let (begun, slowly) = (Instant::now(), NET_TICKTIME * 3 / 4);
    let mut ticked = begun;
    while read < 4 * MESSAGE {
        let count = within(peer.socket().read(&mut buffer)).await.unwrap();
        assert!(count > 0, "the connection has ended");
        read += count;
        // It says something now and then, as every node does.
        if ticked.elapsed() > NET_TICKTIME / 6 {
            peer.write_tick().await;
            ticked = Instant::now();
        }
        if begun.elapsed() < slowly {
            sleep(Duration::from_millis(100)).await;
        }
    }

    assert!(!handshakes.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_a_connection_is_not_told_of_an_attempt_to_renew_one_that_has_ended() {
    let cluster = Cluster::new();
    let (a, peer, listener) = silent_peer(&cluster).await;
    let (mut events, name) = (a.events(), peer.name().clone());
    let (mut unanswered, _) = within(listener.accept()).await.unwrap();
    packet(&mut unanswered).await;
    drop(peer);
    down(&mut events, &name).await;
    let call = a.call::<u8, _>(&name, ("m", "one"), ());
    let call = call.timeout(Duration::from_secs(600)).into_future();
    tokio::pin!(call);
    assert!(poll_once(&mut call).await.is_none());

    drop(unanswered);

    tokio::select! {
        failed = call => panic!("{failed:?}"),
        attempt = within(listener.accept()) => drop(attempt.unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_made_anew_after_a_cut_into_which_more_is_sent_than_it_takes() {
    let cluster = Cluster::new();
    let b = cluster.start("b").await;
    let detour = Detour::new(Duration::ZERO).await;
    detour.lead_to(cluster.address(b.name()).await);
    let builder = cluster
        .builder("a")
        .address(b.name().as_str(), detour.address());
    let a = within(builder.start()).await.unwrap();
    let (mut events, name) = (a.events(), b.name().clone());
    within(a.connect(&name)).await.unwrap();
    up(&mut events, &name).await;

    detour.cut();
    let load = tokio::spawn(async move {
        loop {
            let argument = Binary::from(vec![0; 1024 * 1024]);
            let call = a.call::<(), _>(&name, ("m", "f"), (argument,));
            let call = call.timeout(Duration::from_secs(2)).into_future();
            tokio::spawn(call);
            sleep(Duration::from_millis(100)).await;
        }
    });

    // Long before the end of the net tick time.
    up(&mut events, b.name()).await;
    load.abort();
}

/// Waits until the connection to a peer is made anew, and calls the peer at once.
async fn renewed(node: &Node, events: &mut Events, peer: &NodeName) {
    up(events, peer).await;
    let answer = node.call::<u8, _>(peer, ("m", "one"), ());
    let answer = within(answer.timeout(Duration::from_secs(30))).await;
    assert_eq!(answer.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_renew_their_connection_at_once_have_one_from_its_beginning() {
    const DELAY: Duration = Duration::from_millis(20);
    let mut pairs = JoinSet::new();
    for _ in 0..8 {
        pairs.spawn(async {
            let cluster = Cluster::new();
            let detours = [Detour::new(DELAY).await, Detour::new(DELAY).await];
            let builder = |alive, peer, detour: &Detour| {
                let builder = cluster.builder(alive).net_ticktime(NET_TICKTIME);
                builder.address(peer, detour.address()).start()
            };
            let a = builder("a", "b@127.0.0.1", &detours[1]).await.unwrap();
            let b = builder("b", "a@127.0.0.1", &detours[0]).await.unwrap();
            for (node, detour) in [&a, &b].into_iter().zip(&detours) {
                node.export("m", "one", async || 1_u8).unwrap();
                detour.lead_to(cluster.address(node.name()).await);
            }
            let [mut of_a, mut of_b] = [&a, &b].map(Node::events);
            connect(&a, &b).await;
            up(&mut of_a, b.name()).await;
            up(&mut of_b, a.name()).await;
            // Both have probed each other by then.
            sleep(Duration::from_secs(1)).await;

            detours.iter().for_each(Detour::cut);

            tokio::join!(
                renewed(&a, &mut of_a, b.name()),
                renewed(&b, &mut of_b, a.name())
            );
            for events in [&mut of_a, &mut of_b] {
                while let Some(event) = poll_once(events.next()).await {
                    let is_of_link = matches!(event, Some(Event::Up { .. } | Event::Down { .. }));
                    assert!(!is_of_link, "{event:?}");
                }
            }
        });
    }
    while let Some(pair) = within(pairs.join_next()).await {
        pair.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_renew_their_connections_to_one_that_has_few_places_for_newcomers() {
    let cluster = Cluster::new();
    let builder = cluster.builder("server").limits(Limits {
        unauthenticated_connections: 2,
        ..Limits::default()
    });
    let server = within(builder.start()).await.unwrap();
    server.export("m", "one", async || 1_u8).unwrap();
    let (address, name) = (cluster.address(server.name()).await, server.name().clone());
    let detour = Arc::new(Detour::new(Duration::ZERO).await);
    detour.lead_to(address);
    let mut clients = Vec::new();
    for number in 0..100 {
        let builder = Node::builder(format!("c{number}@127.0.0.1"))
            .cookie(COOKIE)
            .epmd(Epmd::Off)
            .listen(Listen::Off)
            .discovery(false)
            .net_ticktime(NET_TICKTIME * 5)
            .address(name.as_str(), detour.address());
        let client = within(builder.start()).await.unwrap();
        let mut events = client.events();
        within(client.connect(&name)).await.unwrap();
        up(&mut events, &name).await;
        clients.push((events, client));
    }

    detour.cut();

    let mut renewals = JoinSet::new();
    for (mut events, client) in clients {
        let name = name.clone();
        renewals.spawn(async move { renewed(&client, &mut events, &name).await });
    }
    while let Some(renewal) = renewals.join_next().await {
        renewal.unwrap();
    }
}
