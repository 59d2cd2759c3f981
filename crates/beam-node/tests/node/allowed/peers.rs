//! Peers by name.

use beam_dist::{
    Creation, Flags, NodeName,
    handshake::{Challenge, HandshakeError, Identity, Initiator},
};
use beam_node::{Cause, Code, ConnectError, NamePattern};
use beam_term::{Atom, Term};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{COOKIE, Cluster, RawPeer, Warnings, poll_once, refused, within};

const C: &str = "c@127.0.0.1";

#[tokio::test]
async fn a_peer_that_is_not_allowed_is_refused_as_soon_as_it_has_said_its_name() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let a = within(cluster.builder("a").allow_peers(["b@*", "/^d/"]).start())
        .await
        .unwrap();
    let mut events = a.events();
    let mut stream = TcpStream::connect(cluster.address(a.name()).await)
        .await
        .unwrap();

    let own = Identity {
        name: C.parse().unwrap(),
        creation: Creation::new(7),
        flags: Flags::for_node(false),
    };
    let challenge = Challenge::random().unwrap();
    let mut initiator = Initiator::new(own, a.name().clone(), COOKIE.parse().unwrap(), challenge);
    let name = initiator.outgoing().unwrap();
    stream.write_all(&name).await.unwrap();

    // No challenge follows, which a guess at the cookie would need.
    let mut said = Vec::new();
    within(stream.read_to_end(&mut said)).await.unwrap();
    assert_eq!(said, b"\x00\x0csnot_allowed");
    let not_allowed = ConnectError::PeerNotAllowed(C.parse().unwrap());
    assert_eq!(
        refused(&mut events).await,
        (C.parse().unwrap(), not_allowed)
    );
    assert_eq!(warnings.count("refused a connection"), 1);
    let port = stream.local_addr().unwrap().to_string();
    assert_eq!(warnings.count(&port), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_are_allowed_connect_in_both_directions() {
    let cluster = Cluster::new();
    let a = within(cluster.builder("a").allow_peers(["b@*", "/^d/"]).start())
        .await
        .unwrap();
    let (b, c, d) = (
        cluster.start("b").await,
        cluster.start("c").await,
        cluster.start("d").await,
    );

    within(b.ping(a.name())).await.unwrap();
    within(a.ping(d.name())).await.unwrap();

    let error = within(c.ping(a.name())).await.unwrap_err();
    let told = HandshakeError::NotAllowed {
        peer: a.name().clone(),
    };
    assert!(
        matches!(error.cause(), Cause::NotConnected(ConnectError::Handshake(reason)) if *reason == told),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_node_that_is_not_allowed_fails_without_a_connection() {
    let cluster = Cluster::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = cluster
        .builder("a")
        .allow_peers(["b@127.0.0.1"])
        .address(C, listener.local_addr().unwrap());
    let a = within(builder.start()).await.unwrap();

    let error = within(a.call::<Term, _>(C, ("erlang", "node"), ()))
        .await
        .unwrap_err();

    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(
        matches!(
            error.cause(),
            Cause::NotConnected(ConnectError::PeerNotAllowed(_))
        ),
        "{error:?}"
    );
    assert!(error.message.contains("allowed peers"), "{error}");
    assert!(!error.may_have_run());
    assert!(poll_once(listener.accept()).await.is_none());
}

#[tokio::test]
async fn a_node_that_others_know_is_connected_to_only_where_it_is_allowed() {
    let cluster = Cluster::new();
    let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (c, d) = (bind().await, bind().await);
    let builder = cluster
        .builder("a")
        .allow_peers(["raw@127.0.0.1", "d@127.0.0.1"])
        .address(C, c.local_addr().unwrap())
        .address("d@127.0.0.1", d.local_addr().unwrap())
        .discovery(true);
    let a = within(builder.start()).await.unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;

    let (request, _) = peer.spawn_request().await;
    let known = [C, "d@127.0.0.1"].map(|name| Term::Atom(Atom::try_from(name).unwrap()));
    let process = peer.pid(9);
    peer.started(&request, &process).await;
    let known = RawPeer::returned(&request, Term::list(known));
    peer.ended(&request, &process, &known).await;

    // It is the later of the two.
    within(d.accept()).await.unwrap();
    assert!(poll_once(c.accept()).await.is_none());
}

#[tokio::test]
async fn a_list_that_cannot_be_meant_is_refused() {
    let cluster = Cluster::new();
    let any: NamePattern = "*".parse().unwrap();
    let cases = [
        (cluster.builder("a").allow_peers(["worker"]), "allow_peers"),
        (cluster.builder("a").allow_peers(["/(/"]), "unclosed group"),
        (
            cluster.builder("a").allow_networks(["10.0.0/8"]),
            "allow_networks",
        ),
        // What is wrong once stays so, and what is read already needs no reading.
        (
            cluster
                .builder("a")
                .allow_peers(["worker"])
                .allow_peers([&any, &any]),
            "worker",
        ),
        (cluster.builder("a").peer(C).allow_peers(["b@*"]), C),
        (cluster.builder("a").peer(C).allow_peers([""; 0]), C),
    ];
    for (builder, said) in cases {
        let error = within(builder.start()).await.unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        assert!(error.message.contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_flood_of_refusals_leaves_the_events_to_others() {
    let cluster = Cluster::new();
    let a = within(cluster.builder("a").allow_peers(["b@*"]).start())
        .await
        .unwrap();
    let mut events = a.events();
    let address = cluster.address(a.name()).await;
    for number in 0..300 {
        let name: NodeName = format!("c{number}@127.0.0.1").parse().unwrap();
        let own = Identity {
            name,
            creation: Creation::new(7),
            flags: Flags::for_node(false),
        };
        let challenge = Challenge::random().unwrap();
        let cookie = COOKIE.parse().unwrap();
        let mut initiator = Initiator::new(own, a.name().clone(), cookie, challenge);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(&initiator.outgoing().unwrap())
            .await
            .unwrap();
        within(stream.read_to_end(&mut Vec::new())).await.unwrap();
    }
    let b = cluster.start("b").await;
    within(b.ping(a.name())).await.unwrap();

    let mut refusals = 0;
    loop {
        match within(events.next()).await {
            Some(beam_node::Event::Refused { .. }) => refusals += 1,
            Some(beam_node::Event::Up { peer, .. }) if peer == *b.name() => break,
            other => panic!("{other:?}"),
        }
    }
    // On a machine that takes more than 10 s for them there are more.
    assert!((100..300).contains(&refusals), "{refusals}");
}
