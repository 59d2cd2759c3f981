//! Calls that may run more than once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rpc_load_balancer::{Balancer, CallContext, Cause, Code, Hedge, Node, RetryBudget, RoundRobin};
use tokio::sync::mpsc;

use crate::support::{Cluster, GROUP, member, members_become, within};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// Exports `work:run/0`, which never answers the first call that any of the nodes gets, and answers
/// later ones with the name of the node. Gives the names of the nodes as they are called, and of the
/// one whose call was abandoned.
fn export_work(
    nodes: &[&Node],
) -> (
    mpsc::UnboundedReceiver<String>,
    mpsc::UnboundedReceiver<String>,
) {
    let (called, calls) = mpsc::unbounded_channel();
    let (abandoned, abandons) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    for node in nodes {
        let name = node.name().to_string();
        let (called, abandoned, count) = (called.clone(), abandoned.clone(), Arc::clone(&count));
        let work = move |context: CallContext| {
            let (name, called, abandoned) = (name.clone(), called.clone(), abandoned.clone());
            let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                called.send(name.clone()).unwrap();
                if is_first {
                    context.cancelled().await;
                    // The test may be over.
                    let _ = abandoned.send(name.clone());
                    std::future::pending::<()>().await;
                }
                name
            }
        };
        node.export("work", "run", work).unwrap();
    }
    (calls, abandons)
}

async fn balancer(app: &Node, members: &[&Node], budget: RetryBudget) -> Balancer {
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false)
        .timeout(LONG)
        .retry_budget(budget)
        .start(app)
        .await
        .unwrap();
    members_become(&balancer, members).await;
    balancer
}

#[tokio::test]
async fn a_call_whose_connection_is_lost_goes_to_another_member() {
    let cluster = Cluster::new();
    let (app, [w1, w2], _members) = cluster.with_two_members().await;
    let (mut calls, _abandons) = export_work(&[&w1, &w2]);
    let balancer = balancer(&app, &[&w1, &w2], RetryBudget::default()).await;

    let call = balancer.call::<String, _>(("work", "run"), ()).idempotent();
    let call = tokio::spawn(call.send_and_tell());
    let first = within(calls.recv()).await.unwrap();
    assert!(app.disconnect(&first));

    let (node, answer) = within(call).await.unwrap();
    let second = within(calls.recv()).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(answer.unwrap(), second);
    assert_eq!(node.unwrap().as_str(), second);
    assert_eq!(balancer.in_flight(), 0);
}

#[tokio::test]
async fn a_call_that_is_not_said_to_be_idempotent_is_sent_once() {
    let cluster = Cluster::new();
    let (app, [w1, w2], _members) = cluster.with_two_members().await;
    let (mut calls, _abandons) = export_work(&[&w1, &w2]);
    let balancer = balancer(&app, &[&w1, &w2], RetryBudget::default()).await;

    let call = balancer.call::<String, _>(("work", "run"), ());
    let call = tokio::spawn(call.send());
    let first = within(calls.recv()).await.unwrap();
    assert!(app.disconnect(&first));

    let error = within(call).await.unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
    assert!(error.may_have_run());
    assert!(calls.try_recv().is_err());
}

#[tokio::test]
async fn a_call_is_not_sent_again_once_the_budget_is_used_up() {
    let cluster = Cluster::new();
    let (app, [w1, w2], _members) = cluster.with_two_members().await;
    let (mut calls, _abandons) = export_work(&[&w1, &w2]);
    let balancer = balancer(&app, &[&w1, &w2], RetryBudget::new(0.0, 0)).await;

    let call = balancer.call::<String, _>(("work", "run"), ()).idempotent();
    let call = tokio::spawn(call.send());
    let first = within(calls.recv()).await.unwrap();
    assert!(app.disconnect(&first));

    let error = within(call).await.unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
    assert!(calls.try_recv().is_err());
}

#[tokio::test]
async fn an_error_says_that_a_call_may_have_run_though_the_last_member_refused_it() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    let (mut calls, _abandons) = export_work(&[&w1]);
    let balancer = balancer(&app, &[&w1], RetryBudget::default()).await;

    let call = balancer.call::<String, _>(("work", "run"), ()).idempotent();
    let call = tokio::spawn(call.send_and_tell());
    let first = within(calls.recv()).await.unwrap();
    let full = cluster.full_node("full", &[&app]).await;
    let _other = member(&full).await;
    members_become(&balancer, &[&full, &w1]).await;
    assert!(app.disconnect(&first));

    let (node, result) = within(call).await.unwrap();
    let error = result.unwrap_err();
    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
    assert!(error.may_have_run());
    assert_eq!(node.unwrap().as_str(), first);
    assert_eq!(error.details.balancer.as_deref(), Some(GROUP));
}

#[tokio::test]
async fn a_slow_call_is_hedged_and_the_loser_is_abandoned() {
    let cluster = Cluster::new();
    let (app, [w1, w2], _members) = cluster.with_two_members().await;
    let (mut calls, mut abandons) = export_work(&[&w1, &w2]);
    let balancer = balancer(&app, &[&w1, &w2], RetryBudget::default()).await;

    let hedge = Hedge::after(Duration::from_millis(10));
    let call = balancer.call::<String, _>(("work", "run"), ()).hedge(hedge);
    let (node, answer) = within(call.send_and_tell()).await;

    let first = within(calls.recv()).await.unwrap();
    let second = within(calls.recv()).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(answer.unwrap(), second);
    assert_eq!(node.unwrap().as_str(), second);
    assert_eq!(within(abandons.recv()).await.unwrap(), first);
    assert_eq!(balancer.in_flight(), 0);
}

#[tokio::test]
async fn a_call_is_not_hedged_where_there_is_nobody_else() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    let (mut calls, mut abandons) = export_work(&[&w1]);
    let balancer = balancer(&app, &[&w1], RetryBudget::default()).await;

    let hedge = Hedge::after(Duration::from_millis(1));
    let call = balancer.call::<String, _>(("work", "run"), ()).hedge(hedge);
    let call = call.timeout(Duration::from_millis(100));
    let error = within(call.send()).await.unwrap_err();
    assert_eq!(error.code, Code::RequestTimeout);
    within(calls.recv()).await.unwrap();
    within(abandons.recv()).await.unwrap();
    assert!(calls.try_recv().is_err());
}

#[tokio::test]
async fn a_hedge_that_makes_no_sense_is_refused() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let balancer = balancer(&app, &[], RetryBudget::default()).await;
    let call = balancer.call::<String, _>(("work", "run"), ());
    let error = call.hedge(Hedge::percentile(95.0)).await.unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert!(
        error.message.contains("hedge: the percentile is 95"),
        "{error}"
    );
}
