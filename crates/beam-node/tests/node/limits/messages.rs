//! The size and the depth of messages.

use beam_dist::control::Recipient;
use beam_node::{Cause, Code, DownReason, Limits, Node};
use beam_term::{Atom, Term};
use bytes::{BufMut, Bytes, BytesMut};

use crate::support::{Cluster, RawPeer, connect, down, within};

/// Nodes `a`, with these limits, and `b`, with the usual ones, connected. Both echo.
async fn pair(cluster: &Cluster, limits: Limits) -> (Node, Node) {
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let b = cluster.start("b").await;
    connect(&a, &b).await;
    for node in [&a, &b] {
        node.export("echo", "term", async |term: Term| term)
            .unwrap();
    }
    (a, b)
}

async fn echo(from: &Node, to: &Node, term: Term) -> Result<Term, beam_node::Error> {
    within(from.call(to.name(), ("echo", "term"), (term,))).await
}

fn binary(bytes: usize) -> Term {
    Term::binary(Bytes::from(vec![7; bytes]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_not_sent() {
    let cluster = Cluster::new();
    let limits = Limits {
        message_bytes: 100_000,
        ..Limits::default()
    };
    let (a, b) = pair(&cluster, limits).await;

    // More and less than what fits into one frame.
    for bytes in [100_000, 60_000] {
        let result = echo(&a, &b, binary(bytes)).await;
        assert_eq!(result.is_ok(), bytes == 60_000);
        let Err(error) = result else { continue };
        assert_eq!(error.code, Code::BadRequest);
        assert!(matches!(error.cause(), Cause::Frame(_)), "{error:?}");
        assert!(!error.may_have_run());
    }
    a.export("large", "result", async || binary(100_000))
        .unwrap();
    let error = within(b.call::<Term, _>(a.name(), ("large", "result"), ()))
        .await
        .unwrap_err();
    let reason = error.exception().unwrap().reason.to_string();
    assert!(reason.starts_with("{system_limit,"), "{reason}");
    assert!(echo(&b, &a, binary(90_000)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_to_be_taken_closes_the_link() {
    let cluster = Cluster::new();
    let limits = Limits {
        message_bytes: 100_000,
        ..Limits::default()
    };
    let (a, b) = pair(&cluster, limits).await;
    let mut events = a.events();

    let error = echo(&b, &a, binary(200_000)).await.unwrap_err();

    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
    let reason = down(&mut events, b.name()).await;
    assert!(matches!(reason, DownReason::Protocol(_)), "{reason}");
    assert!(echo(&b, &a, binary(90_000)).await.is_ok());
}

/// A peer that sends the first fragments of `count` messages to a node with limits on those.
async fn begin_messages(cluster: &Cluster, limits: Limits, count: u32) -> (Node, RawPeer) {
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let to = peer.message(Recipient::Name(Atom::from_static("nobody")));
    for _ in 0..count {
        let mut first = BytesMut::new();
        let mut fragments = peer.fragments(&to, &binary(200_000));
        while first.len() < 60_000 {
            first.put(fragments.next().unwrap());
        }
        assert!(fragments.len() > 0);
        peer.write(&first).await;
    }
    (a, peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_arrive_in_fragments_are_limited_in_number_and_in_bytes() {
    for (limits, fit) in [
        (
            Limits {
                sequences_per_link: 3,
                ..Limits::default()
            },
            3,
        ),
        (
            Limits {
                assembly_bytes_per_link: 150_000,
                ..Limits::default()
            },
            2,
        ),
    ] {
        let cluster = Cluster::new();
        let (_a, mut peer) = begin_messages(&cluster, limits.clone(), fit).await;
        peer.settle().await;

        let cluster = Cluster::new();
        let (a, mut peer) = begin_messages(&cluster, limits, fit + 1).await;
        peer.closed().await;
        assert_eq!(a.peers(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_nest_too_deep_are_refused_in_both_directions() {
    let cluster = Cluster::new();
    let limits = Limits {
        term_depth: 20,
        ..Limits::default()
    };
    let (a, b) = pair(&cluster, limits).await;
    let nested = |depth| (0..depth).fold(Term::atom("x"), |inner, _| Term::tuple([inner]));

    assert!(echo(&a, &b, nested(10)).await.is_ok());
    assert!(echo(&b, &a, nested(10)).await.is_ok());
    let as_result = echo(&a, &b, nested(20)).await.unwrap_err();
    assert!(
        matches!(as_result.cause(), Cause::Decode(_)),
        "{as_result:?}"
    );
    let as_argument = echo(&b, &a, nested(20)).await.unwrap_err();
    assert_eq!(as_argument.code, Code::TooManyRequests);
    assert!(matches!(as_argument.cause(), Cause::Refused(_)));
    assert!(!as_argument.may_have_run());
    assert_eq!(a.peers().len(), 1);
}
