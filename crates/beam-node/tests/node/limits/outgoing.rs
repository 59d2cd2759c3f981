//! Bytes that wait for a peer that does not read, or not fast enough.

use std::time::Duration;

use beam_dist::control::Target;
use beam_node::{Cause, Code, DownReason, Limits, Node};
use beam_term::{Atom, Term};
use bytes::Bytes;
use tokio::{io::AsyncWriteExt, task::JoinSet};

use crate::support::{Cluster, PATIENCE, RawPeer, connect, down, eventually, poll_once, within};

/// More than the operating system keeps for a connection on its way, on either side.
const MORE_THAN_BUFFERED: usize = 32 * 1024 * 1024;

async fn start(cluster: &Cluster, outgoing_bytes_per_peer: usize) -> Node {
    let limits = Limits {
        outgoing_bytes_per_peer,
        ..Limits::default()
    };
    within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap()
}

fn bytes(count: usize) -> Bytes {
    Bytes::from(vec![7; count])
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_wait_for_one_peer_are_limited() {
    let cluster = Cluster::new();
    let a = start(&cluster, 1024 * 1024).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let other = cluster.start("other").await;
    const CAST: usize = 60_000;
    let cast = async |to: &str| within(a.cast(to, ("m", "f"), (bytes(CAST),))).await;

    let mut sent = 0;
    let error = loop {
        match cast(peer.name().as_ref()).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent * CAST < MORE_THAN_BUFFERED, "no limit was reached");
    };
    assert_eq!(error.code, Code::TooManyRequests);
    assert!(
        matches!(error.cause(), Cause::Limit("outgoing_bytes_per_peer")),
        "{error:?}"
    );
    assert!(!error.may_have_run());
    let error = loop {
        let call = a.call::<Term, _>(peer.name(), ("m", "f"), (bytes(CAST),));
        match poll_once(call.send()).await {
            Some(refused) => break refused.unwrap_err(),
            // The operating system has taken some more, and made room for it.
            None => sent += 1,
        }
        assert!(sent * CAST < MORE_THAN_BUFFERED, "no limit was reached");
    };
    assert_eq!(error.code, Code::TooManyRequests);
    assert_eq!(a.calling(), 0);
    cast(other.name().as_ref()).await.unwrap();

    // Nothing that was taken is lost, and once it is read there is room again.
    for _ in 0..sent {
        peer.spawn_request().await;
    }
    // The peer may have read the last of it before the node knows that it is sent.
    let again = async {
        while cast(peer.name().as_ref()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within(again).await;
    peer.spawn_request().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_wait_for_room_is_sent_when_the_peer_has_read() {
    let cluster = Cluster::new();
    let limits = Limits {
        outgoing_bytes_per_peer: 1024 * 1024,
        wait_for_room: true,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    const CAST: usize = 60_000;
    let cast = || a.cast(peer.name(), ("m", "f"), (bytes(CAST),)).send();

    let mut sent = 0;
    let waiting = loop {
        let mut cast = Box::pin(cast());
        match poll_once(&mut cast).await {
            Some(result) => result.unwrap(),
            None => break cast,
        }
        sent += 1;
        assert!(sent * CAST < MORE_THAN_BUFFERED, "no limit was reached");
    };
    // Others wait as well, in whatever order, and one only for so long.
    let other = tokio::spawn(cast());
    let call = a.call::<Term, _>(peer.name(), ("m", "f"), (bytes(2 * CAST),));
    let error = within(call.timeout(Duration::from_millis(1)).send())
        .await
        .unwrap_err();
    assert!(
        !error.may_have_run() || error.code == Code::RequestTimeout,
        "{error:?}"
    );

    let read = tokio::spawn(async move {
        for _ in 0..sent + 2 {
            peer.spawn_request().await;
        }
    });
    within(waiting).await.unwrap();
    within(other).await.unwrap().unwrap();
    within(read).await.unwrap();
    assert_eq!(a.calling(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_beyond_the_limit_passes_alone() {
    let cluster = Cluster::new();
    let a = start(&cluster, 1024).await;
    let b = cluster.start("b").await;
    connect(&a, &b).await;
    for node in [&a, &b] {
        node.export("echo", "bytes", async |bytes: Bytes| bytes)
            .unwrap();
    }
    for (from, to) in [(&a, &b), (&b, &a)] {
        let back: Bytes = within(from.call(to.name(), ("echo", "bytes"), (bytes(500_000),)))
            .await
            .unwrap();
        assert!(back == bytes(500_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_wait_for_room_instead_of_failing() {
    const RESULTS: u32 = 60;
    let cluster = Cluster::new();
    let a = start(&cluster, 1024 * 1024).await;
    a.export("large", "result", async |count: usize| bytes(count))
        .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    // Whether or not they fit into what is left, and into the limit.
    let sizes = [700_000, 40_000, 2_000_000];
    for id in 0..RESULTS {
        let request = peer.reference(id);
        let size = sizes[id as usize % sizes.len()];
        peer.call(&request, ("large", "result"), [Term::from(size)])
            .await;
    }
    // Not all of the results can have left.
    eventually(|| a.served() == u64::from(RESULTS)).await;
    assert!(a.serving() > 0);

    let mut ended = 0;
    while ended < RESULTS {
        let message = peer.next().await;
        ended += u32::from(message.payload.is_some());
    }
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_beyond_the_limit_pass_while_small_ones_keep_the_link_busy() {
    let cluster = Cluster::new();
    let a = start(&cluster, 2_000).await;
    let b = cluster.start("b").await;
    a.export("echo", "bytes", async |count: usize| bytes(count))
        .unwrap();
    let call = |count: usize| b.call::<Bytes, _>(a.name(), ("echo", "bytes"), (count,));
    let mut busy = JoinSet::new();
    for _ in 0..8 {
        let b = b.clone();
        let to = a.name().clone();
        busy.spawn(async move {
            loop {
                let call = b.call::<Bytes, _>(&to, ("echo", "bytes"), (1_000,));
                call.await.unwrap();
            }
        });
    }
    for _ in 0..20 {
        assert_eq!(within(call(100_000)).await.unwrap().len(), 100_000);
    }
}

/// A monitor that is answered at once.
fn question(peer: &RawPeer) -> Vec<u8> {
    let monitor = peer.monitor(
        Target::Name(Atom::from_static("nobody")),
        &peer.reference(1),
    );
    let mut frame = bytes::BytesMut::new();
    peer.encode_bare(&monitor, &mut frame);
    frame.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_a_peer_that_never_reads_are_bounded() {
    let cluster = Cluster::new();
    let limits = Limits {
        outgoing_bytes_per_peer: 1024,
        ..Limits::default()
    };
    let builder = cluster.builder("a").limits(limits);
    let a = within(builder.net_ticktime(Duration::from_millis(400)).start())
        .await
        .unwrap();
    let mut events = a.events();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let questions = question(&peer).repeat(1000);

    // It is read no further, and so it falls silent.
    let name = peer.name().clone();
    let mut written = 0;
    let reason = {
        let gone = down(&mut events, &name);
        tokio::pin!(gone);
        loop {
            tokio::select! {
                reason = &mut gone => break reason,
                count = peer.socket().write(&questions[written % questions.len()..]) => {
                    written += count.unwrap_or(0);
                }
            }
        }
    };

    assert!(matches!(reason, DownReason::Silent(_)), "{reason}");
    assert!(written < MORE_THAN_BUFFERED, "{written} bytes were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_asks_much_before_it_reads_is_answered() {
    const QUESTIONS: usize = 150_000;
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let questions = question(&peer).repeat(1000);
    assert!(questions.len() * QUESTIONS / 1000 > 8 * 1024 * 1024);

    for _ in 0..QUESTIONS / 1000 {
        peer.write(&questions).await;
    }
    for _ in 0..QUESTIONS {
        peer.monitor_exit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_flood_each_other_with_casts_do_not_wait_for_each_other() {
    const CASTS: usize = 100_000;
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let mut floods = JoinSet::new();
    for (from, to) in [(&a, &b), (&b, &a)] {
        let (from, to) = (from.clone(), to.name().clone());
        floods.spawn(async move {
            for n in 0..CASTS {
                while let Err(error) = from.cast(&to, ("no", "function"), (n,)).await {
                    assert_eq!(error.code, Code::TooManyRequests);
                    tokio::task::yield_now().await;
                }
            }
            from.peer(&to).unwrap().ping(PATIENCE).await.unwrap()
        });
    }
    while let Some(flood) = within(floods.join_next()).await {
        assert!(flood.unwrap() < PATIENCE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_messages_at_once_do_not_exceed_what_a_peer_assembles() {
    const CASTS: usize = 200;
    const CAST: usize = 200_000;
    let cluster = Cluster::new();
    let a = start(&cluster, usize::MAX).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    peer.assemble_at_most(32);
    const { assert!(CASTS * CAST > MORE_THAN_BUFFERED) };
    for _ in 0..CASTS {
        a.cast(peer.name(), ("m", "f"), (bytes(CAST),))
            .await
            .unwrap();
    }
    // Most of them are queued by now.
    for _ in 0..CASTS {
        peer.spawn_request().await;
    }
}
