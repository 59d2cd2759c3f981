//! Who the members are.

use std::collections::BTreeMap;

use rpc_load_balancer::{Balancer, Code, RoundRobin};
use tokio::time::timeout;

use crate::support::{Cluster, GROUP, PATIENCE, answers, client, member, members_become, names};

#[tokio::test]
async fn calls_take_turns_over_the_members_and_spare_a_pure_client() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (member1, _member2) = (member(&w1).await, member(&w2).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1, &w2]).await;

    let shares = answers(&balancer, 10).await;
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [5, 5]);
    // The workers found each other, and not the client.
    members_become(&member1, &[&w1, &w2]).await;
    assert_eq!(balancer.in_flight(), 0);
}

#[tokio::test]
async fn a_member_of_weight_zero_gets_no_calls_until_its_weight_rises() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (_member1, _member2) = (member(&w1).await, member(&w2).await);
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false)
        .weight("w1@127.0.0.1", 0)
        .start(&app)
        .await
        .unwrap();
    members_become(&balancer, &[&w1, &w2]).await;
    assert_eq!(answers(&balancer, 4).await.len(), 1);

    balancer.set_weight(w1.name(), None).unwrap();
    balancer.set_weight(w2.name(), Some(0)).unwrap();
    let moved = async {
        while balancer.select().unwrap().node() != w1.name() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, moved).await.unwrap();

    balancer.set_weight(w1.name(), Some(0)).unwrap();
    let resting = async {
        loop {
            match balancer.select() {
                Err(error) => break error,
                Ok(_) => tokio::task::yield_now().await,
            }
        }
    };
    let error = timeout(PATIENCE, resting).await.unwrap();
    assert_eq!(error.code, Code::ServiceUnavailable);
    assert_eq!(
        error.message,
        "the weight of all 2 members is 0, so that none takes calls"
    );
    let error = balancer.set_weight("w1", Some(1)).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
}

#[tokio::test]
async fn a_member_calls_itself_as_well() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = member(&node).await;

    assert_eq!(balancer.members().unwrap(), names(&[&node]));
    let shares = answers(&balancer, 3).await;
    assert_eq!(shares, BTreeMap::from([("only@127.0.0.1".to_owned(), 3)]));
}

#[tokio::test]
async fn a_node_that_stops_leaves_the_members_and_no_call_fails() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (_member1, member2) = (member(&w1).await, member(&w2).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1, &w2]).await;

    let (stopped, ()) = tokio::join!(w2.shutdown(), async {
        while balancer.members().unwrap().len() == 2 {
            answers(&balancer, 1).await;
        }
    });
    stopped.unwrap();
    members_become(&balancer, &[&w1]).await;
    assert_eq!(answers(&balancer, 2).await.len(), 1);

    drop((w2, member2));
    let w2 = cluster.node("w2", &[&app]).await;
    let _member2 = member(&w2).await;
    members_become(&balancer, &[&w1, &w2]).await;
    assert_eq!(answers(&balancer, 2).await.len(), 2);
}

#[tokio::test]
async fn a_node_that_dies_leaves_the_members() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (_member1, member2) = (member(&w1).await, member(&w2).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1, &w2]).await;

    // The balancer holds the node as well.
    drop((w2, member2));
    members_become(&balancer, &[&w1]).await;
    assert_eq!(answers(&balancer, 2).await.len(), 1);
}

#[tokio::test]
async fn a_group_is_left_with_the_last_clone_or_when_asked() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let (first, balancer) = (member(&w1).await, client(&app).await);
    members_become(&balancer, &[&w1]).await;

    let second = first.clone();
    drop(first);
    assert_eq!(second.members().unwrap(), names(&[&w1]));
    drop(second);
    members_become(&balancer, &[]).await;

    let member = member(&w1).await;
    members_become(&balancer, &[&w1]).await;
    member.leave();
    members_become(&balancer, &[]).await;
    members_become(&member, &[]).await;
}
