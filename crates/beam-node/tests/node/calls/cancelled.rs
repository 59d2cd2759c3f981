//! Exports whose calls end when nobody waits for them any more.

use std::{future::pending, time::Duration};

use beam_dist::control::{Control, SpawnOptions};
use beam_node::{CallContext, Code, Export, Node};
use beam_term::Term;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::{Cluster, PATIENCE, eventually, within};

/// Long enough for a call to arrive, and short enough to be waited for.
const SHORT: Duration = Duration::from_millis(300);

/// What becomes of a handler.
#[derive(Debug, PartialEq)]
enum Seen {
    Started,
    /// Its future is gone, though it did not come to its end.
    Dropped,
    Ended,
}

/// Tells when a handler is dropped.
struct Handler {
    seen: UnboundedSender<Seen>,
    has_ended: bool,
}

impl Handler {
    fn start(seen: &UnboundedSender<Seen>) -> Self {
        seen.send(Seen::Started).unwrap();
        Self {
            seen: seen.clone(),
            has_ended: false,
        }
    }

    /// It comes to its end.
    fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        let end = match self.has_ended {
            true => Seen::Ended,
            false => Seen::Dropped,
        };
        // The test may be over.
        let _ = self.seen.send(end);
    }
}

/// Exports `slow:wait/0`, which never returns and ends when it is abandoned.
fn export_wait(node: &Node) -> UnboundedReceiver<Seen> {
    let (seen, receiver) = unbounded_channel();
    let export = Export::new("slow", "wait", move || {
        let handler = Handler::start(&seen);
        async move {
            let _handler = handler;
            pending::<()>().await;
        }
    });
    node.register(export.cancel_when_abandoned()).unwrap();
    receiver
}

/// A function `slow:wait/0`, which runs on for a moment when nobody waits for it any more.
fn runs_on() -> (Export, UnboundedReceiver<Seen>) {
    let (seen, receiver) = unbounded_channel();
    let export = Export::new("slow", "wait", move |call: CallContext| {
        let handler = Handler::start(&seen);
        async move {
            call.cancelled().await;
            tokio::task::yield_now().await;
            handler.end();
        }
    });
    (export, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_dropped_when_its_caller_gives_up() {
    let (a, b) = Cluster::new().pair().await;
    let mut seen = [&a, &b].map(export_wait);
    for (callee, seen) in [&a, &b].into_iter().zip(&mut seen) {
        let error = within(
            a.call::<Term, _>(callee.name(), ("slow", "wait"), ())
                .timeout(SHORT),
        )
        .await
        .unwrap_err();
        assert_eq!(error.code, Code::RequestTimeout);
        assert!(error.may_have_run());
        assert_eq!(within(seen.recv()).await, Some(Seen::Started));
        assert_eq!(within(seen.recv()).await, Some(Seen::Dropped));

        let call = a.call::<Term, _>(callee.name(), ("slow", "wait"), ());
        let call = tokio::spawn(call.send());
        assert_eq!(within(seen.recv()).await, Some(Seen::Started));
        call.abort();
        assert_eq!(within(seen.recv()).await, Some(Seen::Dropped));
    }
    eventually(|| a.calling() + b.calling() + a.serving() + b.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_dropped_when_the_connection_to_its_caller_is_lost() {
    let (a, b) = Cluster::new().pair().await;
    let mut seen = export_wait(&b);
    let call = tokio::spawn(a.call::<Term, _>(b.name(), ("slow", "wait"), ()).send());
    assert_eq!(within(seen.recv()).await, Some(Seen::Started));
    assert!(b.disconnect(a.name()));
    assert_eq!(within(seen.recv()).await, Some(Seen::Dropped));
    within(call).await.unwrap().unwrap_err();
    eventually(|| b.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_dropped_at_the_deadline_of_a_caller_that_says_nothing_more() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut seen = export_wait(&a);
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let request = peer.reference(1);
    peer.call_within(&request, Some(300), ("slow", "wait"), [])
        .await;
    assert!(peer.spawn_reply().await.result.is_ok());
    assert_eq!(within(seen.recv()).await, Some(Seen::Started));
    assert_eq!(within(seen.recv()).await, Some(Seen::Dropped));
    // It may have run, so this is not how a call is refused.
    let (exit, reason) = peer.monitor_exit().await;
    assert_eq!(exit.reference, request);
    assert_eq!(reason, "{erpc, timeout}".parse().unwrap());
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_does_not_ask_for_its_end_runs_on() {
    let (a, b) = Cluster::new().pair().await;
    let (export, mut receiver) = runs_on();
    b.register(export).unwrap();
    let call = tokio::spawn(a.call::<Term, _>(b.name(), ("slow", "wait"), ()).send());
    assert_eq!(within(receiver.recv()).await, Some(Seen::Started));
    call.abort();
    assert_eq!(within(receiver.recv()).await, Some(Seen::Ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_runs_to_its_end_whatever_becomes_of_its_sender() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let (export, mut receiver) = runs_on();
    a.register(export.cancel_when_abandoned()).unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let request = peer.reference(1);
    let control = peer.spawn(
        &request,
        ("erpc", "execute_cast", 3),
        SpawnOptions::default(),
    );
    peer.send_with(control, &"[slow, wait, []]".parse().unwrap())
        .await;
    assert_eq!(within(receiver.recv()).await, Some(Seen::Started));
    drop(peer);
    assert_eq!(within(receiver.recv()).await, Some(Seen::Ended));
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_answers_in_time_is_left_alone() {
    let (a, b) = Cluster::new().pair().await;
    for node in [&a, &b] {
        within(node.settled(PATIENCE)).await.unwrap();
        let export = Export::new("quick", "double", async |n: i64| {
            tokio::task::yield_now().await;
            2 * n
        });
        node.register(export.cancel_when_abandoned()).unwrap();
        for n in 0..10 {
            let call = a.call::<i64, _>(node.name(), ("quick", "double"), (n,));
            assert_eq!(within(call.timeout(PATIENCE)).await.unwrap(), 2 * n);
        }
    }
}

#[test]
fn a_blocking_function_that_is_abandoned_before_it_began_never_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let cluster = Cluster::new();
        let a = cluster.start("a").await;
        let (started, mut starts) = unbounded_channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let export = Export::blocking("slow", "block", move |call: CallContext, n: u32| {
            started.send(n).unwrap();
            let _ = gate.lock().unwrap().recv();
            call.is_cancelled()
        });
        a.register(export.cancel_when_abandoned()).unwrap();
        let mut peer = cluster.raw_peer(&a, "raw").await;
        let mut pids = Vec::new();
        for n in 1..=3 {
            let request = peer.reference(n);
            peer.call(&request, ("slow", "block"), [Term::from(n)])
                .await;
            pids.push(peer.spawn_reply().await.result.unwrap());
            if n == 1 {
                assert_eq!(within(starts.recv()).await, Some(1));
            }
        }
        for n in [1, 2] {
            let demonitor = Control::Demonitor(beam_dist::control::Demonitor {
                from: peer.pid(1),
                to: beam_dist::control::Target::Pid(pids[n - 1].clone()),
                reference: peer.reference(n as u32),
            });
            peer.send(demonitor).await;
        }
        peer.settle().await;
        // One is at work, one waits, and the other is still to be found dead by a thread.
        assert_eq!(a.serving(), 3);

        drop(open);
        assert_eq!(within(starts.recv()).await, Some(3));
        let (exit, answer) = peer.monitor_exit().await;
        assert_eq!(exit.reference, peer.reference(3));
        assert_eq!(answer.as_tuple().unwrap()[2], Term::atom("false"));
        // Nobody is told anything of the others.
        peer.settle().await;
        eventually(|| a.serving() == 0).await;
        assert!(starts.try_recv().is_err());
    });
}
