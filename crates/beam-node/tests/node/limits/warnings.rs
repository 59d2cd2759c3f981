//! What others can make a node log.

use std::time::Instant;

use beam_dist::{
    Creation, Flags,
    control::{Recipient, Target},
    handshake::{Challenge, HandshakeError, Identity, Initiator},
};
use beam_node::{ConnectError, Event, Limits};
use beam_term::Term;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{COOKIE, Cluster, Warnings, eventually, within};

#[tokio::test]
async fn a_peer_at_its_limits_is_warned_of_once_in_a_while() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let limits = Limits {
        monitors_per_peer: 0,
        mailbox_messages: 1,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let mailbox = a.mailbox(None).unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;

    for id in 0..100 {
        let target = Target::Pid(mailbox.pid().clone());
        peer.send(peer.monitor(target, &peer.reference(id))).await;
        let (_, reason) = peer.monitor_exit().await;
        assert_eq!(reason, Term::atom("system_limit"));
        let message = peer.message(Recipient::Pid(mailbox.pid().clone()));
        peer.send_with(message, &Term::from(id)).await;
    }
    peer.settle().await;

    assert_eq!(warnings.count("monitors_per_peer"), 1);
    assert_eq!(warnings.count("mailbox_messages"), 1);
}

#[tokio::test]
async fn strangers_that_are_refused_are_told_a_hundred_times_in_a_while() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut events = a.events();
    let address = cluster.address(a.name()).await;
    let own = Identity {
        name: "raw@127.0.0.1".parse().unwrap(),
        creation: Creation::new(7),
        flags: Flags::empty(),
    };

    let begun = Instant::now();
    // A node that lacks what is mandatory is refused as soon as it has said its name.
    for _ in 0..120 {
        let cookie = COOKIE.parse().unwrap();
        let challenge = Challenge::predictable(1);
        let mut handshake = Initiator::new(own.clone(), a.name().clone(), cookie, challenge);
        let mut stranger = TcpStream::connect(address).await.unwrap();
        let name = handshake.outgoing().unwrap();
        stranger.write_all(&name).await.unwrap();
        let _ = within(stranger.read_to_end(&mut Vec::new())).await;
    }
    // They do not keep it from being told that somebody tries cookies.
    let builder = cluster.builder("thief").cookie("wrong");
    let thief = within(builder.start()).await.unwrap();
    within(thief.ping(a.name())).await.unwrap_err();

    let mut refused = 0;
    loop {
        match within(events.next()).await.unwrap() {
            Event::Refused {
                reason: ConnectError::Handshake(HandshakeError::CookieMismatch { .. }),
                ..
            } => break,
            Event::Refused { .. } => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    // Nearly always the while is not over by now.
    let whiles = 1 + begun.elapsed().as_secs() / 10;
    assert!((100..=100 * whiles).contains(&refused), "{refused}");
}

#[tokio::test]
async fn strangers_are_warned_of_once_in_a_while() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let address = cluster.address(a.name()).await;

    for _ in 0..100 {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(b"\x00\x05hello").await.unwrap();
        // The end, in one way or another.
        let _ = within(stranger.read_to_end(&mut Vec::new())).await;
    }

    assert_eq!(warnings.count("refused a connection"), 1);
}

#[tokio::test]
async fn a_stranger_is_warned_of_for_each_cause_for_which_it_is_refused() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let address = cluster.address(a.name()).await;
    let refused = async |said: &[u8]| {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(said).await.unwrap();
        // The end, in one way or another.
        let _ = within(stranger.read_to_end(&mut Vec::new())).await;
    };

    for (said, told) in [
        (&b"\x00\x05hello"[..], "malformed name"),
        (b"\x00\x05n\0\x05\0\0", "version 5 of the handshake"),
        (b"GET / HTTP/1.1\r\n\r\n", "more than 1024"),
        // A record of TLS.
        (b"\x16\x03\x01\x02\0", "speaks TLS, and this node does not"),
    ] {
        refused(said).await;
        eventually(|| warnings.count(told) > 0).await;
    }
}

#[tokio::test]
async fn calls_beyond_what_is_served_are_warned_of_once_in_a_while() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let limits = Limits {
        served_per_peer: 0,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let b = cluster.start("b").await;

    for _ in 0..3 {
        let call = b.call::<Term, _>(a.name(), ("erlang", "node"), ());
        within(call).await.unwrap_err();
    }

    assert_eq!(warnings.count("served_per_peer"), 1);
}
