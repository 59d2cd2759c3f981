//! Members whose nodes end.

use beam_node::{Membership, Node};
use beam_term::Term;

use crate::support::{Cluster, PATIENCE, connect, within};

const GROUP: Term = Term::atom("workers");

/// A node that sees two members, of which `b` is the one that is to go.
async fn two_members(cluster: &Cluster) -> (Node, Node, Node, [Membership; 2]) {
    let (a, b) = cluster.pair().await;
    let c = cluster.start("c").await;
    connect(&c, &a).await;
    let memberships = [b.join(GROUP).unwrap(), c.join(GROUP).unwrap()];
    within(a.wait_for_members(GROUP, 2, PATIENCE))
        .await
        .unwrap();
    (a, b, c, memberships)
}

async fn assert_only(a: &Node, c: &Node) {
    let mut view = a.watch_members(GROUP);
    let members = within(view.wait_for(|members| members.len() == 1))
        .await
        .unwrap()
        .clone();
    assert!(members.contains(c.name()));
    assert_eq!(a.groups(), [GROUP]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_is_no_member_any_more() {
    let (a, b, c, _memberships) = two_members(&Cluster::new()).await;

    within(b.shutdown()).await.unwrap();

    assert_only(&a, &c).await;
    assert!(b.members(&GROUP).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_dropped_is_no_member_any_more() {
    let (a, b, c, _memberships) = two_members(&Cluster::new()).await;

    drop(b);

    assert_only(&a, &c).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_outlives_its_node_changes_nothing() {
    let (a, b) = Cluster::new().pair().await;
    let membership = b.join(GROUP).unwrap();
    within(a.wait_for_members(GROUP, 1, PATIENCE))
        .await
        .unwrap();
    let mut view = a.watch_members(GROUP);

    drop(b);

    within(view.wait_for(|members| members.is_empty()))
        .await
        .unwrap();
    drop(membership);
    assert!(a.members(&GROUP).is_empty());
}
