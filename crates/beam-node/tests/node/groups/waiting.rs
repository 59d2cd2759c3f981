//! Waiting for members.

use std::time::Duration;

use beam_node::{Cause, Code};
use beam_term::Term;

use crate::support::{Cluster, PATIENCE, within};

const GROUP: Term = Term::atom("workers");

#[tokio::test(flavor = "multi_thread")]
async fn enough_members_end_the_wait() {
    let (a, b) = Cluster::new().pair().await;
    // No members are enough if none are asked for.
    let none = a.wait_for_members(GROUP, 0, Duration::ZERO).await.unwrap();
    assert!(none.is_empty());
    let waiting = tokio::spawn({
        let a = a.clone();
        async move { a.wait_for_members(GROUP, 2, PATIENCE).await }
    });

    let _of_b = b.join(GROUP).unwrap();
    within(a.wait_for_members(GROUP, 1, PATIENCE))
        .await
        .unwrap();
    assert!(!waiting.is_finished());
    let _of_a = a.join(GROUP).unwrap();

    let found = within(waiting).await.unwrap().unwrap();
    assert!(found.nodes().eq([a.name(), b.name()]));
    // They are there already.
    let found = a.wait_for_members(GROUP, 2, Duration::ZERO).await.unwrap();
    assert_eq!(found.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_ends_without_enough_members_says_how_many_came() {
    let (a, b) = Cluster::new().pair().await;
    let _memberships = [b.join(GROUP).unwrap(), b.join(GROUP).unwrap()];
    within(a.wait_for_members(GROUP, 1, PATIENCE))
        .await
        .unwrap();

    let error = a
        .wait_for_members(GROUP, 2, Duration::from_millis(20))
        .await
        .unwrap_err();

    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(matches!(error.cause(), Cause::NoMembers), "{error:?}");
    assert!(error.message.contains("1 of 2"), "{error}");
    assert!(error.message.contains("workers"), "{error}");
}
