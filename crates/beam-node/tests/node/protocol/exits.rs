//! Exit signals of a peer to processes of a node.

use beam_dist::control::{Control, Demonitor, Exit, Exit2, Link, Recipient, Target, Unlink};
use beam_node::{CallContext, Node};
use beam_term::{Pid, Term};
use tokio::sync::mpsc;

use crate::support::{Cluster, RawPeer, eventually, within};

/// Exports `slow:wait/0`, which goes on until it is dropped, and tells when it is.
fn export_wait(node: &Node) -> mpsc::UnboundedReceiver<&'static str> {
    struct OnDrop(mpsc::UnboundedSender<&'static str>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }

    let (seen, receiver) = mpsc::unbounded_channel();
    node.export("slow", "wait", move |context: CallContext| {
        let seen = OnDrop(seen.clone());
        async move {
            seen.0.send("started").unwrap();
            context.cancelled().await;
            seen.0.send("cancelled").unwrap();
            std::future::pending::<()>().await;
        }
    })
    .unwrap();
    receiver
}

/// Waits until the handler is dropped. It may see that nobody waits for it before.
async fn dropped(seen: &mut mpsc::UnboundedReceiver<&'static str>) {
    while within(seen.recv()).await.unwrap() != "dropped" {}
}

/// Calls `slow:wait/0`, and gives the process that runs it.
async fn call(peer: &mut RawPeer, id: u32) -> Pid {
    let request = peer.reference(id);
    peer.call(&request, ("slow", "wait"), []).await;
    peer.spawn_reply().await.result.unwrap()
}

fn exit2(peer: &RawPeer, to: &Pid) -> Control {
    Control::Exit2(Exit2 {
        from: peer.pid(3),
        to: Recipient::Pid(to.clone()),
        priority: false,
        token: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_signal_ends_a_served_call_with_its_reason() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut seen = export_wait(&a);
    let mut peer = cluster.raw_peer(&a, "raw").await;
    // One of more than 1,024 bytes is not kept.
    let long = format!("<<\"{}\">>", "x".repeat(1024));
    for (id, (sent, told)) in [
        ("shutdown", "shutdown"),
        ("kill", "killed"),
        ("{because, [1, 2]}", "{because, [1, 2]}"),
        (&long, "killed"),
    ]
    .into_iter()
    .enumerate()
    {
        let process = call(&mut peer, id as u32).await;
        assert_eq!(within(seen.recv()).await, Some("started"));

        let control = exit2(&peer, &process);
        peer.send_with(control, &sent.parse().unwrap()).await;

        let (exit, reason) = peer.monitor_exit().await;
        assert_eq!(exit.from, Target::Pid(process));
        assert_eq!(reason, told.parse().unwrap());
        dropped(&mut seen).await;
    }
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_signal_that_is_normal_changes_nothing() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut seen = export_wait(&a);
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let process = call(&mut peer, 1).await;
    assert_eq!(within(seen.recv()).await, Some("started"));

    let control = exit2(&peer, &process);
    peer.send_with(control, &Term::atom("normal")).await;
    peer.settle().await;

    assert_eq!(a.serving(), 1);
    // A monitor that is taken away cancels, and does not kill.
    let demonitor = Control::Demonitor(Demonitor {
        from: peer.pid(1),
        to: Target::Pid(process),
        reference: peer.reference(1),
    });
    peer.send(demonitor).await;
    assert_eq!(within(seen.recv()).await, Some("cancelled"));
    assert_eq!(a.serving(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_linked_takes_a_served_call_with_it() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut seen = export_wait(&a);
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let process = call(&mut peer, 1).await;
    assert_eq!(within(seen.recv()).await, Some("started"));
    let (linked, other) = (peer.pid(5), peer.pid(6));
    for from in [&linked, &other] {
        let (from, to) = (from.clone(), process.clone());
        peer.send(Control::Link(Link { from, to })).await;
    }

    let exit = Control::Exit(Exit {
        from: linked,
        to: process.clone(),
        token: None,
    });
    peer.send_with(exit, &Term::atom("crash")).await;

    // The monitor of the caller came first. Whoever broke the link is not told that it broke.
    let (exit, reason) = peer.monitor_exit().await;
    assert_eq!(exit.from, Target::Pid(process.clone()));
    assert_eq!(reason, Term::atom("crash"));
    match peer.next().await.control {
        Control::Exit(exit) => assert_eq!((exit.from, exit.to), (process, other)),
        other => panic!("{other:?}"),
    }
    peer.settle().await;
    dropped(&mut seen).await;
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_for_a_process_of_an_old_incarnation_reaches_one_of_the_same_number() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut mailbox = a.mailbox(None).unwrap();
    let mut seen = export_wait(&a);
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let process = call(&mut peer, 1).await;
    assert_eq!(within(seen.recv()).await, Some("started"));
    let of_old = |pid: &Pid| Pid {
        creation: pid.creation - 1,
        ..pid.clone()
    };
    let linked = peer.pid(5);
    let (from, to) = (linked.clone(), process.clone());
    peer.send(Control::Link(Link { from, to })).await;

    let old = of_old(&process);
    peer.send_with(exit2(&peer, &old), &Term::atom("kill"))
        .await;
    let exit = Control::Exit(Exit {
        from: linked.clone(),
        to: old.clone(),
        token: None,
    });
    peer.send_with(exit, &Term::atom("crash")).await;
    let demonitor = Control::Demonitor(Demonitor {
        from: peer.pid(1),
        to: Target::Pid(old.clone()),
        reference: peer.reference(1),
    });
    peer.send(demonitor).await;
    let unlink = Control::Unlink(Unlink {
        id: None,
        from: linked.clone(),
        to: old,
    });
    peer.send(unlink).await;
    for (pid, text) in [
        (of_old(mailbox.pid()), "old"),
        (mailbox.pid().clone(), "new"),
    ] {
        let message = peer.message(Recipient::Pid(pid));
        peer.send_with(message, &Term::atom(text)).await;
    }
    peer.settle().await;

    let delivery = within(mailbox.recv()).await.unwrap();
    assert_eq!(delivery.message.decode().unwrap(), Term::atom("new"));
    assert_eq!(a.serving(), 1);
    assert!(seen.try_recv().is_err());
    // It is monitored and linked as before.
    peer.send_with(exit2(&peer, &process), &Term::atom("kill"))
        .await;
    let (exit, reason) = peer.monitor_exit().await;
    assert_eq!(
        (exit.from, reason),
        (Target::Pid(process.clone()), Term::atom("killed"))
    );
    match peer.next().await.control {
        Control::Exit(exit) => assert_eq!((exit.from, exit.to), (process, linked)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_and_memberships_survive_exit_signals() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mut mailbox = a.mailbox(None).unwrap();
    let membership = a.join(Term::atom("workers")).unwrap();

    for pid in [mailbox.pid(), membership.pid()] {
        let control = exit2(&peer, pid);
        peer.send_with(control, &Term::atom("kill")).await;
    }
    let message = peer.message(Recipient::Pid(mailbox.pid().clone()));
    peer.send_with(message, &Term::atom("hello")).await;

    let delivery = within(mailbox.recv()).await.unwrap();
    assert_eq!(delivery.message.decode().unwrap(), Term::atom("hello"));
    assert_eq!(a.members(&Term::atom("workers")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_killed_before_it_ran_is_counted_out_again() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let _seen = export_wait(&a);
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let first = call(&mut peer, 1).await;

    // The requests and the signals to the processes that they start come in one piece.
    let mut together = bytes::BytesMut::new();
    for n in 1..=100 {
        let process = Pid {
            id: first.id + n,
            ..first.clone()
        };
        let request = peer.spawn(&peer.reference(n), ("slow", "wait", 0), Default::default());
        together.extend_from_slice(&peer.encode(&request, &Term::nil()));
        together.extend_from_slice(&peer.encode(&exit2(&peer, &process), &Term::atom("kill")));
    }
    peer.write(&together).await;
    for n in 1..=100 {
        assert_eq!(peer.spawn_reply().await.result.unwrap().id, first.id + n);
    }

    eventually(|| a.serving() == 1).await;
}
