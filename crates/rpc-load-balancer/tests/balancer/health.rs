//! Members that hang, and members whose calls fail.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rpc_load_balancer::{
    Balancer, Code, Ejection, Health, Hedge, MemberEvent, MemberState, MemberStatus, Node,
    RetryBudget, RoundRobin,
    health::{MemberEvents, StateReason},
};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::support::{Cluster, GROUP, answers, member, members_become, until, within};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// A member whose only thread can be held up, as by a signal that stops its process: by a call of
/// `work:hang/0`, for as long as the test likes.
struct Hanging {
    hangs: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

const HANGING: &str = "hanging@127.0.0.1";

impl Hanging {
    fn start(cluster: &Arc<Cluster>) -> Self {
        let (hang, hangs) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let cluster = Arc::clone(cluster);
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let node = cluster.node("hanging", &[]).await;
                let _member = member(&node).await;
                let released = Mutex::new(released);
                let handler = move || {
                    hang.send(()).unwrap();
                    let released = released.lock().unwrap_or_else(PoisonError::into_inner);
                    // The test may be over.
                    let _ = released.recv();
                    std::future::ready("hanging".to_owned())
                };
                node.export("work", "hang", handler).unwrap();
                let _ = ended.await;
            });
        };
        Self {
            hangs,
            release,
            end: Some(end),
            thread: Some(thread::spawn(serve)),
        }
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        drop(self.end.take());
        // Nothing holds it up any more.
        self.release = mpsc::channel().0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The next change of a state.
async fn told(events: &mut MemberEvents) -> MemberEvent {
    loop {
        let event = within(events.next()).await.expect("the balancer is there");
        if event.before != Some(event.state) {
            return event;
        }
    }
}

fn status(balancer: &Balancer, node: &str) -> MemberStatus {
    let statuses = balancer.member_statuses();
    let status = statuses.iter().find(|member| member.node.as_str() == node);
    status.unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_hangs_gets_no_calls_until_it_goes_on() {
    let cluster = Arc::new(Cluster::new());
    let app = cluster.node("app", &[]).await;
    let hanging = Hanging::start(&cluster);
    let well = cluster.node("well", &[&app]).await;
    let _member = member(&well).await;
    let answer = || std::future::ready("well".to_owned());
    well.export("work", "hang", answer).unwrap();
    until(|| app.peers().len() == 1).await;
    // It may not have its name yet.
    within(async { while app.connect(HANGING).await.is_err() {} }).await;
    let balancer = Balancer::builder(GROUP).join(false).timeout(LONG);
    let balancer = balancer.start(&app).await.unwrap();
    within(balancer.wait_for_members(2, LONG)).await.unwrap();
    balancer.set_weight(well.name(), Some(0)).unwrap();
    until(|| !status(&balancer, well.name().as_str()).takes_calls).await;
    let mut events = balancer.member_events();
    let call = || balancer.call::<String, _>(("work", "hang"), ());

    let idempotent = tokio::spawn(call().idempotent().send());
    let once = tokio::spawn(call().send());
    tokio::task::block_in_place(|| hanging.hangs.recv()).unwrap();
    balancer.set_weight(well.name(), None).unwrap();
    let weight = async {
        loop {
            let event = events.next().await.expect("the balancer is there");
            if event.node == *well.name() && event.weight == 1 {
                return event.state;
            }
        }
    };
    assert_eq!(within(weight).await, MemberState::Up);

    let event = told(&mut events).await;
    assert_eq!(event.node.as_str(), HANGING);
    assert_eq!(event.before, Some(MemberState::Up));
    assert_eq!(event.state, MemberState::Suspect);
    assert_eq!(event.reason, StateReason::Silent);
    assert_eq!(within(idempotent).await.unwrap().unwrap(), "well");
    assert!(!status(&balancer, HANGING).takes_calls);
    for _ in 0..20 {
        assert_eq!(within(call().send()).await.unwrap(), "well");
    }

    // One call was abandoned; the other waits for its answer.
    hanging.release.send(()).unwrap();
    hanging.release.send(()).unwrap();
    assert_eq!(told(&mut events).await.state, MemberState::Up);
    let status = status(&balancer, HANGING);
    assert_eq!(status.reason, StateReason::Heard);
    assert!(
        status.takes_calls && status.slow_start.is_some(),
        "{status:?}"
    );
    assert_eq!(within(once).await.unwrap().unwrap(), "hanging");
}

#[tokio::test]
async fn a_member_whose_calls_fail_again_and_again_is_ejected() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let ([deaf, well], _members, balancer) = with_a_deaf_member(&cluster, &app).await;
    let mut events = balancer.member_events();

    let mut failures = 0;
    while failures < 2 {
        let call = balancer.call::<(), _>(("work", "run"), ());
        if let Err(error) = call.timeout(Duration::from_millis(50)).send().await {
            // Only the one that never answers fails, unless this machine is very slow.
            assert_eq!(error.code, Code::RequestTimeout);
            failures += usize::from(error.details.node.as_ref() == Some(deaf.name()));
        }
    }

    let event = told(&mut events).await;
    assert_eq!(
        (&event.node, event.state),
        (deaf.name(), MemberState::Ejected)
    );
    assert_eq!(event.reason, StateReason::FailuresInARow(2));
    until(|| !status(&balancer, deaf.name().as_str()).takes_calls).await;
    let well = well.name().as_str().to_owned();
    assert_eq!(
        answers(&balancer, 20).await.into_iter().collect::<Vec<_>>(),
        [(well, 20)]
    );
    // It is a member all the same.
    assert_eq!(balancer.members().unwrap().len(), 2);
}

/// A node that never answers `work:run/0`, one that does at once, what they are members by, and a
/// balancer that calls them.
async fn with_a_deaf_member(cluster: &Cluster, app: &Node) -> ([Node; 2], [Balancer; 2], Balancer) {
    let (deaf, well) = (
        cluster.node("deaf", &[app]).await,
        cluster.node("well", &[app]).await,
    );
    let members = [member(&deaf).await, member(&well).await];
    deaf.export("work", "run", std::future::pending::<()>)
        .unwrap();
    well.export("work", "run", || std::future::ready(()))
        .unwrap();
    let ejection = Ejection::new().consecutive_failures(2).first(LONG);
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false)
        .health(Health::new().ejection(ejection))
        .retry_budget(RetryBudget::new(1.0, 1_000_000))
        .start(app)
        .await
        .unwrap();
    members_become(&balancer, &[&deaf, &well]).await;
    ([deaf, well], members, balancer)
}

/// Calls until this member is ejected. Where the machine is busy, another one may be before.
async fn call_until_ejected<T>(
    balancer: &Balancer,
    node: &Node,
    mut call: impl AsyncFnMut(&Balancer) -> T,
) {
    let mut events = balancer.member_events();
    let is_ejected = async {
        loop {
            let event = told(&mut events).await;
            if event.node == *node.name() && event.state == MemberState::Ejected {
                break;
            }
        }
    };
    let calls = async {
        loop {
            call(balancer).await;
        }
    };
    tokio::select! {
        () = is_ejected => {}
        () = calls => unreachable!("it calls for ever"),
    }
}

#[tokio::test]
async fn a_member_that_never_answers_is_ejected_though_hedges_hide_that() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let ([deaf, _well], _members, balancer) = with_a_deaf_member(&cluster, &app).await;
    let hedged = call_until_ejected(&balancer, &deaf, async |balancer| {
        let call = balancer.call::<(), _>(("work", "run"), ());
        let call = call.hedge(Hedge::after(Duration::from_millis(5)));
        let _ = call.timeout(Duration::from_millis(500)).send().await;
    });
    hedged.await;
}

#[tokio::test]
async fn a_member_that_never_answers_is_ejected_though_its_callers_do_not_wait() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let ([deaf, _well], _members, balancer) = with_a_deaf_member(&cluster, &app).await;
    let abandoned = call_until_ejected(&balancer, &deaf, async |balancer| {
        let call = balancer.call::<(), _>(("work", "run"), ());
        let call = call.timeout(Duration::from_millis(500)).send();
        let _ = tokio::time::timeout(Duration::from_millis(10), call).await;
    });
    abandoned.await;
}

#[tokio::test]
async fn calls_for_which_no_time_is_left_are_not_held_against_anybody() {
    let cluster = Cluster::new();
    let (app, [w1, w2], _members) = cluster.with_two_members().await;
    let ejection = Ejection::new().consecutive_failures(1).first(LONG);
    let balancer = Balancer::builder(GROUP)
        .join(false)
        .health(Health::new().ejection(ejection))
        .start(&app)
        .await
        .unwrap();
    members_become(&balancer, &[&w1, &w2]).await;
    for _ in 0..10 {
        let call = balancer.call::<String, _>(("demo", "node"), ());
        let error = call.timeout(Duration::ZERO).await.unwrap_err();
        assert!(!error.may_have_run());
    }
    answers(&balancer, 10).await;
    assert!(balancer.member_statuses().iter().all(|it| it.takes_calls));
}

#[tokio::test]
async fn those_who_left_are_shown_for_a_while_with_the_reason() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let (w1, w2) = (
        cluster.node("w1", &[&app]).await,
        cluster.node("w2", &[&app]).await,
    );
    let (first, _second) = (member(&w1).await, member(&w2).await);
    let balancer = Balancer::builder(GROUP)
        .join(false)
        .start(&app)
        .await
        .unwrap();
    members_become(&balancer, &[&w1, &w2]).await;
    let mut events = balancer.member_events();

    first.leave();
    let event = told(&mut events).await;
    assert_eq!(
        (&event.node, event.state),
        (w1.name(), MemberState::Draining)
    );
    assert_eq!(event.reason, StateReason::Left);
    app.disconnect(w2.name());
    // It is connected again at once, as it knows this node.
    let event = told(&mut events).await;
    assert_eq!((&event.node, event.state), (w2.name(), MemberState::Down));
    assert!(matches!(event.reason, StateReason::Disconnected(_)));
    let former = balancer.former_members();
    assert!(former.iter().any(|former| former.node == *w1.name()));
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let ejection = Ejection::new().interval(Duration::ZERO);
    let builder = Balancer::builder(GROUP).health(Health::new().ejection(ejection));
    let error = builder.start(&app).await.unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert!(error.message.starts_with("interval: "), "{error}");
}

/// A member that dies with the runtime that it runs in, when this is dropped.
struct Mortal {
    runtime: Option<Runtime>,
    node: Node,
    _member: Balancer,
}

impl Mortal {
    async fn start(cluster: &Arc<Cluster>, app: &Node) -> Self {
        let runtime = Runtime::new().unwrap();
        let (cluster, app) = (Arc::clone(cluster), app.clone());
        let started = runtime.spawn(async move {
            let node = cluster.node("mortal", &[&app]).await;
            node.export("work", "run", std::future::pending::<()>)
                .unwrap();
            let member = member(&node).await;
            (node, member)
        });
        let (node, _member) = within(started).await.unwrap();
        Self {
            runtime: Some(runtime),
            node,
            _member,
        }
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test]
async fn a_member_that_dies_with_calls_is_back_with_a_clean_record_and_a_slow_start() {
    let cluster = Arc::new(Cluster::new());
    let app = cluster.node("app", &[]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let _member2 = member(&w2).await;
    let mortal = Mortal::start(&cluster, &app).await;
    let balancer = Balancer::builder(GROUP)
        .join(false)
        .algorithm(RoundRobin::new())
        .health(Health::new().slow_start(LONG))
        .start(&app)
        .await
        .unwrap();
    members_become(&balancer, &[&mortal.node, &w2]).await;
    balancer.set_weight(w2.name(), Some(0)).unwrap();
    until(|| !status(&balancer, w2.name().as_str()).takes_calls).await;
    let calls: Vec<_> = (0..20)
        .map(|_| tokio::spawn(balancer.call::<(), _>(("work", "run"), ()).send()))
        .collect();
    until(|| mortal.node.serving() == 20).await;
    balancer.set_weight(w2.name(), None).unwrap();
    until(|| status(&balancer, w2.name().as_str()).takes_calls).await;
    let mut events = balancer.member_events();

    let name = mortal.node.name().clone();
    drop(mortal);
    for call in calls {
        let error = within(call).await.unwrap().unwrap_err();
        assert!(error.may_have_run(), "{error}");
    }
    let event = told(&mut events).await;
    assert_eq!((&event.node, event.state), (&name, MemberState::Down));
    let _mortal = Mortal::start(&cluster, &app).await;

    let event = told(&mut events).await;
    assert_eq!((&event.node, event.state), (&name, MemberState::Up));
    assert_eq!(event.reason, StateReason::Joined);
    let back = status(&balancer, name.as_str());
    assert!(back.takes_calls && back.slow_start.is_some(), "{back:?}");
    // It gets a tenth of its share, which is one call in twenty.
    let answers = answers(&balancer, 200).await;
    let its = answers.get(name.as_str()).copied();
    assert!(its.unwrap_or(0) < 60, "{answers:?}");
}
