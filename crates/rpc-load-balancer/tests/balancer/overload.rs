//! Limits on the calls in flight.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rpc_load_balancer::{
    Algorithm, Balancer, CallLimits, Cause, Code, Hedge, Member, Node, Outcome, Retry, RoundRobin,
    Selection, Snapshot,
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::{Cluster, GROUP, member, members_become, until, within};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// Exports `work:run/0`, which answers once it is let, and tells how many such calls the nodes serve.
pub(crate) fn export_work(nodes: &[&Node]) -> Arc<Semaphore> {
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
    limited_by(RoundRobin::new(), app, members, limits).await
}

pub(crate) async fn limited_by<A: Algorithm>(
    algorithm: A,
    app: &Node,
    members: &[&Node],
    limits: CallLimits,
) -> Balancer {
    let balancer = Balancer::builder(GROUP)
        .algorithm(algorithm)
        .join(false)
        .timeout(LONG)
        .call_limits(limits)
        .start(app)
        .await
        .unwrap();
    members_become(&balancer, members).await;
    balancer
}

pub(crate) fn call(
    calls: &mut JoinSet<Result<String, rpc_load_balancer::Error>>,
    balancer: &Balancer,
) {
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

/// Chooses the first member, and does something meanwhile, another thing each time.
#[derive(Default)]
struct Scripted(Arc<Mutex<VecDeque<Step>>>);

type Step = Box<dyn FnOnce() + Send>;

impl Algorithm for Scripted {
    type Table = ();
    type State = ();

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        let first = (!snapshot.members().is_empty()).then_some(0)?;
        let step = self.0.lock().unwrap().pop_front();
        if let Some(step) = step {
            step();
        }
        Some(first)
    }
}

#[tokio::test]
async fn a_call_that_is_tried_again_waits_for_room_at_a_member_as_others_do() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let first = member(&w1).await;
    let algorithm = Scripted::default();
    let script = Arc::clone(&algorithm.0);
    let balancer = Balancer::builder(GROUP)
        .algorithm(algorithm)
        .join(false)
        .timeout(LONG)
        .call_limits(CallLimits::new().per_member(1))
        .start(&app)
        .await
        .unwrap();
    members_become(&balancer, &[&w1]).await;
    // The member is gone before it is called, so that the call waits for another one. Somebody else
    // selects that one first.
    let held = Arc::new(Mutex::new(None));
    let cut = {
        let (app, name) = (app.clone(), w1.name().clone());
        move || {
            drop((first, w1));
            app.disconnect(name);
        }
    };
    let hold = {
        let (balancer, held) = (balancer.clone(), Arc::clone(&held));
        move || *held.lock().unwrap() = Some(balancer.select().unwrap())
    };
    script
        .lock()
        .unwrap()
        .extend([Box::new(cut) as Step, Box::new(hold)]);
    let mut calls = JoinSet::new();
    call(&mut calls, &balancer);
    until(|| script.lock().unwrap().len() == 1).await;
    members_become(&balancer, &[]).await;

    let w2 = cluster.node("w2", &[&app]).await;
    let turn = export_work(&[&w2]);
    let _second = member(&w2).await;
    until(|| held.lock().unwrap().is_some()).await;
    let other = balancer.call::<String, _>(("work", "run"), ());
    let other = other.timeout(Duration::from_millis(100)).send();
    let error = within(other).await.unwrap_err();
    assert_eq!(error.code, Code::TooManyRequests);
    assert_eq!((w2.serving(), balancer.in_flight()), (0, 1));

    held.lock().unwrap().take();
    turn.add_permits(1);
    let answer = within(calls.join_next()).await.unwrap().unwrap();
    assert_eq!(answer.unwrap(), w2.name().as_str());
}

#[tokio::test]
async fn a_call_that_waits_for_members_in_vain_leaves_nothing_behind_and_tells_whom_it_asked() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let (name, first) = (w1.name().clone(), member(&w1).await);
    let algorithm = Scripted::default();
    let script = Arc::clone(&algorithm.0);
    let limits = CallLimits::new().in_flight(1).per_member(1);
    let balancer = limited_by(algorithm, &app, &[&w1], limits).await;
    // The member is gone before it is called.
    let cut = {
        let (app, name) = (app.clone(), name.clone());
        move || {
            drop((first, w1));
            app.disconnect(name);
        }
    };
    script.lock().unwrap().push_back(Box::new(cut));
    let retry = Retry::times(1).pause(Duration::from_millis(10));
    let call = || balancer.call::<String, _>(("work", "run"), ()).retry(retry);
    let (node, answer) = within(call().send_and_tell()).await;
    let error = answer.unwrap_err();
    assert!(!error.may_have_run(), "{error:?}");
    assert_eq!(node, Some(name));
    // It counts nowhere, and has its room no longer.
    assert_eq!(balancer.in_flight(), 0);
    let (node, answer) = within(call().send_and_tell()).await;
    let error = answer.unwrap_err();
    assert!(matches!(error.cause(), Cause::NoMembers), "{error:?}");
    assert_eq!(node, None);
}

/// Chooses the first member, and nobody for a call with a key.
struct Keyless;

impl Algorithm for Keyless {
    type Table = ();
    type State = ();

    fn choose(&self, snapshot: &Snapshot<Self>, selection: &Selection<'_>) -> Option<usize> {
        (selection.key().is_none() && !snapshot.members().is_empty()).then_some(0)
    }
}

#[tokio::test]
async fn a_call_that_nobody_is_fit_for_holds_up_none_of_those_who_wait_for_room() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    let turn = export_work(&[&w1]);
    let limits = CallLimits::new().in_flight(1);
    let balancer = limited_by(Keyless, &app, &[&w1], limits).await;
    let mut calls = JoinSet::new();
    call(&mut calls, &balancer);
    until(|| w1.serving() == 1).await;
    // It has less time than the next one, so that it is first to look.
    let unfit = balancer.call::<String, _>(("work", "run"), ()).key(7);
    let unfit = tokio::spawn(unfit.timeout(LONG / 2).retry(Retry::never()).send());
    tokio::task::yield_now().await;
    call(&mut calls, &balancer);
    tokio::task::yield_now().await;
    turn.add_permits(2);
    while let Some(answer) = within(calls.join_next()).await {
        answer.unwrap().unwrap();
    }
    let error = within(unfit).await.unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::NoMembers), "{error:?}");
    assert!(error.message.contains("no fit member among 1"), "{error}");
    assert_eq!(balancer.in_flight(), 0);
}

/// Chooses the first member, and counts how often it is asked for others.
#[derive(Default)]
pub(crate) struct First(Arc<AtomicUsize>);

impl Algorithm for First {
    type Table = ();
    type State = ();

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        (!snapshot.members().is_empty()).then_some(0)
    }

    fn choose_nodes(&self, snapshot: &Snapshot<Self>, _: usize, _: &Selection<'_>) -> Vec<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        (0..snapshot.members().len()).collect()
    }
}

#[tokio::test]
async fn a_call_is_hedged_only_where_there_is_room() {
    let cluster = Cluster::new();
    let (app, [w1, w2], _members) = cluster.with_two_members().await;
    let turn = export_work(&[&w1, &w2]);
    let algorithm = First::default();
    let asked = Arc::clone(&algorithm.0);
    let limits = CallLimits::new().per_member(1);
    let balancer = limited_by(algorithm, &app, &[&w1, &w2], limits).await;
    let _held = balancer.select().unwrap();

    let call = balancer.call::<String, _>(("work", "run"), ());
    let hedged = tokio::spawn(call.hedge(Hedge::after(Duration::from_millis(1))).send());
    // By the call, as there is no room at the first member, and then by the hedge.
    until(|| asked.load(Ordering::Relaxed) > 1).await;
    assert_eq!(balancer.in_flight(), 2);
    turn.add_permits(1);
    let answer = within(hedged).await.unwrap().unwrap();
    assert_eq!(answer, w2.name().as_str());
}

/// Chooses the first member, and keeps what it is told of calls.
#[derive(Default)]
struct Recorder(Arc<Mutex<Vec<Outcome>>>);

impl Algorithm for Recorder {
    type Table = ();
    type State = ();

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        (!snapshot.members().is_empty()).then_some(0)
    }

    fn on_outcome(&self, _: &Member<Self>, outcome: &Outcome) {
        self.0.lock().unwrap().push(*outcome);
    }
}

#[tokio::test]
async fn the_wait_for_room_is_no_time_that_the_member_took() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    let turn = export_work(&[&w1]);
    let algorithm = Recorder::default();
    let told = Arc::clone(&algorithm.0);
    let limits = CallLimits::new().in_flight(1);
    let balancer = limited_by(algorithm, &app, &[&w1], limits).await;
    let mut calls = JoinSet::new();
    call(&mut calls, &balancer);
    until(|| w1.serving() == 1).await;
    call(&mut calls, &balancer);
    // So long does the second one wait for the end of the first one.
    tokio::time::sleep(Duration::from_millis(200)).await;

    let let_through = Instant::now();
    turn.add_permits(2);
    while let Some(answer) = within(calls.join_next()).await {
        answer.unwrap().unwrap();
    }
    let since = let_through.elapsed();
    let [_, second] = told.lock().unwrap()[..] else {
        panic!("{told:?}");
    };
    assert!(
        second.is_success() && second.elapsed <= since,
        "{second:?} within {since:?}"
    );
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
