//! Calls through a balancer, and what becomes of them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rpc_load_balancer::{
    Algorithm, Balancer, CallDirect, Cause, Code, Member, Outcome, OutcomeKind, Retry, Selection,
    Snapshot, Term,
};
use tokio::{sync::Semaphore, time::Instant};

use crate::support::{Cluster, GROUP, client, member, members_become, within};

#[tokio::test]
async fn without_members_there_is_no_route_and_the_error_says_for_what() {
    let cluster = Cluster::new();
    let node = cluster.node("lonely", &[]).await;
    let balancer = client(&node).await;

    let called = balancer
        .call::<(), _>(("demo", "node"), ())
        .retry(Retry::never())
        .await;
    let cast = balancer
        .cast(("demo", "node"), ())
        .retry(Retry::never())
        .await;
    for error in [called.unwrap_err(), cast.unwrap_err()] {
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert_eq!(error.message, "no members");
        assert!(matches!(error.cause(), Cause::NoMembers));
        assert_eq!(error.details.balancer.as_deref(), Some(GROUP));
        let function = error.details.function.unwrap().to_string();
        assert_eq!(
            (function.as_str(), error.details.arity),
            ("demo:node", Some(0))
        );
        assert_eq!(error.details.node, None);
    }
    for error in [
        balancer.select().map(drop).unwrap_err(),
        balancer.select_nodes(2).map(drop).unwrap_err(),
        balancer.members().map(drop).unwrap_err(),
        balancer
            .wait_for_members(1, Duration::ZERO)
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(matches!(error.cause(), Cause::NoMembers));
    }
}

#[tokio::test]
async fn an_error_of_a_member_says_which_one_and_which_function() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = member(&node).await;

    let called = balancer.call::<(), _>(("demo", "absent"), (1, 2)).await;
    let error = called.unwrap_err();
    assert!(error.is_undefined());
    assert_eq!(error.details.node.as_ref(), Some(node.name()));
    assert_eq!(error.details.balancer.as_deref(), Some(GROUP));
    assert_eq!(error.details.arity, Some(2));
}

#[tokio::test]
async fn what_is_to_end_at_an_instant_ends_then_and_is_not_sent_later() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let mut members = Vec::new();
    for alive in ["w1", "w2"] {
        let node = cluster.node(alive, &[&app]).await;
        node.export("demo", "hang", async || std::future::pending::<()>().await)
            .unwrap();
        members.push((member(&node).await, node));
    }
    let balancer = client(&app).await;
    members_become(&balancer, &[&members[0].1, &members[1].1]).await;
    let function = ("demo", "hang");

    let begun = Instant::now();
    let until = begun + Duration::from_millis(300);
    let call = balancer.call::<(), _>(function, ()).timeout(Duration::MAX);
    let error = within(call.until(until).send()).await.unwrap_err();
    assert_eq!(error.code, Code::RequestTimeout);
    assert!(error.may_have_run());
    let calls = balancer.multicall::<(), _>(function, ()).until(until);
    let mut errors = Vec::new();
    for (_, result) in within(calls.send()).await.unwrap() {
        errors.push(result.unwrap_err());
    }
    let call = balancer.call::<(), _>(function, ()).until(until);
    errors.push(within(call.send()).await.unwrap_err());
    let cast = balancer.cast(function, ()).until(until);
    errors.push(within(cast.send()).await.unwrap_err());
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(errors.len(), 4);
    for error in errors {
        assert_eq!(error.code, Code::RequestTimeout);
        assert!(!error.may_have_run(), "{error}");
        assert!(error.message.contains("has passed"), "{error}");
        assert!(error.details.node.is_some());
    }
    assert_eq!(balancer.in_flight(), 0);
}

#[tokio::test]
async fn a_member_is_busy_until_the_call_ends_or_is_dropped() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let (started, finish) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (started, finish) = (Arc::clone(&started), Arc::clone(&finish));
        move || {
            started.add_permits(1);
            let finish = Arc::clone(&finish);
            async move { finish.acquire().await.unwrap().forget() }
        }
    };
    node.export("demo", "wait", handler).unwrap();
    let balancer = member(&node).await;

    let call = balancer.call::<(), _>(("demo", "wait"), ());
    assert_eq!(balancer.in_flight(), 0);
    let call = tokio::spawn(call.send());
    started.acquire().await.unwrap().forget();
    assert_eq!(balancer.in_flight(), 1);
    finish.add_permits(1);
    call.await.unwrap().unwrap();
    assert_eq!(balancer.in_flight(), 0);

    let abandoned = tokio::spawn(balancer.call::<(), _>(("demo", "wait"), ()).send());
    started.acquire().await.unwrap().forget();
    assert_eq!(balancer.in_flight(), 1);
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    assert_eq!(balancer.in_flight(), 0);
}

#[tokio::test]
async fn a_local_algorithm_calls_the_own_node_without_any_member() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = Balancer::builder(GROUP)
        .algorithm(CallDirect::new())
        .join(false);
    let balancer = balancer.start(&node).await.unwrap();

    let name: String = balancer.call(("demo", "node"), ()).await.unwrap();
    assert_eq!(name, "only@127.0.0.1");
    balancer.cast(("demo", "node"), ()).await.unwrap();
    assert_eq!(balancer.select().unwrap().node(), node.name());
    assert_eq!(
        balancer.members().unwrap_err().code,
        Code::ServiceUnavailable
    );
}

#[tokio::test]
async fn single_calls_or_all_of_a_balancer_can_be_direct() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1]).await;

    let call = |directly| {
        balancer
            .call::<String, _>(("demo", "node"), ())
            .directly(directly)
    };
    assert_eq!(call(false).await.unwrap(), w1.name().as_str());
    assert_eq!(call(true).await.unwrap(), app.name().as_str());

    let direct = Balancer::builder(GROUP).join(false).call_directly(true);
    let direct = direct.start(&app).await.unwrap();
    let (node, name) = direct
        .call::<String, _>(("demo", "node"), ())
        .send_and_tell()
        .await;
    assert_eq!(node.as_ref(), Some(app.name()));
    assert_eq!(name.unwrap(), app.name().as_str());
    let absent = direct
        .call::<(), _>(("demo", "absent"), ())
        .await
        .unwrap_err();
    assert!(absent.is_undefined());
}

/// Takes the key for the index of the member.
struct Indexed;

impl Algorithm for Indexed {
    type Table = ();
    type State = ();

    fn choose(&self, _: &Snapshot<Self>, selection: &Selection<'_>) -> Option<usize> {
        usize::try_from(selection.key()?.as_i64()?).ok()
    }
}

#[tokio::test]
async fn the_key_reaches_the_algorithm() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let (_member, balancer) = (
        member(&w1).await,
        Balancer::builder(GROUP).algorithm(Indexed),
    );
    let balancer = balancer.start(&app).await.unwrap();
    members_become(&balancer, &[&app, &w1]).await;

    for (key, node) in [(0, &app), (1, &w1)] {
        let call = balancer.call(("demo", "node"), ()).key(key);
        let name: String = call.await.unwrap();
        assert_eq!(name, node.name().as_str());
        let lease = balancer.select_with_key(&Term::from(key)).unwrap();
        assert_eq!(lease.node(), node.name());
    }
    let unfit = balancer
        .call::<(), _>(("demo", "node"), ())
        .retry(Retry::never())
        .await
        .unwrap_err();
    assert_eq!(unfit.code, Code::ServiceUnavailable);
    assert_eq!(unfit.message, "no fit member among 2");
}

/// Notes what became of calls.
struct Listener(Arc<Mutex<Vec<OutcomeKind>>>);

impl Algorithm for Listener {
    type Table = ();
    type State = ();

    fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        Some(0)
    }

    fn on_outcome(&self, _: &Member<Self>, outcome: &Outcome) {
        self.0.lock().unwrap().push(outcome.kind);
    }
}

#[tokio::test]
async fn the_algorithm_learns_what_became_of_calls_unless_the_caller_is_at_fault() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let balancer = Balancer::builder(GROUP).algorithm(Listener(Arc::clone(&heard)));
    let balancer = balancer.start(&node).await.unwrap();

    let good: Result<String, _> = balancer.call(("demo", "node"), ()).await;
    let absent: Result<(), _> = balancer.call(("demo", "absent"), ()).await;
    let not_a_term: Result<(), _> = balancer.call(("demo", "node"), (f64::NAN,)).await;
    balancer.cast(("demo", "node"), ()).await.unwrap();
    let other_type: Result<u8, _> = balancer.call(("demo", "node"), ()).await;
    assert!(good.is_ok());
    assert!(absent.is_err());
    assert!(other_type.is_err());
    assert_eq!(not_a_term.unwrap_err().code, Code::BadRequest);
    let [raised, success] = [OutcomeKind::Raised, OutcomeKind::Success];
    assert_eq!(*heard.lock().unwrap(), [success, raised, success]);
}

#[tokio::test]
async fn a_name_that_is_no_atom_is_refused_with_the_key() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let error = Balancer::builder("x".repeat(256))
        .start(&node)
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert!(error.message.starts_with("name: "), "{error}");
}
