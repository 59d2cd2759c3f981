//! Room for calls that are sent again.

use std::{sync::Arc, time::Duration};

use rpc_load_balancer::{
    Balancer, CallLimits, Cause, Code, Error, Lease, Node, NodeName, RetryBudget,
};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};

use crate::{
    overload::{First, call, export_work, limited_by},
    support::{Cluster, GROUP, member, members_become, until, within},
};

/// An idempotent call that runs at `w1`, while `w2` is as busy as it may be.
struct Scene {
    app: Node,
    w1: Node,
    w2: Node,
    members: [Option<Balancer>; 2],
    balancer: Balancer,
    /// Lets a call end.
    turn: Arc<Semaphore>,
    /// Keeps `w2` busy.
    held: Vec<Lease>,
    call: JoinHandle<(Option<NodeName>, Result<String, Error>)>,
}

impl Scene {
    async fn new(cluster: &Cluster, limits: CallLimits) -> Self {
        Self::with_budget(cluster, limits, RetryBudget::default()).await
    }

    async fn with_budget(cluster: &Cluster, limits: CallLimits, budget: RetryBudget) -> Self {
        let (app, [w1, w2], members) = cluster.with_two_members().await;
        let turn = export_work(&[&w1, &w2]);
        let limits = limits.in_flight(1).per_member(1);
        let balancer = Balancer::builder(GROUP).algorithm(First::default());
        let balancer = balancer
            .join(false)
            .call_limits(limits)
            .retry_budget(budget);
        // Longer than the call that is sent again.
        let balancer = balancer.timeout(Duration::from_secs(600));
        let balancer = balancer.start(&app).await.unwrap();
        members_become(&balancer, &[&w1, &w2]).await;
        let mut held = balancer.select_nodes(2).unwrap();
        held.retain(|lease| lease.node() == w2.name());
        let call = balancer.call::<String, _>(("work", "run"), ()).idempotent();
        let call = call.timeout(Duration::from_secs(300)).send_and_tell();
        let call = tokio::spawn(call);
        until(|| w1.serving() == 1).await;
        Self {
            app,
            w1,
            w2,
            members: members.map(Some),
            balancer,
            turn,
            held,
            call,
        }
    }

    /// The connection that the call runs over is lost, and `w1` is no member any more.
    async fn lose_w1(&mut self) {
        self.members[0] = None;
        members_become(&self.balancer, &[&self.w2]).await;
        assert!(self.app.disconnect(self.w1.name()));
        until(|| self.balancer.in_flight() == 1).await;
    }
}

#[tokio::test]
async fn a_call_that_is_sent_again_waits_for_room_as_others_do_by_its_deadline() {
    let cluster = Cluster::new();
    let mut scene = Scene::new(&cluster, CallLimits::new()).await;
    // It has more time, so that it comes after.
    let mut others = JoinSet::new();
    call(&mut others, &scene.balancer);
    tokio::task::yield_now().await;
    scene.lose_w1().await;

    scene.held.clear();
    // Once for the call that nobody waits for any more.
    scene.turn.add_permits(2);
    let (node, answer) = within(scene.call).await.unwrap();
    assert_eq!(answer.unwrap(), scene.w2.name().as_str());
    assert_eq!(node.as_ref(), Some(scene.w2.name()));

    until(|| scene.w2.serving() == 1).await;
    scene.turn.add_permits(1);
    within(others.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(scene.balancer.in_flight(), 0);
}

#[tokio::test]
async fn a_call_that_is_given_up_while_it_waits_to_be_sent_again_leaves_nothing_behind() {
    let cluster = Cluster::new();
    let mut scene = Scene::new(&cluster, CallLimits::new().waiting(1)).await;
    scene.lose_w1().await;
    scene.call.abort();
    assert!(within(&mut scene.call).await.unwrap_err().is_cancelled());
    assert_eq!(scene.balancer.in_flight(), 1);

    // There is a place in the queue, and room in the end.
    let mut others = JoinSet::new();
    call(&mut others, &scene.balancer);
    tokio::task::yield_now().await;
    scene.held.clear();
    scene.turn.add_permits(2);
    within(others.join_next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_error_says_that_a_call_may_have_run_though_it_could_not_wait_to_be_sent_again() {
    let cluster = Cluster::new();
    let mut scene = Scene::new(&cluster, CallLimits::new().waiting(0)).await;
    scene.lose_w1().await;
    let (node, answer) = within(scene.call).await.unwrap();
    let error = answer.unwrap_err();
    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
    assert!(error.may_have_run());
    assert_eq!(node.as_ref(), Some(scene.w1.name()));
    assert_eq!(error.details.balancer.as_deref(), Some(GROUP));
}

#[tokio::test]
async fn a_call_that_could_not_wait_to_be_sent_again_costs_the_budget_nothing() {
    let cluster = Cluster::new();
    let (limits, half) = (CallLimits::new().waiting(0), RetryBudget::new(0.5, 0));
    let mut scene = Scene::with_budget(&cluster, limits, half).await;
    // Two calls allow for one to be sent again.
    let call = || {
        let call = scene.balancer.call::<String, _>(("work", "run"), ());
        call.idempotent().timeout(Duration::from_secs(300)).send()
    };
    let error = within(call()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Limit(_)), "{error:?}");
    let second = call();
    scene.lose_w1().await;
    let (_, answer) = within(&mut scene.call).await.unwrap();
    let error = answer.unwrap_err();
    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");

    scene.members[0] = Some(member(&scene.w1).await);
    members_become(&scene.balancer, &[&scene.w1, &scene.w2]).await;
    let second = tokio::spawn(second);
    until(|| scene.w1.serving() == 2).await;
    scene.held.clear();
    assert!(scene.app.disconnect(scene.w1.name()));
    scene.turn.add_permits(3);
    let answer = within(second).await.unwrap();
    assert_eq!(answer.unwrap(), scene.w2.name().as_str());
}

#[tokio::test]
async fn a_call_that_waits_to_be_sent_again_goes_to_the_same_member_once_that_is_back() {
    let cluster = Cluster::new();
    let scene = Scene::new(&cluster, CallLimits::new()).await;
    assert!(scene.app.disconnect(scene.w1.name()));
    scene.turn.add_permits(2);
    let (node, answer) = within(scene.call).await.unwrap();
    assert_eq!(answer.unwrap(), scene.w1.name().as_str());
    assert_eq!(node.as_ref(), Some(scene.w1.name()));
    assert_eq!(scene.balancer.in_flight(), 1);
}

#[tokio::test]
async fn a_call_that_is_refused_does_not_wait_while_the_one_who_refused_it_has_room() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let full = cluster.full_node("full", &[&app]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _members = [member(&full).await, member(&w1).await];
    let limits = CallLimits::new().per_member(1);
    let balancer = limited_by(First::default(), &app, &[&full, &w1], limits).await;
    let mut held = balancer.select_nodes(2).unwrap();
    held.retain(|lease| lease.node() == w1.name());

    let call = balancer.call::<String, _>(("demo", "node"), ());
    let (node, answer) = within(call.send_and_tell()).await;
    let error = answer.unwrap_err();
    assert!(matches!(error.cause(), Cause::Refused(_)), "{error:?}");
    assert_eq!(error.code, Code::TooManyRequests);
    assert!(!error.may_have_run());
    assert_eq!(node.as_ref(), Some(full.name()));
}
