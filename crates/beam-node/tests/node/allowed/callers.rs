//! Callers of an export.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use beam_dist::control::SpawnOptions;
use beam_node::{Cause, Code, Export, Node};
use beam_term::{Atom, Term};

use crate::support::{Cluster, Warnings, connect, within};

const NOT_ALLOWED: Atom = Atom::from_static("not_allowed");

/// Exports a function that counts its calls.
fn export<const N: usize>(node: &Node, callers: [&str; N]) -> Arc<AtomicU32> {
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let export = Export::new("till", "open", move || {
        let count = Arc::clone(&count);
        async move { count.fetch_add(1, Ordering::SeqCst) + 1 }
    });
    node.register(export.allow_callers(callers)).unwrap();
    runs
}

#[tokio::test]
async fn a_caller_that_is_not_allowed_is_refused_before_anything_runs() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let c = cluster.start("c").await;
    let runs = export(&a, ["b@127.0.0.1", "/^backoffice/"]);

    for _ in 0..3 {
        let error = within(c.call::<u32, _>(a.name(), ("till", "open"), ()))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        assert!(
            matches!(error.cause(), Cause::Refused(reason) if *reason == NOT_ALLOWED),
            "{error:?}"
        );
        assert!(!error.may_have_run());
        assert!(error.message.contains("till:open/0"), "{error}");
    }
    assert_eq!(warnings.count("refused a call"), 1);
    assert_eq!(runs.load(Ordering::SeqCst), 0);

    let call = b.call::<u32, _>(a.name(), ("till", "open"), ());
    assert_eq!(within(call).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_call_its_own_functions_whoever_else_may() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let _runs = export(&a, [""; 0]);

    let call = a.call::<u32, _>(a.name(), ("till", "open"), ());
    assert_eq!(within(call).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_of_a_caller_that_is_not_allowed_comes_to_nothing() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let runs = export(&a, ["c@127.0.0.1"]);

    within(b.cast(a.name(), ("till", "open"), ()))
        .await
        .unwrap();

    // What is sent later is dealt with later.
    let later = b.call::<Atom, _>(a.name(), ("erlang", "node"), ());
    within(later).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_not_spawned_for_a_caller_that_is_not_allowed() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let runs = export(&a, ["c@127.0.0.1"]);
    let mut peer = cluster.raw_peer(&a, "raw").await;

    for (id, options) in [
        (
            1,
            SpawnOptions {
                monitor: true,
                ..SpawnOptions::default()
            },
        ),
        (
            2,
            SpawnOptions {
                link: true,
                ..SpawnOptions::default()
            },
        ),
        (3, SpawnOptions::default()),
    ] {
        let request = peer.reference(id);
        let spawn = peer.spawn(&request, ("till", "open", 0), options);
        peer.send_with(spawn, &Term::nil()).await;
        let reply = peer.spawn_reply().await;
        assert_eq!(reply.result, Err(NOT_ALLOWED));
        assert!(!reply.monitored && !reply.linked);
    }
    peer.settle().await;
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_call_changes_with_the_export() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let _runs = export(&a, ["c@127.0.0.1"]);
    let open = async || within(b.call::<u32, _>(a.name(), ("till", "open"), ())).await;
    open().await.unwrap_err();

    let free = Export::new("till", "open", async || 7_u32);
    a.replace(free.clone().allow_callers(["b@*"])).unwrap();
    assert_eq!(open().await.unwrap(), 7);
    // Without a list everybody may, as ever.
    a.replace(free).unwrap();
    assert_eq!(open().await.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_is_none_is_refused_with_the_function() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, cluster.start("b").await);
    let export = Export::new("till", "open", async || 7_u32).allow_callers(["backoffice"]);

    let error = a.register(export).unwrap_err();

    assert_eq!(error.code, Code::BadRequest);
    for said in ["till:open/0", "backoffice", "a * stands for"] {
        assert!(error.message.contains(said), "{error}");
    }
    connect(&b, &a).await;
    let call = b.call::<u32, _>(a.name(), ("till", "open"), ());
    assert!(within(call).await.unwrap_err().is_undefined());
}
