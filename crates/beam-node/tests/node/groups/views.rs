//! What nodes see of the groups of others.

use beam_node::{Members, Node};
use beam_term::Term;
use tokio::sync::watch;

use crate::support::{Cluster, PATIENCE, connect, within};

const GROUP: Term = Term::atom("workers");

type View = watch::Receiver<std::sync::Arc<Members>>;

/// Waits until these nodes are the members, and no other.
#[track_caller]
fn sees<'a>(view: &'a mut View, nodes: &'a [&'a Node]) -> impl Future<Output = ()> + 'a {
    let expected = |members: &std::sync::Arc<Members>| {
        members.len() == nodes.len() && nodes.iter().all(|node| members.contains(node.name()))
    };
    let seen = within(async move { view.wait_for(expected).await.map(drop) });
    async move { seen.await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_is_seen_by_every_node_until_it_is_dropped() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let c = cluster.start("c").await;
    connect(&c, &a).await;
    connect(&c, &b).await;
    let mut views = [&a, &b, &c].map(|node| node.watch_members(GROUP));

    for _ in 0..10 {
        let of_b = b.join(GROUP).unwrap();
        for view in &mut views {
            sees(view, &[&b]).await;
        }
        let of_c = c.join(GROUP).unwrap();
        for view in &mut views {
            sees(view, &[&b, &c]).await;
        }
        drop(of_b);
        for view in &mut views {
            sees(view, &[&c]).await;
        }
        drop(of_c);
        for view in &mut views {
            sees(view, &[]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_two_memberships_is_one_member_until_both_are_gone() {
    let (a, b) = Cluster::new().pair().await;
    let mut view = a.watch_members(GROUP);
    let (first, second) = (b.join(GROUP).unwrap(), b.join(GROUP).unwrap());
    let both = [first.pid().clone(), second.pid().clone()];
    let pids = |members: &Members| members.get(b.name()).unwrap().pids().to_vec();

    let found = within(view.wait_for(|members| members.len() == 1 && pids(members) == both))
        .await
        .unwrap()
        .clone();
    assert_eq!(found.len(), 1);
    drop(first);
    within(view.wait_for(|members| pids(members) == both[1..]))
        .await
        .unwrap();
    drop(second);
    sees(&mut view, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_groups_are_seen_and_forgotten_with_their_members() {
    const GROUPS: i64 = 2_000;
    let (a, b) = Cluster::new().pair().await;
    let name = |n: i64| Term::tuple([Term::atom("shard"), Term::from(n)]);
    let mut last = a.watch_members(name(GROUPS - 1));
    let mut memberships: Vec<_> = (0..GROUPS).map(|n| b.join(name(n)).unwrap()).collect();

    // Those before it were told before it.
    sees(&mut last, &[&b]).await;
    let mut expected: Vec<_> = (0..GROUPS).map(name).collect();
    expected.sort();
    let mut found = a.groups();
    found.sort();
    assert_eq!(found, expected);
    for n in [0, 1, 999] {
        assert!(a.members(&name(n)).contains(b.name()));
    }

    let kept = memberships.remove(7);
    drop(memberships);
    sees(&mut last, &[]).await;
    assert_eq!(a.groups(), [kept.group().clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_joined_before_nodes_met_is_seen_when_they_meet() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, cluster.start("b").await);
    let _of_a = a.join(GROUP).unwrap();
    let of_b = b.join(GROUP).unwrap();
    let gone = Term::atom("gone");
    drop(b.join(gone.clone()).unwrap());
    let mut views = [&a, &b].map(|node| node.watch_members(GROUP));
    sees(&mut views[0], &[&a]).await;
    sees(&mut views[1], &[&b]).await;

    connect(&a, &b).await;

    for view in &mut views {
        sees(view, &[&a, &b]).await;
    }
    assert!(a.members(&gone).is_empty());
    a.disconnect(b.name());
    sees(&mut views[0], &[&a]).await;
    sees(&mut views[1], &[&b]).await;
    // What changes while they are apart is seen when they meet again.
    drop(of_b);
    let _elsewhere = b.join(gone.clone()).unwrap();
    sees(&mut views[1], &[]).await;
    connect(&a, &b).await;
    within(a.wait_for_members(gone, 1, PATIENCE)).await.unwrap();
    sees(&mut views[0], &[&a]).await;
    sees(&mut views[1], &[&a]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_seen_by_those_who_are_connected_to_them_only() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let c = cluster.start("c").await;
    connect(&b, &c).await;
    let _of_a = a.join(GROUP).unwrap();
    let _of_c = c.join(GROUP).unwrap();

    sees(&mut b.watch_members(GROUP), &[&a, &c]).await;
    sees(&mut a.watch_members(GROUP), &[&a]).await;
    sees(&mut c.watch_members(GROUP), &[&c]).await;
    connect(&a, &c).await;
    for node in [&a, &b, &c] {
        sees(&mut node.watch_members(GROUP), &[&a, &c]).await;
    }
}
