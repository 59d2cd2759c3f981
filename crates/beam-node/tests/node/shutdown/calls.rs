//! Calls that are under way when a node shuts down.

use std::{sync::Arc, time::Duration};

use beam_node::{Cause, Code, Error, Node};
use beam_term::Atom;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use crate::support::{Cluster, connect, eventually, within};

/// A function that waits: `gate:pass/0`.
struct Gate {
    started: mpsc::UnboundedReceiver<()>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn export(node: &Node) -> Self {
        let (sender, started) = mpsc::unbounded_channel();
        let open = Arc::new(Semaphore::new(0));
        let waiting = Arc::clone(&open);
        node.export("gate", "pass", move || {
            let (started, open) = (sender.clone(), Arc::clone(&waiting));
            async move {
                started.send(()).unwrap();
                open.acquire().await.unwrap().forget();
                "passed"
            }
        })
        .unwrap();
        Self { started, open }
    }

    /// Waits until a call is there.
    async fn reached(&mut self) {
        within(self.started.recv()).await.unwrap();
    }

    fn open(&self) {
        self.open.add_permits(1);
    }
}

fn call(from: &Node, to: &Node) -> JoinHandle<Result<String, Error>> {
    let call = from.call(to.name(), ("gate", "pass"), ());
    tokio::spawn(async move { call.await })
}

/// Begins to shut a node down, and waits until it takes no more connections.
async fn begin_shutdown(node: &Node, cluster: &Cluster) -> JoinHandle<Result<(), Error>> {
    let stopping = tokio::spawn({
        let node = node.clone();
        async move { node.shutdown().await }
    });
    let probe = cluster.start("probe").await;
    // It may be connected once more before.
    within(async {
        while probe.connect(node.name()).await.is_ok() {
            probe.disconnect(node.name());
        }
    })
    .await;
    stopping
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_served_is_finished_and_answered() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let mut gate = Gate::export(&b);
    let call = call(&a, &b);
    gate.reached().await;

    let stopping = begin_shutdown(&b, &cluster).await;
    assert!(!stopping.is_finished());
    assert_eq!(b.serving(), 1);
    gate.open();

    assert_eq!(within(call).await.unwrap().unwrap(), "passed");
    within(stopping).await.unwrap().unwrap();
    assert_eq!(b.serving(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_made_is_waited_for() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let mut gate = Gate::export(&b);
    let call = call(&a, &b);
    gate.reached().await;

    let stopping = begin_shutdown(&a, &cluster).await;
    assert!(!stopping.is_finished());
    assert_eq!(a.calling(), 1);
    gate.open();

    assert_eq!(within(call).await.unwrap().unwrap(), "passed");
    within(stopping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_call_may_call_a_third_node_while_its_own_drains() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let c = cluster.start("c").await;
    connect(&b, &c).await;
    let mut gate = Gate::export(&b);
    let mut further = Gate::export(&c);
    b.export("via", "third", {
        let peers = (b.peer(b.name()).unwrap(), b.peer(c.name()).unwrap());
        move || {
            let (own, third) = peers.clone();
            async move {
                let before: String = own.call(("gate", "pass"), ()).await.unwrap();
                let after: String = third.call(("gate", "pass"), ()).await.unwrap();
                [before, after]
            }
        }
    })
    .unwrap();
    let call = tokio::spawn({
        let call = a.call::<[String; 2], _>(b.name(), ("via", "third"), ());
        async move { call.await }
    });
    gate.reached().await;

    let stopping = begin_shutdown(&b, &cluster).await;
    gate.open();
    further.reached().await;
    assert!(!stopping.is_finished());
    further.open();

    assert_eq!(within(call).await.unwrap().unwrap(), ["passed", "passed"]);
    within(stopping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_left_when_time_is_up_are_counted_and_lost() {
    let cluster = Cluster::new();
    let drain_timeout = Duration::from_millis(200);
    let b = within(cluster.builder("b").drain_timeout(drain_timeout).start())
        .await
        .unwrap();
    let (a, c) = (cluster.start("a").await, cluster.start("c").await);
    let (mut of_b, mut of_c) = (Gate::export(&b), Gate::export(&c));
    let received = [call(&a, &b), call(&a, &b)];
    let sent = call(&b, &c);
    of_b.reached().await;
    of_b.reached().await;
    of_c.reached().await;

    let error = within(b.shutdown()).await.unwrap_err();

    assert_eq!(error.code, Code::RequestTimeout);
    assert!(
        matches!(error.cause(), Cause::Timeout(after) if *after == drain_timeout),
        "{error:?}"
    );
    let counted = "1 calls sent and 2 calls received";
    assert!(error.message.contains(counted), "{error}");
    for lost in received.into_iter().chain([sent]) {
        let error = within(lost).await.unwrap().unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
        assert!(error.may_have_run());
    }
    assert_eq!((b.calling(), b.serving()), (0, 0));
    eventually(|| a.peers().is_empty() && c.peers().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_node_may_call_until_the_calls_have_run_out() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let mut gate = Gate::export(&b);
    let first = call(&a, &b);
    gate.reached().await;

    let stopping = begin_shutdown(&b, &cluster).await;
    let name: Atom = within(a.call(b.name(), ("erlang", "node"), ()))
        .await
        .unwrap();
    assert_eq!(name.as_str(), b.name().as_str());
    gate.open();

    assert_eq!(within(first).await.unwrap().unwrap(), "passed");
    within(stopping).await.unwrap().unwrap();
}
