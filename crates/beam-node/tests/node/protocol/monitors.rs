//! Monitors and links of a peer on processes of a node.

use std::num::NonZeroU64;

use beam_dist::control::{Control, Demonitor, Link, Recipient, Target, Unlink};
use beam_term::{Atom, Pid, Term};

use crate::support::{Cluster, RawPeer, within};

const NOPROC: Term = Term::atom("noproc");
const NORMAL: Term = Term::atom("normal");

async fn monitors(peer: &mut RawPeer, id: u32, to: Target) {
    let control = peer.monitor(to, &peer.reference(id));
    peer.send(control).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_on_what_does_not_exist_is_answered_at_once() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mailbox = a.mailbox(Some("inbox")).unwrap();
    let pid = mailbox.pid().clone();
    let mut peer = cluster.raw_peer(&a, "raw").await;

    for (id, target) in [
        (1, Target::Name(Atom::from_static("nobody"))),
        (
            2,
            Target::Pid(Pid {
                id: 999,
                ..pid.clone()
            }),
        ),
        (
            3,
            Target::Pid(Pid {
                creation: pid.creation + 1,
                ..pid.clone()
            }),
        ),
        (
            4,
            Target::Pid(Pid {
                node: Atom::from_static("b@127.0.0.1"),
                ..pid.clone()
            }),
        ),
    ] {
        monitors(&mut peer, id, target.clone()).await;
        let (exit, reason) = peer.monitor_exit().await;
        assert_eq!((exit.from, reason), (target, NOPROC));
        assert_eq!(exit.to, peer.pid(1));
        assert_eq!(exit.reference, peer.reference(id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_mailbox_is_told_to_those_who_monitor_it_by_name_or_pid() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mailbox = a.mailbox(Some("inbox")).unwrap();
    let (name, pid) = (
        Target::Name(Atom::from_static("inbox")),
        Target::Pid(mailbox.pid().clone()),
    );
    monitors(&mut peer, 1, name.clone()).await;
    monitors(&mut peer, 2, pid.clone()).await;
    monitors(&mut peer, 3, pid.clone()).await;
    let taken_back = Control::Demonitor(Demonitor {
        from: peer.pid(1),
        to: pid.clone(),
        reference: peer.reference(2),
    });
    peer.send(taken_back).await;
    peer.settle().await;

    drop(mailbox);

    for (id, target) in [(1, name.clone()), (3, pid)] {
        let (exit, reason) = peer.monitor_exit().await;
        assert_eq!((exit.from, reason), (target, NORMAL));
        assert_eq!(exit.reference, peer.reference(id));
    }
    monitors(&mut peer, 4, name).await;
    assert_eq!(peer.monitor_exit().await.1, NOPROC);
    // The name is free again.
    a.mailbox(Some("inbox")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_monitor_one_process_are_told_in_order_but_for_those_who_gave_up() {
    const COUNT: u32 = 1_000;
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mut other = cluster.raw_peer(&a, "other").await;
    let mailbox = a.mailbox(None).unwrap();
    let pid = Target::Pid(mailbox.pid().clone());
    for id in 0..COUNT {
        monitors(&mut peer, id, pid.clone()).await;
    }
    // Those of another peer have nothing to do with them, though they look the same.
    monitors(&mut other, 1, pid.clone()).await;
    other.settle().await;
    let stays = |id: u32| id.is_multiple_of(7);
    for id in (0..COUNT).rev().filter(|id| !stays(*id)) {
        let taken_back = Control::Demonitor(Demonitor {
            from: peer.pid(1),
            to: pid.clone(),
            reference: peer.reference(id),
        });
        peer.send(taken_back).await;
    }
    peer.settle().await;
    monitors(&mut peer, COUNT, pid).await;
    peer.settle().await;

    drop(mailbox);

    for id in (0..COUNT).filter(|id| stays(*id)).chain([COUNT]) {
        let (exit, _) = peer.monitor_exit().await;
        assert_eq!(exit.reference, peer.reference(id));
    }
    peer.settle().await;
    assert_eq!(other.monitor_exit().await.0.reference, other.reference(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_membership_is_told_to_those_who_monitor_it() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let membership = a.join(Term::atom("workers")).unwrap();
    let pid = Target::Pid(membership.pid().clone());
    monitors(&mut peer, 1, pid.clone()).await;
    peer.settle().await;

    drop(membership);

    let (exit, reason) = peer.monitor_exit().await;
    assert_eq!((exit.from, reason), (pid, NORMAL));
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_processes_are_told_of_the_end_and_unlinked_ones_are_not() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mailbox = a.mailbox(None).unwrap();
    let to = mailbox.pid().clone();
    for id in [1, 2] {
        let from = peer.pid(id);
        let to = to.clone();
        peer.send(Control::Link(Link { from, to })).await;
    }
    let id = NonZeroU64::new(12_345_678_901).unwrap();
    let unlink = Control::Unlink(Unlink {
        id: Some(id),
        from: peer.pid(1),
        to: to.clone(),
    });
    peer.send(unlink).await;
    match peer.next().await.control {
        Control::UnlinkAck(ack) => {
            assert_eq!((ack.id, ack.from, ack.to), (id, to.clone(), peer.pid(1)))
        }
        other => panic!("{other:?}"),
    }

    drop(mailbox);

    let message = peer.next().await;
    match message.control {
        Control::Exit(exit) => assert_eq!((exit.from, exit.to), (to, peer.pid(2))),
        other => panic!("{other:?}"),
    }
    assert_eq!(message.payload.unwrap().decode().unwrap(), NORMAL);
    peer.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_what_does_not_exist_breaks_at_once() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mailbox = a.mailbox(None).unwrap();
    let nobody = Pid {
        id: 999,
        ..mailbox.pid().clone()
    };

    let from = peer.pid(1);
    let to = nobody.clone();
    peer.send(Control::Link(Link { from, to })).await;

    let message = peer.next().await;
    match message.control {
        Control::Exit(exit) => assert_eq!((exit.from, exit.to), (nobody, peer.pid(1))),
        other => panic!("{other:?}"),
    }
    assert_eq!(message.payload.unwrap().decode().unwrap(), NOPROC);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_a_mailbox_by_pid_and_by_name() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mut mailbox = a.mailbox(Some("inbox")).unwrap();
    let by_pid = peer.message(Recipient::Pid(mailbox.pid().clone()));
    let by_name = peer.message(Recipient::Name(Atom::from_static("inbox")));
    let to_nobody = peer.message(Recipient::Name(Atom::from_static("outbox")));
    let to_alias = peer.message(Recipient::Alias(peer.reference(1)));

    peer.send_with(to_nobody, &Term::from(0)).await;
    peer.send_with(to_alias, &Term::from(0)).await;
    peer.send_with(by_pid, &Term::from(1)).await;
    peer.send_with(by_name, &Term::from(2)).await;

    for expected in [1, 2] {
        let delivery = within(mailbox.recv()).await.unwrap();
        assert_eq!(delivery.node, *peer.name());
        assert_eq!(delivery.from, Some(peer.pid(1)));
        assert_eq!(delivery.message.decode().unwrap(), Term::from(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_any_size_arrive_in_the_order_in_which_they_were_sent() {
    let (a, b) = Cluster::new().pair().await;
    let mut mailbox = b.mailbox(Some("inbox")).unwrap();
    for n in 0..60_usize {
        let large = n % 3 == 0;
        let message = (n, "x".repeat(if large { 200_000 } else { 10 }));
        match n % 2 {
            0 => within(a.send((b.name(), Atom::from_static("inbox")), &message))
                .await
                .unwrap(),
            _ => within(a.send(mailbox.pid().clone(), &message))
                .await
                .unwrap(),
        }
    }
    for n in 0..60_usize {
        let delivery = within(mailbox.recv()).await.unwrap();
        let (found, _): (usize, String) = delivery.message.reader().deserialize().unwrap();
        assert_eq!(found, n);
    }
}
