//! Groups that change fast.

use std::{collections::HashMap, sync::Arc};

use beam_node::{Members, Membership, Node};
use beam_term::{Pid, Term};

use crate::support::{Cluster, connect, within};

/// How often each node joins or leaves.
const CHANGES: usize = 1_000;

fn groups() -> [Term; 3] {
    ["red", "green", "blue"].map(Term::atom)
}

/// Joins and leaves groups in an order that differs by node, and gives what is left.
fn churn(node: &Node, seed: u64) -> Vec<Membership> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut memberships = Vec::new();
    for _ in 0..CHANGES {
        if memberships.is_empty() || random.bool() {
            let group = groups()[random.usize(..3)].clone();
            memberships.push(node.join(group).unwrap());
        } else {
            memberships.swap_remove(random.usize(..memberships.len()));
        }
    }
    memberships
}

/// The processes in a group, sorted.
fn sorted(pids: impl IntoIterator<Item = Pid>) -> Vec<Pid> {
    let mut pids: Vec<_> = pids.into_iter().collect();
    pids.sort();
    pids
}

async fn agree(nodes: &[&Node], memberships: &[Membership]) {
    let mut expected = HashMap::<Term, Vec<Pid>>::new();
    for membership in memberships {
        let pids = expected.entry(membership.group().clone()).or_default();
        pids.push(membership.pid().clone());
    }
    for node in nodes {
        for group in groups() {
            let expected = sorted(expected.get(&group).cloned().unwrap_or_default());
            let is_expected = |members: &Arc<Members>| {
                let pids = members.iter().flat_map(|member| member.pids().to_vec());
                sorted(pids) == expected
            };
            within(node.watch_members(group).wait_for(is_expected))
                .await
                .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_changes_on_each_of_three_nodes_end_in_one_view() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let c = cluster.start("c").await;
    connect(&c, &a).await;
    connect(&c, &b).await;
    let nodes = [&a, &b, &c];

    let changing = [(&a, 1), (&b, 2), (&c, 3)].map(|(node, seed)| {
        let node = node.clone();
        tokio::task::spawn_blocking(move || churn(&node, seed))
    });
    let mut memberships = Vec::new();
    for changing in changing {
        memberships.extend(within(changing).await.unwrap());
    }

    agree(&nodes, &memberships).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_change_while_nodes_meet_and_part_end_in_one_view() {
    let cluster = Cluster::new();
    let b = cluster.start("b").await;
    let a = within(cluster.builder("a").peer(b.name().as_str()).start())
        .await
        .unwrap();
    let nodes = [&a, &b];

    let changing = [(&a, 1), (&b, 2)].map(|(node, seed)| {
        let node = node.clone();
        tokio::task::spawn_blocking(move || churn(&node, seed))
    });
    while !changing.iter().all(|changing| changing.is_finished()) {
        a.disconnect(b.name());
        // It may still be the old link that is found here.
        let _ = within(a.connect(b.name())).await;
    }
    let mut memberships = Vec::new();
    for changing in changing {
        memberships.extend(within(changing).await.unwrap());
    }
    agree(&nodes, &memberships).await;
}
