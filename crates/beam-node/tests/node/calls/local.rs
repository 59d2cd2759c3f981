//! Calls of a node to itself.

use std::time::Duration;

use beam_node::{CallContext, Cause, Code, Limits};
use beam_term::Term;
use tokio::sync::mpsc;

use crate::support::{Cluster, eventually, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_the_own_node_runs_without_a_connection() {
    let a = Cluster::new().start("a").await;
    a.export("who", "calls", async |context: CallContext| {
        (context.caller().to_string(), context.deadline().is_some())
    })
    .unwrap();

    let told: (String, bool) = within(a.call(a.name(), ("who", "calls"), ()))
        .await
        .unwrap();

    assert_eq!(told, ("a@127.0.0.1".to_owned(), true));
    assert_eq!(a.peers(), []);
    let own = a.peer(a.name()).unwrap();
    assert!(own.is_local() && own.is_connected());
    assert_eq!(within(a.ping(a.name())).await.unwrap(), Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_own_node_are_those_of_any_other() {
    let a = Cluster::new().start("a").await;
    a.export("math", "double", async |n: i64| 2 * n).unwrap();
    a.export("bad", "luck", async || {
        if true {
            panic!("always")
        }
    })
    .unwrap();
    let own = a.name();

    let undefined = within(a.call::<Term, _>(own, ("math", "triple"), (1,))).await;
    assert!(undefined.unwrap_err().is_undefined());
    let badarg = within(a.call::<Term, _>(own, ("math", "double"), ("two",))).await;
    let badarg = badarg.unwrap_err();
    assert_eq!(badarg.exception().unwrap().reason, Term::atom("badarg"));
    let panic = within(a.call::<Term, _>(own, ("bad", "luck"), ())).await;
    assert!(panic.unwrap_err().exception().is_some());
    let decode = within(a.call::<String, _>(own, ("math", "double"), (1,))).await;
    assert!(matches!(decode.unwrap_err().cause(), Cause::Decode(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_the_own_node_are_counted_limited_and_cancelled() {
    let cluster = Cluster::new();
    let limits = Limits {
        served_per_node: 1,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let (seen, mut seens) = mpsc::unbounded_channel();
    a.export("slow", "wait", move |context: CallContext| {
        let seen = seen.clone();
        async move {
            seen.send("started").unwrap();
            context.cancelled().await;
            let _ = seen.send("cancelled");
        }
    })
    .unwrap();
    let wait = || a.call::<Term, _>(a.name(), ("slow", "wait"), ());

    let call = tokio::spawn({
        let call = wait();
        async move { call.await }
    });
    assert_eq!(within(seens.recv()).await, Some("started"));
    assert_eq!(a.serving(), 1);
    let error = within(wait()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Limit("served_per_node")));
    assert_eq!(error.code, Code::TooManyRequests);
    assert!(!error.may_have_run());
    let cast = within(a.cast(a.name(), ("slow", "wait"), ())).await;
    assert_eq!(cast.unwrap_err().code, Code::TooManyRequests);

    call.abort();
    assert_eq!(within(seens.recv()).await, Some("cancelled"));
    eventually(|| a.serving() == 0).await;

    let error = within(wait().timeout(Duration::from_millis(100)))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::RequestTimeout);
    assert!(error.may_have_run());
    assert_eq!(within(seens.recv()).await, Some("started"));
    assert_eq!(within(seens.recv()).await, Some("cancelled"));
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_to_the_own_node_runs() {
    let a = Cluster::new().start("a").await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    a.export("log", "line", move |line: String| {
        let sent = sender.send(line).is_ok();
        async move { sent }
    })
    .unwrap();

    within(a.cast(a.name(), ("log", "line"), ("one",)))
        .await
        .unwrap();

    assert_eq!(within(receiver.recv()).await.as_deref(), Some("one"));
    eventually(|| a.serving() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_the_own_node_are_held_to_its_limits() {
    let cluster = Cluster::new();
    let limits = Limits {
        term_depth: 20,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    a.export("take", "any", async |_: Term| ()).unwrap();
    let deep = |levels| (0..levels).fold(Term::nil(), |inner, _| Term::list([inner]));
    let call = |levels| a.call::<(), _>(a.name(), ("take", "any"), (deep(levels),));

    within(call(10)).await.unwrap();
    let error = within(call(30)).await.unwrap_err();

    assert_eq!(error.code, Code::BadRequest);
    assert!(matches!(error.cause(), Cause::Encode(_)), "{error:?}");
    assert!(error.message.contains("arguments"), "{error}");
    assert!(!error.may_have_run());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_the_own_node_that_it_ends_says_why_and_may_have_run() {
    let cluster = Cluster::new();
    let builder = cluster.builder("a").drain_timeout(Duration::ZERO);
    let a = within(builder.start()).await.unwrap();
    let (started, mut starts) = mpsc::unbounded_channel();
    a.export("slow", "wait", move || {
        started.send(()).unwrap();
        std::future::pending::<()>()
    })
    .unwrap();
    let call = tokio::spawn({
        let call = a.call::<(), _>(a.name(), ("slow", "wait"), ());
        async move { call.await }
    });
    within(starts.recv()).await.unwrap();

    within(a.shutdown()).await.unwrap_err();

    let error = within(call).await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(error.message.contains("shut down"), "{error}");
    assert!(error.may_have_run());
}
