//! What nodes publish, as their peers see it.

use std::sync::Arc;

use beam_node::{Code, Node, PublishedValues};
use beam_term::Term;

use crate::support::{Cluster, connect, within};

fn key() -> Term {
    Term::tuple([Term::atom("weight"), Term::atom("balancer")])
}

/// Waits until a node sees that just these others publish these numbers.
async fn becomes(node: &Node, expected: &[(&Node, i64)]) {
    let entry = |(node, number): &(&Node, i64)| {
        let value = Arc::new(Term::from(*number));
        (node.name().clone(), value)
    };
    let expected: PublishedValues = expected.iter().map(entry).collect();
    let mut values = node.watch_published(key());
    let reached = within(values.wait_for(|values| **values == expected)).await;
    assert_eq!(**reached.unwrap(), expected);
    assert_eq!(*node.published(&key()), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_seen_by_peers_old_and_new_until_they_are_withdrawn() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let mut of_a = a.publish(key(), 1).unwrap();
    becomes(&a, &[(&a, 1)]).await;
    becomes(&b, &[(&a, 1)]).await;
    let of_b = b.publish(key(), 2).unwrap();
    becomes(&a, &[(&a, 1), (&b, 2)]).await;

    of_a.set(3).unwrap();
    let late = cluster.start("late").await;
    connect(&late, &a).await;
    becomes(&late, &[(&a, 3)]).await;
    becomes(&b, &[(&a, 3), (&b, 2)]).await;

    drop(of_b);
    becomes(&a, &[(&a, 3)]).await;
    drop(of_a);
    for node in [&a, &b, &late] {
        becomes(node, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_go_with_their_node() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let dropped = b.publish(key(), 1).unwrap();
    becomes(&a, &[(&b, 1)]).await;
    // What is published holds no node.
    drop(b);
    becomes(&a, &[]).await;
    drop(dropped);

    let c = cluster.start("c").await;
    connect(&c, &a).await;
    let _kept = c.publish(key(), 2).unwrap();
    becomes(&a, &[(&c, 2)]).await;
    c.shutdown().await.unwrap();
    becomes(&a, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_sees_no_gap_while_a_value_is_replaced() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let mut published = b.publish(key(), 0).unwrap();
    becomes(&a, &[(&b, 0)]).await;
    let mut values = a.watch_published(key());
    let setting = tokio::task::spawn_blocking(move || {
        for number in 1..=1_000 {
            published.set(number).unwrap();
        }
        published
    });

    let value = |values: &PublishedValues| values.get(b.name()).and_then(|value| value.as_i64());
    let mut last = 0;
    while last < 1_000 {
        within(values.changed()).await.unwrap();
        let seen = value(&values.borrow_and_update()).expect("there is a value at any time");
        assert!(last < seen, "{seen} after {last}");
        last = seen;
    }
    drop(setting.await.unwrap());
    becomes(&a, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_published_before_it_joined_is_never_seen_without_its_value() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let group = Term::atom("workers");
    let mut members = a.watch_members(group.clone());
    for _ in 0..200 {
        let published = b.publish(key(), 0).unwrap();
        let joined = b.join(group.clone()).unwrap();
        let look = || {
            let (members, values) = a.members_and_published(&group, &key());
            let is_member = members.contains(b.name());
            assert!(!is_member || values.contains_key(b.name()));
            is_member
        };
        while !look() {
            within(members.changed()).await.unwrap();
        }
        drop(joined);
        drop(published);
        while look() {
            within(members.changed()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_values_of_a_node_the_one_that_was_set_last_counts() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let mut first = b.publish(key(), 1).unwrap();
    let second = b.publish(key(), 2).unwrap();
    becomes(&a, &[(&b, 2)]).await;
    first.set(3).unwrap();
    becomes(&a, &[(&b, 3)]).await;
    drop(first);
    becomes(&a, &[(&b, 2)]).await;
    drop(second);
    becomes(&a, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_too_large_is_refused_and_the_one_before_stays() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let large = || Term::binary(vec![0; 1_024]);
    let error = a.publish(key(), large()).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    let expected = "the value to be published under {weight,balancer} is too large: with its key";
    assert!(error.message.starts_with(expected), "{error}");
    becomes(&a, &[]).await;

    let mut published = a.publish(key(), 1).unwrap();
    assert_eq!(published.set(large()).unwrap_err().code, Code::BadRequest);
    becomes(&a, &[(&a, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_carry_values_are_not_listed_and_others_are() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let _published = b.publish(key(), 1).unwrap();
    let alike = Term::tuple([Term::atom("$published"), key(), Term::from(-1), Term::nil()]);
    let _joined = b.join(alike.clone()).unwrap();
    let mut members = a.watch_members(alike.clone());
    let come = |members: &Arc<beam_node::Members>| !members.is_empty();
    within(members.wait_for(come)).await.unwrap();

    assert_eq!(a.published(&key()).len(), 1);
    assert_eq!(a.groups(), [alike]);
}
