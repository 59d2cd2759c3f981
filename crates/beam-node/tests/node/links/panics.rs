//! What becomes of connections when something panics that should not.

use std::sync::atomic::{AtomicUsize, Ordering};

use beam_dist::control::Target;
use beam_node::{Cause, ConnectError, DownReason, Limits};
use beam_term::{Atom, Term};
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use crate::support::{Cluster, PATIENCE, down, eventually, within};

/// Panics once over what a module logs, on the thread that it is set for.
///
/// Logging is the code of others that runs on the tasks of connections.
struct PanicsOnce {
    module: &'static str,
    /// How many times it has logged.
    logged: AtomicUsize,
    /// Over which of them to panic.
    at: usize,
}

impl PanicsOnce {
    fn over(module: &'static str, at: usize) -> Self {
        Self {
            module,
            logged: AtomicUsize::new(0),
            at,
        }
    }
}

impl Subscriber for PanicsOnce {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == self.module
            && self.logged.fetch_add(1, Ordering::SeqCst) == self.at
        {
            panic!("as the test wants it");
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_panic_over_a_message_ends_the_connection() {
    let cluster = Cluster::new();
    let limits = Limits {
        monitors_per_peer: 0,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let mut events = a.events();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let name = peer.name().clone();
    let waiting = tokio::spawn({
        let (a, name) = (a.clone(), name.clone());
        async move { a.call::<Term, _>(name, ("m", "f"), ()).await }
    });
    peer.spawn_request().await;

    let _panics =
        tracing::subscriber::set_default(PanicsOnce::over("beam_node::link::dispatch", 0));
    let monitor = peer.monitor(
        Target::Name(Atom::from_static("net_kernel")),
        &peer.reference(1),
    );
    peer.send(monitor).await;

    let error = within(waiting).await.unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::ConnectionLost), "{error:?}");
    assert_eq!(down(&mut events, &name).await, DownReason::Panicked);
    assert!(a.peers().is_empty());
    peer.closed().await;
}

#[tokio::test]
async fn after_a_panic_over_an_attempt_to_connect_there_can_be_another() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("a").await, cluster.start("b").await);
    // What is known of a peer is forgotten with the last one who holds it.
    let peer = a.peer(b.name()).unwrap();

    // The node that accepts is the first to log that it is connected.
    let _panics = tracing::subscriber::set_default(PanicsOnce::over("beam_node::link::life", 1));
    let error = within(peer.connect(PATIENCE)).await.unwrap_err();
    assert!(
        matches!(error.cause(), Cause::NotConnected(ConnectError::Lost(_))),
        "{error:?}"
    );
    within(peer.ping(PATIENCE)).await.unwrap();
    eventually(|| a.peers().len() == 1 && b.peers().len() == 1).await;
}
