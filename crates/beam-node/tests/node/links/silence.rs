//! Peers that are connected and say nothing.

use std::{future::IntoFuture, pin::pin, time::Duration};

use beam_dist::{
    NodeName,
    control::{Control, Monitor, MonitorExit, Target},
};
use beam_node::{Cause, Code, Event, Events, Limits, Node};
use beam_term::{Atom, Binary, Term};
use bytes::BytesMut;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::support::{Cluster, PROBE, RawPeer, down, eventually, poll_once, within};

/// Short enough to be waited for.
const SHORT: Duration = Duration::from_millis(200);

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

async fn node(cluster: &Cluster) -> (Node, Events) {
    let node = cluster.builder("a").suspect_after(SHORT).start().await;
    let node = node.unwrap();
    let events = node.events();
    (node, events)
}

async fn suspected(events: &mut Events, suspect: NodeName) -> Duration {
    within(async {
        loop {
            match events.next().await {
                Some(Event::Suspect { peer, silent_for }) if peer == suspect => {
                    return silent_for;
                }
                Some(_) => {}
                None => panic!("the node has ended"),
            }
        }
    })
    .await
}

async fn recovered(events: &mut Events, suspect: NodeName) {
    let is_it = |event| matches!(event, Event::Recovered { peer, .. } if peer == suspect);
    within(async { while !is_it(events.next().await.expect("the node runs")) {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_says_nothing_is_suspect_until_it_answers() {
    let cluster = Cluster::new();
    let (a, mut events) = node(&cluster).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let handle = a.peer(peer.name()).unwrap();

    assert!(suspected(&mut events, peer.name().clone()).await >= SHORT);

    assert!(handle.is_suspect());
    assert!(handle.is_connected());
    let since = a.suspects().get(peer.name()).copied();
    assert!(since.is_some());
    assert_eq!(a.peers()[0].suspect_since, since);
    // It was asked first. Neither anything that it says nor the answer to a probe from before tells
    // whether it hears this node now.
    let answer = probe(&mut peer).await;
    peer.settle().await;
    assert!(handle.is_suspect());
    peer.send_with(answer, &Term::atom("noproc")).await;
    let answer = probe(&mut peer).await;
    assert!(handle.is_suspect());
    peer.send_with(answer, &Term::atom("noproc")).await;
    recovered(&mut events, peer.name().clone()).await;
    assert!(a.suspects().is_empty());
    assert!(!handle.is_suspect());
}

/// Reads until the next probe, and gives its answer.
async fn probe(peer: &mut RawPeer) -> Control {
    loop {
        let message = within(peer.next_of_any_kind()).await.unwrap();
        if let Control::Monitor(Monitor {
            from,
            to,
            reference,
        }) = message.control
            && to == Target::Name(PROBE)
        {
            return Control::MonitorExit(MonitorExit {
                from: to,
                to: from,
                reference,
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_before_it_has_all_that_was_sent_with_the_probe_is_probed_again() {
    let cluster = Cluster::new();
    let (a, mut events) = node(&cluster).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let name = peer.name().clone();
    // Much of what comes after the probe is still to be written when that is read.
    let socket = socket2::SockRef::from(&*peer.socket());
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let large = Binary::from(vec![0; 8 * 1024 * 1024]);
    let call = a.call::<(), _>(&name, ("m", "f"), (large,)).timeout(LONG);
    let mut call = call.into_future();
    assert!(poll_once(&mut call).await.is_none());

    suspected(&mut events, name.clone()).await;
    // Once more, as it is suspect.
    for _ in 0..2 {
        let answer = probe(&mut peer).await;
        peer.send_with(answer, &Term::atom("noproc")).await;
    }
    recovered(&mut events, name).await;
    // It reads all the rest, and says nothing of itself.
    for _ in 0..3 {
        let answer = probe(&mut peer).await;
        peer.send_with(answer, &Term::atom("noproc")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_never_quiet_is_probed_for_the_answers_that_it_was_given() {
    let cluster = Cluster::new();
    // It is quiet after half of this.
    let builder = cluster.builder("a").suspect_after(Duration::from_secs(4));
    let a = builder.start().await.unwrap();
    a.export("m", "done", async || {}).unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    peer.call(&peer.reference(1), ("m", "done"), []).await;

    let probed = async {
        loop {
            peer.write_tick().await;
            if timeout(SHORT, probe(&mut peer)).await.is_ok() {
                return;
            }
        }
    };
    within(probed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_whose_connection_ends_is_none_any_more() {
    let cluster = Cluster::new();
    let (a, mut events) = node(&cluster).await;
    let peer = cluster.raw_peer(&a, "raw").await;
    let name = peer.name().clone();
    suspected(&mut events, peer.name().clone()).await;

    drop(peer);

    down(&mut events, &name).await;
    assert!(a.suspects().is_empty());
    assert!(!a.peer(&name).unwrap().is_suspect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_suspect_unless_it_is_told_not_to() {
    let cluster = Cluster::new();
    let (a, mut events) = node(&cluster).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let call = || a.call::<u8, _>(peer.name(), ("m", "f"), ()).timeout(LONG);
    let mut waiting = call().into_future();
    let mut leaving = call().leave_suspect(true).into_future();
    assert!(poll_once(&mut waiting).await.is_none());
    assert!(poll_once(&mut leaving).await.is_none());

    let error = within(leaving).await.unwrap_err();

    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(matches!(error.cause(), Cause::Silent(_)), "{error:?}");
    assert!(error.may_have_run());
    assert!(error.message.contains("may have run"), "{error}");
    suspected(&mut events, peer.name().clone()).await;
    // What is sent to a suspect is sent with open eyes.
    let mut late = call().leave_suspect(true).into_future();
    assert!(poll_once(&mut late).await.is_none());
    assert!(poll_once(&mut waiting).await.is_none());

    for answer in 0..3_u8 {
        let (request, _) = peer.spawn_request().await;
        let process = peer.pid(10 + u32::from(answer));
        peer.started(&request, &process).await;
        let value = RawPeer::returned(&request, Term::from(answer));
        peer.ended(&request, &process, &value).await;
    }
    assert_eq!(within(waiting).await.unwrap(), 0);
    assert_eq!(within(late).await.unwrap(), 2);
    eventually(|| a.calling() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_for_a_suspect_no_longer_than_the_grace_that_is_set() {
    let cluster = Cluster::new();
    let builder = cluster.builder("a").suspect_after(SHORT);
    let a = builder.suspect_call_grace(SHORT).start().await.unwrap();
    let mut events = a.events();
    let peer = cluster.raw_peer(&a, "raw").await;
    let call = || a.call::<u8, _>(peer.name(), ("m", "f"), ()).timeout(LONG);

    let early = within(call()).await.unwrap_err();
    suspected(&mut events, peer.name().clone()).await;
    let late = within(call()).await.unwrap_err();

    for error in [early, late] {
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(matches!(error.cause(), Cause::Silent(_)), "{error:?}");
    }
    assert_eq!(a.calling(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_takes_none_of_its_answers_is_suspect_though_what_it_said_last_lies_unread() {
    let cluster = Cluster::new();
    let limits = Limits {
        outgoing_bytes_per_peer: 1024,
        ..Limits::default()
    };
    let builder = cluster.builder("a").limits(limits).suspect_after(SHORT);
    let a = builder.start().await.unwrap();
    let mut events = a.events();
    let mut asking = cluster.raw_peer(&a, "asking").await;
    let nobody = Target::Name(Atom::from_static("nobody"));
    let monitor = asking.monitor(nobody, &asking.reference(1));
    let mut question = BytesMut::new();
    asking.encode_bare(&monitor, &mut question);
    let questions = question.repeat(1_000);

    // It goes on until it is read no further, and is suspect all the same.
    let mut written = 0;
    let silent_for = {
        let mut suspected = pin!(suspected(&mut events, asking.name().clone()));
        loop {
            let rest = &questions[written % questions.len()..];
            tokio::select! {
                biased;
                silent_for = &mut suspected => break silent_for,
                count = asking.socket().write(rest) => written += count.unwrap(),
            }
        }
    };

    assert!(silent_for >= SHORT);
    let handle = a.peer(asking.name()).unwrap();
    assert!(handle.is_connected() && handle.is_suspect());
    // It takes what it is sent, and all that it said is read.
    let answer = probe(&mut asking).await;
    let begun = written % question.len();
    asking.write(&question[begun..]).await;
    asking.send_with(answer, &Term::atom("noproc")).await;
    let answer = probe(&mut asking).await;
    asking.send_with(answer, &Term::atom("noproc")).await;
    recovered(&mut events, handle.name().clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_suspect_where_that_is_turned_off() {
    let cluster = Cluster::new();
    let builder = cluster.builder("a").suspect_after(None);
    let a = builder.net_ticktime(SHORT).start().await.unwrap();
    let mut events = a.events();
    let peer = cluster.raw_peer(&a, "raw").await;
    let mut seen = Vec::new();
    within(async {
        loop {
            match events.next().await.expect("the node runs") {
                Event::Down { .. } => return,
                event => seen.push(event),
            }
        }
    })
    .await;
    let is_suspect = |event: &Event| matches!(event, Event::Suspect { .. });
    assert!(!seen.iter().any(is_suspect), "{seen:?}");
    drop(peer);
}

#[tokio::test]
async fn a_silence_that_is_too_short_is_refused() {
    for silence in [Duration::ZERO, Duration::from_millis(19)] {
        let builder = Cluster::new().builder("a").suspect_after(silence);
        let error = builder.start().await.unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        assert!(error.message.starts_with("suspect_after"), "{error}");
    }
}
