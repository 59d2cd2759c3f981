//! What calls do when there is nobody to call, or when the one that was picked cannot be reached.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rpc_load_balancer::{Algorithm, Balancer, Cause, Code, Retry, Selection, Snapshot};
use tokio::{sync::Semaphore, time::Instant};

use crate::support::{Cluster, GROUP, client, member, members_become, within};

#[tokio::test]
async fn a_call_without_members_goes_on_the_moment_that_one_joins() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let balancer = client(&app).await;

    // The pause would last for ever.
    let retry = Retry::times(1).pause(Duration::MAX);
    let call = balancer.call::<String, _>(("demo", "node"), ());
    let call = tokio::spawn(call.timeout(Duration::MAX).retry(retry).send());
    let cast = balancer
        .cast(("demo", "node"), ())
        .timeout(Duration::MAX)
        .retry(retry);
    let cast = tokio::spawn(cast.send());
    tokio::task::yield_now().await;
    let _member = member(&w1).await;
    assert_eq!(within(call).await.unwrap().unwrap(), w1.name().as_str());
    within(cast).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_timeout_of_a_call_bounds_its_retries_and_the_error_is_that_there_are_no_members() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let balancer = client(&app).await;

    let begun = Instant::now();
    let timeout = Duration::from_millis(50);
    let retry = Retry::forever();
    let call = balancer
        .call::<(), _>(("demo", "node"), ())
        .timeout(timeout)
        .retry(retry);
    let error = within(call.send()).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (Code::ServiceUnavailable, "no members")
    );
    assert!(begun.elapsed() >= timeout);
}

#[tokio::test]
async fn tries_are_counted_by_pauses() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let balancer = Balancer::builder(GROUP)
        .join(false)
        .retry(Retry::times(2).pause(Duration::from_millis(20)))
        .start(&app)
        .await
        .unwrap();
    let begun = Instant::now();
    let error = within(balancer.call::<(), _>(("demo", "node"), ()).send())
        .await
        .unwrap_err();
    assert_eq!(error.message, "no members");
    assert!(begun.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn a_call_that_the_picked_member_refuses_to_start_goes_to_another_one() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let full = cluster.full_node("full", &[&app]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let (_member1, _member2) = (member(&full).await, member(&w1).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&full, &w1]).await;

    for _ in 0..4 {
        let name: String = balancer.call(("demo", "node"), ()).await.unwrap();
        assert_eq!(name, w1.name().as_str());
    }
    assert_eq!(balancer.in_flight(), 0);

    drop((_member2, w1));
    members_become(&balancer, &[&full]).await;
    let error = balancer
        .call::<(), _>(("demo", "node"), ())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::TooManyRequests);
    assert!(!error.may_have_run());
    assert_eq!(error.details.node.as_ref(), Some(full.name()));
}

#[tokio::test]
async fn no_call_fails_while_members_die_and_come_back() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1]).await;

    // Calls go out one after the other, so none is under way when a member dies between two.
    for round in 0..10 {
        let w2 = cluster.node("w2", &[&app]).await;
        let member2 = member(&w2).await;
        within(balancer.wait_for_members(2, Duration::MAX))
            .await
            .unwrap();
        drop((w2, member2));
        for _ in 0..4 {
            let call = balancer.call::<String, _>(("demo", "node"), ());
            let answer = within(call.send()).await;
            assert!(answer.is_ok(), "{answer:?} in round {round}");
        }
        members_become(&balancer, &[&w1]).await;
    }
}

#[tokio::test]
async fn a_member_that_comes_late_leaves_a_call_what_is_left_of_its_time() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    w1.export("demo", "hang", async || std::future::pending::<()>().await)
        .unwrap();
    let balancer = client(&app).await;

    let timeout = Duration::from_secs(2);
    let begun = Instant::now();
    let call = balancer
        .call::<(), _>(("demo", "hang"), ())
        .timeout(timeout);
    let call = tokio::spawn(call.send());
    tokio::time::sleep(timeout / 2).await;
    let _member = member(&w1).await;
    // With all of its time from here on, it would be over when it is one and a half times as late.
    // Both timers are of one runtime, which may be slow.
    tokio::time::sleep_until(begun + timeout * 5 / 4).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(call.is_finished());
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::RequestTimeout);
    // It tells of the time that it was given.
    assert!(matches!(error.cause(), Cause::Timeout(given) if *given == timeout));
}

/// Picks nobody, and counts how often it was asked to.
struct Nobody(Arc<AtomicU32>);

impl Algorithm for Nobody {
    type Table = ();
    type State = ();

    fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[tokio::test]
async fn there_are_as_many_tries_as_are_asked_for_and_one_before() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let tries = Arc::new(AtomicU32::new(0));
    let balancer = Balancer::builder(GROUP)
        .algorithm(Nobody(Arc::clone(&tries)))
        .join(false)
        .start(&app)
        .await
        .unwrap();
    for times in [0, 1, 5] {
        tries.store(0, Ordering::Relaxed);
        let retry = Retry::times(times).pause(Duration::from_millis(1));
        let call = balancer.call::<(), _>(("demo", "node"), ()).retry(retry);
        within(call.send()).await.unwrap_err();
        assert_eq!(tries.load(Ordering::Relaxed), times + 1);
    }
}

#[tokio::test]
async fn a_member_with_as_many_calls_as_it_may_have_gives_way_to_another() {
    let cluster = Cluster::new();
    let app = cluster.limited_caller("app", 1).await;
    let hung = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let started = Arc::new(Semaphore::new(0));
    hung.export("demo", "hang", {
        let started = Arc::clone(&started);
        move || {
            started.add_permits(1);
            std::future::pending::<()>()
        }
    })
    .unwrap();
    let (_member1, _member2) = (member(&hung).await, member(&w2).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&hung, &w2]).await;
    let hanging = app.call::<(), _>(hung.name(), ("demo", "hang"), ()).send();
    let hanging = tokio::spawn(hanging);
    within(started.acquire()).await.unwrap().forget();

    for _ in 0..4 {
        let name: String = within(balancer.call(("demo", "node"), ()).send())
            .await
            .unwrap();
        assert_eq!(name, w2.name().as_str());
    }
    hanging.abort();
}

#[tokio::test]
async fn calls_of_a_node_that_was_stopped_end_at_once() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let balancer = client(&app).await;
    let waiting = balancer
        .call::<(), _>(("demo", "node"), ())
        .timeout(Duration::MAX);
    let waiting = tokio::spawn(waiting.retry(Retry::forever().pause(Duration::MAX)).send());
    tokio::task::yield_now().await;
    within(app.shutdown()).await.unwrap();

    let later = balancer
        .call::<(), _>(("demo", "node"), ())
        .timeout(Duration::MAX);
    for error in [within(waiting).await.unwrap(), within(later.send()).await] {
        assert!(matches!(error.unwrap_err().cause(), Cause::ShutDown));
    }
}
