//! Limits on the calls in flight.

use std::{sync::Arc, time::Duration};

use rpc_load_balancer::{Balancer, CallLimits, Cause, Code, Node, RoundRobin};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::{Cluster, GROUP, member, members_become, until, within};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// Exports `work:run/0`, which answers once it is let, and tells how many such calls the nodes serve.
fn export_work(nodes: &[&Node]) -> Arc<Semaphore> {
    let let_through = Arc::new(Semaphore::new(0));
    for node in nodes {
        let (name, turn) = (node.name().to_string(), Arc::clone(&let_through));
        let work = move || {
            let (name, turn) = (name.clone(), Arc::clone(&turn));
            async move {
                turn.acquire().await.unwrap().forget();
                name
            }
        };
        node.export("work", "run", work).unwrap();
    }
    let_through
}

async fn limited(app: &Node, members: &[&Node], limits: CallLimits) -> Balancer {
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false)
        .timeout(LONG)
        .call_limits(limits)
        .start(app)
        .await
        .unwrap();
    members_become(&balancer, members).await;
    balancer
}

fn call(calls: &mut JoinSet<Result<String, rpc_load_balancer::Error>>, balancer: &Balancer) {
    let call = balancer.call::<String, _>(("work", "run"), ());
    calls.spawn(call.send());
}

#[tokio::test]
async fn no_member_has_more_calls_than_its_limit_and_the_rest_waits() {
    let cluster = Cluster::new();
    let (app, [w1, w2], _members) = cluster.with_two_members().await;
    let turn = export_work(&[&w1, &w2]);
    let limits = CallLimits::new().per_member(2).waiting(3);
    let balancer = limited(&app, &[&w1, &w2], limits).await;
    // What is held otherwise counts as well.
    let held = balancer.select().unwrap();

    let mut calls = JoinSet::new();
    for _ in 0..6 {
        call(&mut calls, &balancer);
    }
    until(|| w1.serving() + w2.serving() == 3).await;
    let refused = balancer.call::<String, _>(("work", "run"), ());
    let error = within(refused.send()).await.unwrap_err();
    assert_eq!(error.code, Code::TooManyRequests);
    assert!(matches!(error.cause(), Cause::Limit("call_limits")));
    assert!(!error.may_have_run());
    assert_eq!(error.details.balancer.as_deref(), Some(GROUP));

    drop(held);
    until(|| w1.serving() == 2 && w2.serving() == 2).await;
    turn.add_permits(6);
    while let Some(answer) = within(calls.join_next()).await {
        answer.unwrap().unwrap();
        assert!(w1.serving() <= 2 && w2.serving() <= 2);
    }
    assert_eq!(balancer.in_flight(), 0);
}

#[tokio::test]
async fn a_call_that_waits_for_room_ends_with_its_timeout_and_did_not_run() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    let turn = export_work(&[&w1]);
    let balancer = limited(&app, &[&w1], CallLimits::new().in_flight(1)).await;
    let mut calls = JoinSet::new();
    call(&mut calls, &balancer);
    until(|| w1.serving() == 1).await;

    let late = balancer.call::<String, _>(("work", "run"), ());
    let late = late.timeout(Duration::from_millis(50)).send();
    let error = within(late).await.unwrap_err();
    assert_eq!(error.code, Code::TooManyRequests);
    assert!(!error.may_have_run());

    // A call that is given up makes room.
    calls.abort_all();
    while within(calls.join_next()).await.is_some() {}
    turn.add_permits(2);
    let next = balancer.call::<String, _>(("work", "run"), ());
    assert_eq!(within(next.send()).await.unwrap(), w1.name().as_str());
}

#[tokio::test]
async fn a_call_that_waits_for_room_gets_it_at_a_member_that_joins() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let (w1, w2) = (
        cluster.node("w1", &[&app]).await,
        cluster.node("w2", &[&app]).await,
    );
    let _first = member(&w1).await;
    let turn = export_work(&[&w1, &w2]);
    let balancer = limited(&app, &[&w1], CallLimits::new().per_member(1)).await;
    let mut calls = JoinSet::new();
    call(&mut calls, &balancer);
    until(|| w1.serving() == 1).await;
    call(&mut calls, &balancer);
    tokio::task::yield_now().await;

    let _second = member(&w2).await;

    until(|| w2.serving() == 1).await;
    turn.add_permits(2);
    while let Some(answer) = within(calls.join_next()).await {
        answer.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_call_waits_for_members_as_without_limits() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let balancer = limited(&app, &[], CallLimits::new().in_flight(1)).await;
    let mut calls = JoinSet::new();
    call(&mut calls, &balancer);
    call(&mut calls, &balancer);
    tokio::task::yield_now().await;
    let w1 = cluster.node("w1", &[&app]).await;
    export_work(&[&w1]).add_permits(2);
    let _member = member(&w1).await;
    while let Some(answer) = within(calls.join_next()).await {
        assert_eq!(answer.unwrap().unwrap(), w1.name().as_str());
    }
}

#[tokio::test]
async fn limits_that_allow_no_call_are_refused() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let builder = Balancer::builder(GROUP).call_limits(CallLimits::new().per_member(0));
    let error = builder.start(&app).await.unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert!(error.message.starts_with("call_limits: "), "{error}");
}
