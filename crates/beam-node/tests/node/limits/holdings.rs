//! What peers can make a node keep: monitors, memberships, messages and names.

use beam_dist::control::{Control, Demonitor, Link, Recipient, Target};
use beam_node::{Limits, Node};
use beam_term::Term;

use crate::support::{Cluster, RawPeer, connect, within};

async fn start(cluster: &Cluster, limits: Limits) -> Node {
    within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_and_links_of_a_peer_are_limited_together() {
    let cluster = Cluster::new();
    let limits = Limits {
        monitors_per_peer: 3,
        ..Limits::default()
    };
    let a = start(&cluster, limits).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mailbox = a.mailbox(None).unwrap();
    let target = Target::Pid(mailbox.pid().clone());
    let monitor = |peer: &RawPeer, id| peer.monitor(target.clone(), &peer.reference(id));
    let link = |peer: &RawPeer, id| {
        let (from, to) = (peer.pid(id), mailbox.pid().clone());
        Control::Link(Link { from, to })
    };

    let controls = [monitor(&peer, 1), monitor(&peer, 2), link(&peer, 3)];
    for control in controls {
        peer.send(control).await;
    }
    peer.settle().await;

    peer.send(monitor(&peer, 4)).await;
    let (exit, reason) = peer.monitor_exit().await;
    assert_eq!(
        (exit.reference, reason),
        (peer.reference(4), Term::atom("system_limit"))
    );
    peer.send(link(&peer, 5)).await;
    let message = peer.next().await;
    assert!(matches!(message.control, Control::Exit(exit) if exit.to == peer.pid(5)));
    assert_eq!(
        message.payload.unwrap().decode().unwrap(),
        Term::atom("system_limit")
    );

    // One that goes makes room for another, and another peer has room of its own.
    let demonitor = Control::Demonitor(Demonitor {
        from: peer.pid(1),
        to: target.clone(),
        reference: peer.reference(1),
    });
    peer.send(demonitor).await;
    peer.send(monitor(&peer, 6)).await;
    peer.settle().await;
    let mut other = cluster.raw_peer(&a, "other").await;
    other.send(monitor(&other, 1)).await;
    other.settle().await;

    drop(mailbox);
    for expected in [2, 6] {
        // The link is between the monitors.
        let exit = loop {
            match peer.next().await.control {
                Control::MonitorExit(exit) => break exit,
                Control::Exit(exit) => assert_eq!(exit.to, peer.pid(3)),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(exit.reference, peer.reference(expected));
    }
    // All are counted out again.
    let mailbox = a.mailbox(None).unwrap();
    for id in 7..10 {
        let target = Target::Pid(mailbox.pid().clone());
        peer.send(peer.monitor(target, &peer.reference(id))).await;
    }
    peer.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_that_a_peer_announces_are_limited() {
    let cluster = Cluster::new();
    let limits = Limits {
        memberships_per_peer: 3,
        ..Limits::default()
    };
    let a = start(&cluster, limits).await;
    let b = cluster.start("b").await;
    let group = Term::atom("workers");
    let before = [(); 2].map(|()| b.join(group.clone()).unwrap());
    connect(&a, &b).await;
    let mut members = a.watch_members(group.clone());
    let pids = |count: usize| {
        move |members: &std::sync::Arc<beam_node::Members>| {
            members
                .iter()
                .map(|member| member.pids().len())
                .sum::<usize>()
                == count
        }
    };
    within(members.wait_for(pids(2))).await.unwrap();
    // The scopes may tell each other twice what they have. When this is answered they have done so.
    within(a.ping(b.name())).await.unwrap();

    let later = [(); 3].map(|()| b.join(group.clone()).unwrap());
    let last = b.join(Term::atom("last")).unwrap();
    within(members.wait_for(pids(3))).await.unwrap();
    // Those that were taken can go, and what is there when the nodes meet again is limited, too.
    drop(before);
    within(members.wait_for(pids(1))).await.unwrap();
    drop((later, last));
    within(members.wait_for(pids(0))).await.unwrap();
    let many = [(); 5].map(|()| b.join(group.clone()).unwrap());
    within(members.wait_for(pids(3))).await.unwrap();
    a.disconnect(b.name());
    within(members.wait_for(pids(0))).await.unwrap();
    within(a.connect(b.name())).await.unwrap();
    within(members.wait_for(pids(3))).await.unwrap();
    drop(many);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_in_a_mailbox_are_limited() {
    let cluster = Cluster::new();
    let limits = Limits {
        mailbox_messages: 3,
        ..Limits::default()
    };
    let a = start(&cluster, limits).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mut mailbox = a.mailbox(None).unwrap();
    let to = peer.message(Recipient::Pid(mailbox.pid().clone()));
    for n in 0..5 {
        peer.send_with(to.clone(), &Term::from(n)).await;
    }
    peer.settle().await;
    let mut recv = async || {
        let delivery = within(mailbox.recv()).await.unwrap();
        delivery.message.decode().unwrap().as_i64().unwrap()
    };

    assert_eq!([recv().await, recv().await, recv().await], [0, 1, 2]);
    peer.send_with(to, &Term::from(5)).await;
    assert_eq!(recv().await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_in_a_mailbox_are_limited_in_bytes() {
    let cluster = Cluster::new();
    let limits = Limits {
        mailbox_bytes: 1_000,
        ..Limits::default()
    };
    let a = start(&cluster, limits).await;
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let mut mailbox = a.mailbox(None).unwrap();
    let to = peer.message(Recipient::Pid(mailbox.pid().clone()));
    for size in [400, 500, 600, 50] {
        peer.send_with(to.clone(), &Term::binary(vec![7; size]))
            .await;
    }
    peer.settle().await;
    let mut recv = async || {
        let delivery = within(mailbox.recv()).await.unwrap();
        let message = delivery.message.decode().unwrap();
        message.as_bytes().unwrap().len()
    };

    assert_eq!([recv().await, recv().await, recv().await], [400, 500, 50]);
    // One that is larger by itself is taken where nothing else waits.
    peer.send_with(to, &Term::binary(vec![7; 5_000])).await;
    assert_eq!(recv().await, 5_000);
}
