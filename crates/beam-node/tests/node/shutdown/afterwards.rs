//! A node that was shut down.

use std::time::Duration;

use beam_node::{Cause, Code, ConnectError, Error};
use beam_term::Term;

use crate::support::{Cluster, within};

fn assert_shut_down(error: &Error) {
    assert_eq!(error.code, Code::ServiceUnavailable, "{error}");
    assert!(
        matches!(
            error.cause(),
            Cause::ShutDown | Cause::NotConnected(ConnectError::ShutDown)
        ),
        "{error:?}"
    );
    assert!(error.message.contains("shut"), "{error}");
    assert!(!error.may_have_run());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_it_is_asked_to_do_fails_at_once() {
    let (a, b) = Cluster::new().pair().await;
    let mut published = a.publish(Term::atom("region"), 1).unwrap();
    within(a.shutdown()).await.unwrap();

    // None of them waits for anything.
    let patience = Duration::from_secs(1_000_000);
    for to in [&a, &b] {
        let error = within(
            a.call::<Term, _>(to.name(), ("erlang", "node"), ())
                .timeout(patience),
        )
        .await
        .unwrap_err();
        assert_shut_down(&error);
        let cast = a.cast(to.name(), ("erlang", "node"), ()).timeout(patience);
        assert_shut_down(&within(cast).await.unwrap_err());
    }
    assert_shut_down(&a.join(Term::atom("workers")).unwrap_err());
    assert_shut_down(&a.publish(Term::atom("zone"), 1).unwrap_err());
    assert_shut_down(&published.set(2).unwrap_err());
    let region = a.published(&Term::atom("region"));
    assert!(region.is_empty(), "{region:?}");
    assert_shut_down(&a.export("m", "f", async || ()).unwrap_err());
    let peer = a.peer(b.name()).unwrap();
    assert_shut_down(&within(peer.connect(patience)).await.unwrap_err());
    assert_shut_down(&within(peer.ping(patience)).await.unwrap_err());
    let to = (b.name(), beam_term::Atom::from_static("anybody"));
    assert_shut_down(&within(a.send(to, &1)).await.unwrap_err());
    assert_eq!((a.calling(), a.serving(), a.peers().len()), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_it_down_again_changes_nothing() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let _membership = a.join(Term::atom("workers")).unwrap();

    let (first, second) = within(async { tokio::join!(a.shutdown(), a.shutdown()) }).await;
    first.unwrap();
    second.unwrap();
    within(a.shutdown()).await.unwrap();

    // Its name is free, and the one that has it next is not disturbed.
    let again = cluster.start("a").await;
    within(a.shutdown()).await.unwrap();
    drop(a);
    within(again.ping(b.name())).await.unwrap();
}
