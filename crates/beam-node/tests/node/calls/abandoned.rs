//! Calls whose answer is no longer awaited, or can come no more.

use std::time::Duration;

use beam_dist::control::{Control, Target};
use beam_node::{CallContext, Cause, Code, Node};
use beam_term::{Atom, Term};
use tokio::{sync::mpsc, time::Instant};

use crate::support::{Cluster, eventually, within};

/// Long enough for a call to arrive, and short enough to be waited for.
const SHORT: Duration = Duration::from_millis(300);

/// What a handler that waits for the end of its call tells.
#[derive(Debug, PartialEq)]
enum Seen {
    Started,
    Cancelled,
}

/// Exports `slow:wait/0`, which returns when nobody waits for it any more.
fn export_wait(node: &Node) -> mpsc::UnboundedReceiver<Seen> {
    let (seen, receiver) = mpsc::unbounded_channel();
    node.export("slow", "wait", move |context: CallContext| {
        let seen = seen.clone();
        async move {
            seen.send(Seen::Started).unwrap();
            context.cancelled().await;
            assert!(context.is_cancelled());
            // The test may be over.
            let _ = seen.send(Seen::Cancelled);
        }
    })
    .unwrap();
    receiver
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_an_answer_in_time_is_cancelled_at_the_callee() {
    let (a, b) = Cluster::new().pair().await;
    let mut seen = export_wait(&b);

    let error = within(
        a.call::<Term, _>(b.name(), ("slow", "wait"), ())
            .timeout(SHORT),
    )
    .await
    .unwrap_err();

    assert_eq!(error.code, Code::RequestTimeout);
    assert!(matches!(error.cause(), Cause::Timeout(SHORT)), "{error:?}");
    assert!(error.may_have_run());
    assert_eq!(a.calling(), 0);
    assert_eq!(within(seen.recv()).await, Some(Seen::Started));
    assert_eq!(within(seen.recv()).await, Some(Seen::Cancelled));
    eventually(|| b.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_future_is_dropped_is_cancelled_at_the_callee() {
    let (a, b) = Cluster::new().pair().await;
    let mut seen = export_wait(&b);
    let call = tokio::spawn({
        let call = a.call::<Term, _>(b.name(), ("slow", "wait"), ());
        async move { call.await }
    });
    assert_eq!(within(seen.recv()).await, Some(Seen::Started));
    assert_eq!((a.calling(), b.serving()), (1, 1));
    assert_eq!((a.peers()[0].calling, b.peers()[0].serving), (1, 1));

    call.abort();

    assert_eq!(within(seen.recv()).await, Some(Seen::Cancelled));
    eventually(|| a.calling() == 0 && b.serving() == 0).await;
    assert_eq!((a.peers()[0].calling, b.peers()[0].serving), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_the_connection_fails_the_calls_that_wait_and_cancels_them() {
    let (a, b) = Cluster::new().pair().await;
    let mut seen = export_wait(&b);
    let call = tokio::spawn({
        let call = a.call::<Term, _>(b.name(), ("slow", "wait"), ());
        async move { call.await }
    });
    assert_eq!(within(seen.recv()).await, Some(Seen::Started));

    assert!(b.disconnect(a.name()));

    let error = within(call).await.unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(error.may_have_run());
    assert_eq!(within(seen.recv()).await, Some(Seen::Cancelled));
    eventually(|| a.calling() == 0 && b.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_call_takes_its_monitor_away() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let call = tokio::spawn({
        let call = a.call::<Term, _>(peer.name(), ("m", "f"), ());
        async move { call.await }
    });
    let (request, _) = peer.spawn_request().await;
    let process = peer.pid(9);
    peer.started(&request, &process).await;
    peer.settle().await;

    call.abort();

    match peer.next().await.control {
        Control::Demonitor(demonitor) => {
            assert_eq!(demonitor.reference, request.request);
            assert_eq!(demonitor.to, Target::Pid(process));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_call_that_starts_late_takes_its_monitor_away_then() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let call = tokio::spawn({
        let call = a.call::<Term, _>(peer.name(), ("m", "f"), ());
        async move { call.await }
    });
    let (request, _) = peer.spawn_request().await;

    call.abort();
    eventually(|| a.calling() == 0).await;
    let process = peer.pid(9);
    peer.started(&request, &process).await;

    match peer.next().await.control {
        Control::Demonitor(demonitor) => {
            assert_eq!(demonitor.reference, request.request);
            assert_eq!(demonitor.to, Target::Pid(process.clone()));
        }
        other => panic!("{other:?}"),
    }
    // The answer to nobody does no harm.
    peer.ended(&request, &process, &Term::atom("normal")).await;
    peer.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_be_given_all_the_time_there_is() {
    let (a, b) = Cluster::new().pair().await;
    for node in [a.name(), b.name()] {
        let name: Atom = within(a.call(node, ("erlang", "node"), ()).timeout(Duration::MAX))
            .await
            .unwrap();
        assert_eq!(name, *node.as_atom());
        within(a.cast(node, ("erlang", "node"), ()).timeout(Duration::MAX))
            .await
            .unwrap();
        let peer = a.peer(node).unwrap();
        within(peer.connect(Duration::MAX)).await.unwrap();
        within(peer.ping(Duration::MAX)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_or_cast_without_any_time_is_not_made() {
    let (a, b) = Cluster::new().pair().await;
    for node in [&a, &b] {
        node.export("quick", "work", async || ()).unwrap();
        let call = a.call::<(), _>(node.name(), ("quick", "work"), ());
        let refused = within(call.timeout(Duration::ZERO)).await.unwrap_err();
        let cast = a.cast(node.name(), ("quick", "work"), ());
        // Of this one all time has gone by.
        let (second, begun) = (Duration::from_secs(1), Instant::now());
        let late = a.call::<(), _>(node.name(), ("quick", "work"), ());
        let late = late.timeout(second).since(begun - second);
        for error in [
            refused,
            within(cast.timeout(Duration::ZERO)).await.unwrap_err(),
            within(late).await.unwrap_err(),
        ] {
            assert_eq!(error.code, Code::RequestTimeout);
            assert!(!error.may_have_run());
            assert!(error.message.contains("was not called"), "{error}");
        }
        // What was sent before has been taken when this is answered.
        let name: Atom = within(a.call(node.name(), ("erlang", "node"), ()))
            .await
            .unwrap();
        assert_eq!(name, *node.name().as_atom());
    }
    assert_eq!((a.served(), b.served()), (0, 0));
}
