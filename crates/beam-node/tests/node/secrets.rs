//! What is never logged at the levels that are on by default.

use beam_dist::{
    Creation, Flags,
    control::Recipient,
    handshake::{Challenge, Identity, Initiator, InitiatorEvent, take_packet},
};
use beam_node::{CallContext, Class, Exception, Export, Limits, Node};
use beam_term::{Atom, Term};
use bytes::BytesMut;
use serde::{Serialize, Serializer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing::Level;

use crate::support::{COOKIE, Cluster, Warnings, refused, within};

/// Part of every argument and message.
const PRIVATE: &str = "card4111111111111111";

/// The cookie of a node that does not belong here.
const OTHER_COOKIE: &str = "0penBarley";

/// Serializing it fails with a message that quotes it.
struct Unwritable(String);

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format!(
            "cannot write {}",
            self.0
        )))
    }
}

fn private() -> Term {
    Term::binary(PRIVATE)
}

fn nested(depth: u32) -> Term {
    (0..depth).fold(private(), |inner, _| Term::tuple([inner]))
}

/// Functions that go wrong in all ways there are, each because of its argument.
fn export_failures(node: &Node) {
    let exports = [
        Export::new("fail", "panic", async |text: String| -> u8 {
            panic!("it was {text}")
        }),
        Export::blocking("fail", "blocking", |text: String| -> u8 {
            panic!("it was {text}")
        }),
        Export::new("fail", "number", async |number: u32| number),
        Export::blocking("fail", "blocking_number", |number: u32| number),
        Export::new("fail", "unwritable", async |text: String| Unwritable(text)),
        Export::raising("fail", "raise", async |text: String| Err::<u8, _>(text)),
        Export::raw(
            "fail",
            "exit",
            1,
            async |_: CallContext, mut arguments: Vec<Term>| {
                Err(Exception {
                    class: Class::Exit,
                    reason: arguments.remove(0),
                    stack: Term::nil(),
                })
            },
        ),
        Export::new("fail", "not_allowed", async |text: String| text).allow_callers(["x@y"]),
    ];
    for export in exports {
        node.register(export).unwrap();
    }
}

#[tokio::test]
async fn neither_cookies_nor_arguments_are_logged() {
    let log = Warnings::collect_from(Level::INFO);
    let cluster = Cluster::new();
    let limits = Limits {
        mailbox_messages: 1,
        term_depth: 20,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let b = cluster.start("b").await;
    export_failures(&a);

    for caller in [&a, &b] {
        for name in [
            "panic",
            "blocking",
            "number",
            "blocking_number",
            "unwritable",
            "raise",
            "exit",
            "undefined",
        ] {
            let call = caller.call::<Term, _>(a.name(), ("fail", name), (PRIVATE,));
            within(call).await.unwrap_err();
            within(caller.cast(a.name(), ("fail", name), (PRIVATE,)))
                .await
                .unwrap();
        }
        // An answer that is of another type than is wanted, and arguments without a form.
        let call = caller.call::<u32, _>(a.name(), ("fail", "raise"), (PRIVATE,));
        within(call).await.unwrap_err();
        let argument = Unwritable(PRIVATE.to_owned());
        let call = caller.call::<Term, _>(a.name(), ("fail", "number"), (argument,));
        within(call).await.unwrap_err();
        let call = caller.call::<Term, _>(a.name(), ("fail", "number"), (nested(30),));
        within(call).await.unwrap_err();
    }
    let call = b.call::<Term, _>(a.name(), ("fail", "not_allowed"), (PRIVATE,));
    within(call).await.unwrap_err();

    // Messages: to nobody, to a mailbox that is full, and to services of the node.
    let mailbox = a.mailbox(Some("inbox")).unwrap();
    for _ in 0..3 {
        within(b.send(mailbox.pid().clone(), &PRIVATE))
            .await
            .unwrap();
    }
    let mut peer = cluster.raw_peer(&a, "raw").await;
    for name in ["nobody", "rex", "net_kernel", "rpc_load_balancer"] {
        let to = Recipient::Name(Atom::try_from(name).unwrap());
        peer.send_with(peer.message(to), &nested(3)).await;
    }
    peer.settle().await;
    // What is no frame, with the argument in it.
    peer.write(&[0, 0, 0, 48, 131, 68, 0, 109, 0, 0, 0, 20])
        .await;
    peer.write(PRIVATE.as_bytes()).await;
    peer.write(&[0; 20]).await;
    peer.closed().await;

    strange_cookies(&cluster, &a).await;

    let log = log.all();
    // It would be nothing to find nothing in nothing.
    for said in [
        "refused a connection",
        "dropped a message",
        "refused a message",
        "refused a call",
        "disconnected",
    ] {
        assert!(
            log.iter().any(|line| line.contains(said)),
            "{said}: {log:#?}"
        );
    }
    for line in &log {
        for secret in [PRIVATE, COOKIE, OTHER_COOKIE] {
            assert!(!line.contains(secret), "{line}");
        }
        // As Erlang prints binaries and Rust prints bytes.
        assert!(!line.contains("99,97,114,100"), "{line}");
        assert!(!line.contains("99, 97, 114, 100"), "{line}");
    }
}

/// Nodes with another cookie dial and are dialled.
async fn strange_cookies(cluster: &Cluster, node: &Node) {
    let other = within(cluster.builder("other").cookie(OTHER_COOKIE).start())
        .await
        .unwrap();
    let mut events = node.events();
    within(other.ping(node.name())).await.unwrap_err();
    refused(&mut events).await;
    within(node.ping(other.name())).await.unwrap_err();

    // One who sends the cookie itself where a digest belongs.
    let mut stream = TcpStream::connect(cluster.address(node.name()).await)
        .await
        .unwrap();
    let own = Identity {
        name: "naive@127.0.0.1".parse().unwrap(),
        creation: Creation::new(7),
        flags: Flags::for_node(false),
    };
    let challenge = Challenge::random().unwrap();
    let cookie = COOKIE.parse().unwrap();
    let mut initiator = Initiator::new(own, node.name().clone(), cookie, challenge);
    let mut received = BytesMut::new();
    let mut reply = loop {
        if let Some(packet) = initiator.outgoing() {
            if initiator.has_proved() {
                break packet.to_vec();
            }
            stream.write_all(&packet).await.unwrap();
        }
        match take_packet(&mut received).unwrap() {
            Some(packet) => {
                let event = initiator.receive(&packet).unwrap();
                assert!(matches!(event, InitiatorEvent::Continue), "{event:?}");
            }
            None => {
                within(stream.read_buf(&mut received)).await.unwrap();
            }
        }
    };
    let end = reply.len();
    reply[end - COOKIE.len()..].copy_from_slice(COOKIE.as_bytes());
    stream.write_all(&reply).await.unwrap();
    let reason = loop {
        let (peer, reason) = refused(&mut events).await;
        if peer.alive() == "naive" {
            break reason;
        }
    };
    assert!(reason.to_string().contains("cookie"), "{reason}");
    for debug in [format!("{reason:?}"), format!("{node:?}")] {
        assert!(!debug.contains(COOKIE), "{debug}");
    }
}
