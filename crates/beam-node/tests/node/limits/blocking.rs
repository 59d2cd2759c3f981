//! Calls of functions that block.

use std::sync::{Arc, Condvar, Mutex};

use beam_dist::control::{Control, Exit2, Recipient};
use beam_node::{Export, Limits};
use beam_term::{Atom, Term};
use tokio::sync::mpsc;

use crate::support::{Cluster, RawPeer, eventually, within};

/// Holds threads up until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (open, opened) = &*self.0;
        let guard = open.lock().unwrap();
        drop(opened.wait_while(guard, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// Nobody may leave threads behind that wait for ever.
impl Drop for Gate {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1 || std::thread::panicking() {
            self.open();
        }
    }
}

async fn kill(peer: &mut RawPeer, pid: &beam_term::Pid) {
    let control = Control::Exit2(Exit2 {
        from: peer.pid(1),
        to: Recipient::Pid(pid.clone()),
        priority: false,
        token: None,
    });
    peer.send_with(control, &Term::atom("kill")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_function_counts_until_it_ends_whatever_becomes_of_its_process() {
    let cluster = Cluster::new();
    let limits = Limits {
        served_per_peer: 2,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let gate = Gate::default();
    let (started, mut starts) = mpsc::unbounded_channel();
    a.register(Export::blocking("slow", "block", {
        let gate = gate.clone();
        move || {
            started.send(()).unwrap();
            gate.pass();
        }
    }))
    .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;

    for id in 1..=2 {
        let request = peer.reference(id);
        peer.call(&request, ("slow", "block"), []).await;
        let pid = peer.spawn_reply().await.result.unwrap();
        within(starts.recv()).await.unwrap();
        kill(&mut peer, &pid).await;
        let (_, reason) = peer.monitor_exit().await;
        assert_eq!(reason, Term::atom("killed"));
    }

    assert_eq!(a.serving(), 2);
    let request = peer.reference(3);
    peer.call(&request, ("slow", "block"), []).await;
    let refused = peer.spawn_reply().await.result;
    assert_eq!(refused, Err(Atom::from_static("system_limit")));

    gate.open();
    eventually(|| a.serving() == 0).await;
}

#[test]
fn a_blocking_function_that_is_ended_before_it_began_never_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let cluster = Cluster::new();
        let a = cluster.start("a").await;
        let gate = Gate::default();
        let (started, mut starts) = mpsc::unbounded_channel();
        a.register(Export::blocking("slow", "block", {
            let gate = gate.clone();
            move |n: u32| {
                started.send(n).unwrap();
                gate.pass();
            }
        }))
        .unwrap();
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

        kill(&mut peer, &pids[1]).await;
        let (exit, _) = peer.monitor_exit().await;
        assert_eq!(exit.reference, peer.reference(2));
        gate.open();

        assert_eq!(within(starts.recv()).await, Some(3));
        eventually(|| a.serving() == 0).await;
        assert!(starts.try_recv().is_err());
    });
}
