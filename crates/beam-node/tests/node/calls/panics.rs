//! What users' types do when they are dropped: it must not keep an answer from its caller.

use beam_dist::control::{Control, Exit2, Recipient};
use beam_node::{Cause, Limits};
use beam_term::Term;
use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::support::{Cluster, eventually, within};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("as the test wants it");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_handler_that_panics_when_it_is_dropped_is_told_to_its_caller() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    a.export("slow", "wait", move || {
        let started = started.clone();
        async move {
            let _bomb = Bomb;
            started.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let request = peer.reference(1);
    peer.call(&request, ("slow", "wait"), []).await;
    let process = peer.spawn_reply().await.result.unwrap();
    within(starts.recv()).await.unwrap();

    let exit = Control::Exit2(Exit2 {
        from: peer.pid(3),
        to: Recipient::Pid(process),
        priority: false,
        token: None,
    });
    peer.send_with(exit, &Term::atom("kill")).await;

    let (exit, reason) = peer.monitor_exit().await;
    assert_eq!(exit.reference, request);
    assert_eq!(reason, Term::atom("killed"));
    eventually(|| a.serving() == 0).await;
}

/// A result that panics when it is dropped.
struct Fragile(Bytes, Bomb);

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_panics_when_it_is_dropped_is_sent_when_there_is_room() {
    const RESULTS: u32 = 60;
    let cluster = Cluster::new();
    let limits = Limits {
        outgoing_bytes_per_peer: 1024,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    a.export("large", "result", async |count: usize| {
        Fragile(Bytes::from(vec![7; count]), Bomb)
    })
    .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    for id in 0..RESULTS {
        let request = peer.reference(id);
        peer.call(&request, ("large", "result"), [Term::from(500_000)])
            .await;
    }

    let mut ended = 0;
    while ended < RESULTS {
        let message = peer.next().await;
        ended += u32::from(message.payload.is_some());
    }
    eventually(|| a.serving() == 0).await;
}

/// Panics with a [`Bomb`] instead of being written.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        std::panic::panic_any(Bomb)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_with_a_value_that_panics_when_it_is_dropped_is_an_exception() {
    let (a, b) = Cluster::new().pair().await;
    b.export("bad", "result", async || Unwritable).unwrap();
    b.export("bad", "handler", async || {
        if true {
            std::panic::panic_any(Bomb)
        }
    })
    .unwrap();
    for from in [&a, &b] {
        for function in ["result", "handler"] {
            let error = within(from.call::<Term, _>(b.name(), ("bad", function), ()))
                .await
                .unwrap_err();
            assert!(matches!(error.cause(), Cause::Raised(_)), "{error:?}");
        }
    }
    eventually(|| b.serving() == 0).await;
}
