//! Connections that do not come about, and the reasons that are told.

use beam_dist::{
    Cookie, Creation, Flags, NodeName,
    epmd::{NodeKind, Registration},
    handshake::{
        Acceptor, AcceptorEvent, Challenge, Decision, HandshakeError, Identity, Initiator,
        take_packet,
    },
};
use beam_node::{Cause, Code, ConnectError, Listen};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{COOKIE, Cluster, connect_failed, refused, within};

fn name(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A node that can do nothing that nodes must.
fn incapable(name: &NodeName) -> Identity {
    Identity {
        name: name.clone(),
        creation: Creation::new(7),
        flags: Flags::empty(),
    }
}

async fn packet(stream: &mut TcpStream) -> Option<Bytes> {
    let mut received = BytesMut::new();
    loop {
        if let Some(packet) = take_packet(&mut received).unwrap() {
            return Some(packet);
        }
        if within(stream.read_buf(&mut received)).await.unwrap() == 0 {
            return None;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cookie_is_told_on_both_sides() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let b = within(cluster.builder("b").cookie("another").start())
        .await
        .unwrap();
    let (mut a_events, mut b_events) = (a.events(), b.events());

    let error = within(a.connect(b.name())).await.unwrap_err();

    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(error.message.contains("cookie"), "{error}");
    assert!(!error.may_have_run());
    let told = HandshakeError::CookieRefused {
        peer: b.name().clone(),
    };
    let noticed = HandshakeError::CookieMismatch {
        peer: a.name().clone(),
    };
    assert_eq!(
        connect_failed(&mut a_events).await,
        (b.name().clone(), told.into())
    );
    assert_eq!(
        refused(&mut b_events).await,
        (a.name().clone(), noticed.into())
    );
    assert!(a.peers().is_empty() && b.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_dials_without_what_is_mandatory_is_refused() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut events = a.events();
    let old = name("old@127.0.0.1");
    let mut stream = TcpStream::connect(cluster.address(a.name()).await)
        .await
        .unwrap();

    let cookie: Cookie = COOKIE.parse().unwrap();
    let challenge = Challenge::random().unwrap();
    let mut initiator = Initiator::new(incapable(&old), a.name().clone(), cookie, challenge);
    let packet_of_name = initiator.outgoing().unwrap();
    stream.write_all(&packet_of_name).await.unwrap();

    assert_eq!(packet(&mut stream).await.unwrap(), "snot_allowed");
    assert_eq!(packet(&mut stream).await, None);
    let (peer, reason) = refused(&mut events).await;
    assert_eq!(peer, old);
    assert_incapable(&reason, &old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_dialled_and_lacks_what_is_mandatory_is_refused() {
    let cluster = Cluster::new();
    let old = name("old@127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let a = within(cluster.builder("a").address(old.as_str(), at).start())
        .await
        .unwrap();
    let mut events = a.events();
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let cookie: Cookie = COOKIE.parse().unwrap();
        let challenge = Challenge::random().unwrap();
        let mut acceptor = Acceptor::new(incapable(&old), cookie, challenge);
        let said = packet(&mut stream).await.unwrap();
        assert!(matches!(
            acceptor.receive(&said),
            Ok(AcceptorEvent::Decide(_))
        ));
        acceptor.decide(Decision::Ok).unwrap();
        let answer = acceptor.outgoing().unwrap();
        stream.write_all(&answer).await.unwrap();
        assert_eq!(packet(&mut stream).await, None);
    };

    let (connected, ()) = tokio::join!(within(a.connect(&old)), within(answering));

    let error = connected.unwrap_err();
    assert!(error.message.contains("OTP 25 or later"), "{error}");
    let (peer, reason) = connect_failed(&mut events).await;
    assert_eq!(peer, old);
    assert_incapable(&reason, &old);
}

fn assert_incapable(reason: &ConnectError, peer: &NodeName) {
    match reason {
        ConnectError::Handshake(HandshakeError::MissingFlags {
            peer: found,
            missing,
        }) => {
            assert_eq!(found, peer.as_str());
            assert!(missing.contains(Flags::SPAWN.intersection(Flags::MANDATORY_26)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_version_is_not_dialled() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut events = a.events();
    let old = name("old@127.0.0.1");
    let mut registration = Registration::new((&old).into(), 9, NodeKind::Visible);
    (registration.lowest_version, registration.highest_version) = (5, 5);
    let _registered = cluster.register(registration).await;

    let error = within(a.connect(&old)).await.unwrap_err();

    assert_eq!(error.code, Code::ServiceUnavailable);
    let reason = ConnectError::OldVersion {
        node: old.clone(),
        lowest: 5,
        highest: 5,
    };
    assert_eq!(connect_failed(&mut events).await, (old, reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_for_another_one_is_refused() {
    let cluster = Cluster::new();
    let b = cluster.start("b").await;
    let at = cluster.address(b.name()).await;
    let c = name("c@127.0.0.1");
    let a = within(cluster.builder("a").address(c.as_str(), at).start())
        .await
        .unwrap();
    let mut events = a.events();

    let error = within(a.connect(&c)).await.unwrap_err();

    assert!(error.message.contains(b.name().as_str()), "{error}");
    let (peer, reason) = connect_failed(&mut events).await;
    assert_eq!(peer, c);
    assert!(
        matches!(
            &reason,
            ConnectError::Handshake(HandshakeError::WrongPeer { .. })
        ),
        "{reason:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_connect_to_its_own_name_elsewhere() {
    let cluster = Cluster::new();
    let b = cluster.start("b").await;
    // As if it were one of another machine.
    let other = within(Cluster::new().builder("b").start()).await.unwrap();
    let mut events = b.events();
    let at = cluster.address(b.name()).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    let cookie: Cookie = COOKIE.parse().unwrap();
    let own = Identity {
        name: other.name().clone(),
        creation: other.creation(),
        flags: Flags::for_node(false),
    };
    let challenge = Challenge::random().unwrap();
    let mut initiator = Initiator::new(own, b.name().clone(), cookie, challenge);
    let said = initiator.outgoing().unwrap();
    stream.write_all(&said).await.unwrap();

    let (peer, reason) = refused(&mut events).await;

    assert_eq!(&peer, b.name());
    assert_eq!(
        reason,
        HandshakeError::OwnName { name: peer }.into(),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_refused_to_nodes_that_listen_and_to_those_that_do_not() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;

    for listen in [Listen::default(), Listen::Off] {
        let error = within(cluster.builder("a").listen(listen).start())
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(matches!(error.cause(), Cause::Io(_)), "{error:?}");
        assert!(error.message.contains("choose another name"), "{error}");
    }
    // The one that has the name is not disturbed.
    let b = cluster.start("b").await;
    within(b.ping(a.name())).await.unwrap();
}
