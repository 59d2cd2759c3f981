//! One call to every member.

use std::time::Duration;

use rpc_load_balancer::{Balancer, Code};

use crate::support::{Cluster, GROUP, client, member, members_become, within};

#[tokio::test]
async fn every_member_answers_in_the_order_of_members_even_those_of_weight_zero() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (_member1, _member2) = (member(&w1).await, member(&w2).await);
    let balancer = Balancer::builder(GROUP).weight(w1.name().to_string(), 0);
    let balancer = balancer.start(&app).await.unwrap();
    members_become(&balancer, &[&app, &w1, &w2]).await;

    let answers = balancer
        .multicall::<String, _>(("demo", "node"), ())
        .await
        .unwrap();
    let answers: Vec<_> = answers
        .into_iter()
        .map(|(node, answer)| (node.to_string(), answer.unwrap()))
        .collect();
    let names = ["app@127.0.0.1", "w1@127.0.0.1", "w2@127.0.0.1"];
    assert_eq!(
        answers,
        names.map(|name| (name.to_owned(), name.to_owned()))
    );
    assert_eq!(balancer.in_flight(), 0);
}

#[tokio::test]
async fn one_timeout_holds_for_all_and_spares_the_answers_that_came() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    w1.export("demo", "slow", async || std::future::pending::<()>().await)
        .unwrap();
    w2.export("demo", "slow", async || ()).unwrap();
    let (_member1, _member2) = (member(&w1).await, member(&w2).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1, &w2]).await;

    let calls = balancer.multicall::<(), _>(("demo", "slow"), ());
    let answers = within(calls.timeout(Duration::from_millis(300)).send())
        .await
        .unwrap();
    assert_eq!(answers[0].0, *w1.name());
    let late = answers[0].1.as_ref().unwrap_err();
    assert_eq!(late.code, Code::RequestTimeout);
    assert_eq!(late.details.balancer.as_deref(), Some(GROUP));
    assert!(answers[1].1.is_ok());
}

#[tokio::test]
async fn without_members_there_is_nobody_to_call() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let balancer = client(&app).await;
    let error = balancer
        .multicall::<(), _>(("demo", "node"), ())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::ServiceUnavailable);
    let error = balancer
        .multicall::<(), _>(("m".repeat(300), "f"), ())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
}
