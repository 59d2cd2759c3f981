//! Letting calls run out.

use std::{sync::Arc, time::Duration};

use rpc_load_balancer::{Balancer, Code};
use tokio::sync::Semaphore;

use crate::support::{Cluster, GROUP, client, member, members_become, until, within};

#[tokio::test]
async fn a_drain_leaves_at_once_and_waits_for_the_calls_both_ways() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let finish = Arc::new(Semaphore::new(0));
    w1.export("demo", "wait", {
        let finish = Arc::clone(&finish);
        move || {
            let finish = Arc::clone(&finish);
            async move { finish.acquire().await.unwrap().forget() }
        }
    })
    .unwrap();
    let member = member(&w1).await;
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1]).await;

    let call = tokio::spawn(balancer.call::<(), _>(("demo", "wait"), ()).send());
    until(|| w1.serving() == 1).await;
    let tracked = member.track_call();
    assert_eq!(member.in_flight(), 1);
    let drain = tokio::spawn({
        let member = member.clone();
        async move { member.drain().await }
    });
    members_become(&balancer, &[]).await;
    assert!(!drain.is_finished());
    drop(tracked);
    finish.add_permits(1);
    within(call).await.unwrap().unwrap();
    within(drain).await.unwrap().unwrap();
    // The balancer goes on as a client, and the node is there.
    assert_eq!(w1.peers().len(), 1);
    assert!(!member.leave());
}

#[tokio::test]
async fn a_drain_that_takes_too_long_says_how_many_calls_are_left() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = Balancer::builder(GROUP).drain_timeout(Duration::from_millis(20));
    let balancer = balancer.start(&node).await.unwrap();
    let _leases = (balancer.select().unwrap(), balancer.select().unwrap());
    let _tracked = balancer.track_call();

    let error = within(balancer.drain()).await.unwrap_err();
    assert_eq!(error.code, Code::RequestTimeout);
    assert!(
        error.message.contains("3 calls sent and 0 calls received"),
        "{error}"
    );
    assert_eq!(error.details.balancer.as_deref(), Some(GROUP));
}

#[tokio::test]
async fn a_pure_client_does_not_wait_for_late_calls() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = Balancer::builder(GROUP)
        .join(false)
        .drain_linger(Duration::MAX);
    let balancer = balancer
        .drain_timeout(Duration::MAX)
        .start(&node)
        .await
        .unwrap();
    within(balancer.drain()).await.unwrap();
}

#[tokio::test]
async fn a_second_drain_waits_for_the_calls_that_the_first_did_not_see_end() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    w1.export("demo", "hang", async || std::future::pending::<()>().await)
        .unwrap();
    let member = Balancer::builder(GROUP).drain_timeout(Duration::from_millis(20));
    let member = member.start(&w1).await.unwrap();
    let call = app.call::<(), _>(w1.name(), ("demo", "hang"), ());
    let _call = tokio::spawn(call.timeout(Duration::from_secs(60)).send());
    until(|| w1.serving() == 1).await;
    for _ in 0..2 {
        let error = within(member.drain()).await.unwrap_err();
        assert!(error.message.contains("1 calls received"), "{error}");
    }
}
