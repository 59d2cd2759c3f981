//! The time that is left of a call, which goes with it to peers that take it.

use std::time::Duration;

use beam_dist::control::Target;
use beam_node::{CallContext, Cause, Code, Export, Node};
use beam_term::{Atom, Term};
use tokio::{sync::mpsc, time::Instant};

use crate::support::{Cluster, PATIENCE, RawPeer, connect, eventually, within};

/// The option by which a deadline goes with the next call of a node to a peer.
async fn deadline_ms(node: &Node, peer: &mut RawPeer, timeout: Duration) -> Option<u64> {
    let call = node.call::<Term, _>(peer.name(), ("m", "f"), ());
    let call = tokio::spawn(call.timeout(timeout).send());
    let (request, _) = peer.spawn_request().await;
    assert!(request.options.monitor && request.options.others.is_empty());
    let process = peer.pid(9);
    peer.started(&request, &process).await;
    let answer = RawPeer::returned(&request, Term::atom("done"));
    peer.ended(&request, &process, &answer).await;
    assert_eq!(within(call).await.unwrap().unwrap(), Term::atom("done"));
    request.options.deadline_ms
}

/// Exports `clock:left/0`, which tells how many milliseconds the caller still waits.
fn export_left(node: &Node) {
    let left = async |call: CallContext| {
        let left = call.deadline()?.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).ok()
    };
    node.export("clock", "left", left).unwrap();
}

/// Waits until two nodes know each other.
async fn settled(a: &Node, b: &Node) {
    for node in [a, b] {
        within(node.settled(PATIENCE)).await.unwrap();
    }
}

/// Two nodes that know each other.
async fn settled_pair() -> (Node, Node) {
    let (a, b) = Cluster::new().pair().await;
    settled(&a, &b).await;
    (a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_knows_how_long_its_caller_still_waits() {
    let (a, b) = settled_pair().await;
    export_left(&a);
    export_left(&b);
    for (from, to) in [(&a, &b), (&b, &a), (&a, &a)] {
        let call = from.call::<Option<u64>, _>(to.name(), ("clock", "left"), ());
        let left = within(call.timeout(PATIENCE)).await.unwrap().unwrap();
        assert!(Duration::from_millis(left) <= PATIENCE, "{left}");
        // So the time that it was given is not another's.
        assert!(Duration::from_millis(left) > PATIENCE / 2, "{left}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_a_handler_makes_ends_with_the_one_that_it_serves() {
    let (a, b) = settled_pair().await;
    export_left(&a);
    let (peer, minutes) = (b.peer(a.name()).unwrap(), Duration::from_secs(600));
    b.export("clock", "left_there", move |call: CallContext| {
        let peer = peer.clone();
        async move {
            let left = peer.call::<Option<u64>, _>(("clock", "left"), ());
            left.timeout(minutes).until(call.deadline()).await.unwrap()
        }
    })
    .unwrap();
    let left = async |timeout: Duration| {
        let call = a.call::<Option<u64>, _>(b.name(), ("clock", "left_there"), ());
        Duration::from_millis(within(call.timeout(timeout)).await.unwrap().unwrap())
    };

    assert!(left(PATIENCE).await <= PATIENCE);
    // Its own timeout counts, too.
    let inner = left(Duration::MAX).await;
    assert!(inner <= minutes && inner > PATIENCE, "{inner:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_end_at_an_instant_that_has_passed_is_not_sent() {
    let (a, b) = Cluster::new().pair().await;
    for node in [&a, &b] {
        node.export("quick", "work", async || ()).unwrap();
        let now = Instant::now();
        let call = a.call::<(), _>(node.name(), ("quick", "work"), ());
        let cast = a.cast(node.name(), ("quick", "work"), ());
        for error in [
            within(call.until(now)).await.unwrap_err(),
            within(cast.until(Some(now))).await.unwrap_err(),
        ] {
            assert_eq!(error.code, Code::RequestTimeout);
            assert!(!error.may_have_run());
            assert!(error.message.contains("has passed"), "{error}");
        }
        let call = a.call::<(), _>(node.name(), ("quick", "work"), ());
        within(call.until(None)).await.unwrap();
        let ahead = Instant::now() + PATIENCE;
        let cast = a.cast(node.name(), ("quick", "work"), ());
        within(cast.until(ahead)).await.unwrap();
    }
    eventually(|| b.served() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_peer_that_says_that_it_takes_deadlines_is_given_one() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    assert_eq!(deadline_ms(&a, &mut peer, PATIENCE).await, None);
    for group in [
        "workers",
        "{'$published', rpc_load_balancer, 1, #{features => [later]}}",
    ] {
        peer.announce(&group.parse().unwrap()).await;
        peer.settle().await;
        assert_eq!(deadline_ms(&a, &mut peer, PATIENCE).await, None);
    }

    peer.take_deadlines().await;
    peer.settle().await;
    let given = deadline_ms(&a, &mut peer, PATIENCE).await.unwrap();
    assert!(
        (1..=PATIENCE.as_millis() as u64).contains(&given),
        "{given}"
    );
    let longest = deadline_ms(&a, &mut peer, Duration::MAX).await.unwrap();
    assert!(longest > given);

    // It is no member of anything, and publishes nothing.
    let status = &a.peers()[0];
    assert_eq!((&status.name, status.memberships), (peer.name(), 0));
    assert!(a.groups().is_empty());
    assert!(a.published(&Term::atom("rpc_load_balancer")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_as_another_kind_is_given_no_deadline() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    peer.take_deadlines().await;
    peer.settle().await;
    assert!(deadline_ms(&a, &mut peer, PATIENCE).await.is_some());

    // Under the same name and on another connection, which replaces that one.
    let mut other = cluster.raw_peer(&a, "raw").await;
    peer.closed().await;
    assert_eq!(deadline_ms(&a, &mut other, PATIENCE).await, None);

    // The same connection, on which the scope has ended and another one has begun.
    other.take_deadlines().await;
    other.settle().await;
    assert!(deadline_ms(&a, &mut other, PATIENCE).await.is_some());
    let discover = Term::tuple([Term::atom("discover"), other.pid(200).into()]);
    other.tell_scope(&discover).await;
    // What the scope says to the new one is not for others either.
    let told = async {
        loop {
            let call = a.call::<Term, _>(other.name(), ("m", "f"), ());
            let call = tokio::spawn(call.send());
            let request = loop {
                let message = other.next_of_any_kind().await.unwrap();
                if let beam_dist::control::Control::SpawnRequest(request) = message.control {
                    break request;
                }
            };
            call.abort();
            if request.options.deadline_ms.is_none() {
                return;
            }
        }
    };
    within(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_published_in_the_place_of_what_a_node_says_of_itself() {
    let (a, b) = settled_pair().await;
    let error = b.publish(Term::atom("rpc_load_balancer"), 1).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert!(error.message.contains("choose another key"), "{error}");
    let _published = b.publish(Term::atom("other"), 1).unwrap();
    // Both say of themselves what they take, and it is nobody's membership.
    eventually(|| a.peers()[0].memberships == 1).await;
    assert_eq!(b.peers()[0].memberships, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_arrives_dead_is_not_run() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    a.export("quick", "work", async || ()).unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let request = peer.reference(1);
    peer.call_within(&request, Some(0), ("quick", "work"), [])
        .await;
    let reply = peer.spawn_reply().await;
    assert_eq!((&reply.request, &reply.to), (&request, &peer.pid(1)));
    assert_eq!(reply.result, Err(Atom::from_static("timeout")));
    assert!(!reply.monitored && !reply.linked);
    assert_eq!((a.serving(), a.served()), (0, 0));

    // The next one has all the time that there is.
    peer.call_within(&request, Some(u64::MAX), ("quick", "work"), [])
        .await;
    assert!(peer.spawn_reply().await.result.is_ok());
    let (_, answer) = peer.monitor_exit().await;
    assert_eq!(answer.as_tuple().unwrap()[1], Term::atom("return"));
    peer.settle().await;
    assert_eq!((a.serving(), a.served()), (0, 1));
}

#[test]
fn a_call_whose_time_is_over_when_a_thread_is_free_for_it_is_not_run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let cluster = Cluster::new();
        let a = cluster.start("a").await;
        let (started, mut starts) = mpsc::unbounded_channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        a.register(Export::blocking("slow", "block", move |n: u32| {
            started.send(n).unwrap();
            let _ = gate.lock().unwrap().recv();
        }))
        .unwrap();
        let wait = async |call: CallContext| call.cancelled().await;
        a.export("slow", "wait", wait).unwrap();
        let mut peer = cluster.raw_peer(&a, "raw").await;
        let request = |peer: &RawPeer, n| peer.reference(n);

        peer.call(&request(&peer, 1), ("slow", "block"), [1.into()])
            .await;
        assert!(peer.spawn_reply().await.result.is_ok());
        assert_eq!(within(starts.recv()).await, Some(1));
        let soon = Some(20);
        peer.call_within(&request(&peer, 2), soon, ("slow", "block"), [2.into()])
            .await;
        let late = peer.spawn_reply().await.result.unwrap();
        // This ends at its deadline, which is no earlier than that of the other.
        peer.call_within(&request(&peer, 3), soon, ("slow", "wait"), [])
            .await;
        assert!(peer.spawn_reply().await.result.is_ok());
        let (exit, _) = peer.monitor_exit().await;
        assert_eq!(exit.reference, request(&peer, 3));
        peer.call(&request(&peer, 4), ("slow", "block"), [4.into()])
            .await;
        assert!(peer.spawn_reply().await.result.is_ok());

        drop(open);
        // In no order: one has to be encoded, and the other need not.
        let mut answers = Vec::new();
        for _ in 0..3 {
            let (exit, answer) = peer.monitor_exit().await;
            let answer = answer.as_tuple().unwrap()[1..].to_vec();
            if exit.reference == request(&peer, 2) {
                assert_eq!(exit.from, Target::Pid(late.clone()));
                let refused = "{erpc, timeout}".parse().unwrap();
                assert_eq!(answer, [Term::atom("error"), refused]);
            } else {
                assert_eq!(answer[0], Term::atom("return"));
            }
            answers.push(exit.reference);
        }
        answers.sort();
        assert_eq!(answers, [1, 2, 4].map(|n| request(&peer, n)));
        assert_eq!(within(starts.recv()).await, Some(4));
        eventually(|| a.serving() == 0).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_peer_did_not_begin_in_time_has_not_run() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let question = |peer: &RawPeer| {
        let call = a.call::<Term, _>(peer.name(), ("m", "f"), ());
        tokio::spawn(call.timeout(PATIENCE).send())
    };
    let process = peer.pid(9);

    let call = question(&peer);
    let (request, _) = peer.spawn_request().await;
    peer.started(&request, &process).await;
    let refused = "{erpc, timeout}".parse().unwrap();
    let answer = Term::tuple([request.request.clone().into(), Term::atom("error"), refused]);
    peer.ended(&request, &process, &answer).await;
    let error = within(call).await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::RequestTimeout);
    assert!(matches!(error.cause(), Cause::Refused(_)), "{error:?}");
    assert!(!error.may_have_run());

    // One that was cut off there is as one that gave no answer.
    let call = question(&peer);
    let (request, _) = peer.spawn_request().await;
    peer.started(&request, &process).await;
    let cut_off = "{erpc, timeout}".parse().unwrap();
    peer.ended(&request, &process, &cut_off).await;
    let error = within(call).await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::RequestTimeout);
    assert!(
        matches!(error.cause(), Cause::Timeout(PATIENCE)),
        "{error:?}"
    );
    assert!(error.may_have_run());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_was_told_that_its_time_is_over_gives_no_answer() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    a.export("slow", "wait", async |call: CallContext| {
        let before = call.is_cancelled();
        call.cancelled().await;
        before
    })
    .unwrap();
    a.export("slow", "look", async |call: CallContext| {
        while !call.is_cancelled() {
            tokio::task::yield_now().await;
        }
        // Also what fails by then says nothing.
        assert!(!call.is_cancelled(), "nobody waits");
    })
    .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    for (id, function) in [(1, "wait"), (2, "look")] {
        let begun = Instant::now();
        let request = peer.reference(id);
        peer.call_within(&request, Some(300), ("slow", function), [])
            .await;
        assert!(peer.spawn_reply().await.result.is_ok());
        let (exit, reason) = peer.monitor_exit().await;
        assert_eq!(exit.reference, request);
        assert_eq!(reason, "{erpc, timeout}".parse().unwrap());
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_were_connected_a_moment_ago_come_to_know_what_each_takes() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, cluster.start("b").await);
    export_left(&b);
    for _ in 0..3 {
        connect(&a, &b).await;
        let learned = async {
            loop {
                let call = a.call::<Option<u64>, _>(b.name(), ("clock", "left"), ());
                if call.await.unwrap().is_some() {
                    return;
                }
            }
        };
        within(learned).await;
        a.disconnect(b.name());
        eventually(|| b.peers().is_empty()).await;
    }
}
