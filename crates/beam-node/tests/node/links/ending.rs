//! What becomes of a connection that ends, and of what was on its way over it.

use std::{future::IntoFuture, time::Duration};

use beam_node::{Cause, Code, ConnectError, DownReason};
use beam_term::Term;
use bytes::Bytes;
use tokio::time::timeout;

use crate::support::{Cluster, down, eventually, within};

/// More than the operating system keeps for a connection on its way, on either side.
const MORE_THAN_BUFFERED: usize = 32 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_closed_is_gone_at_once_and_delivers_what_was_sent() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut events = a.events();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let name = peer.name().clone();
    let large = Bytes::from(vec![7; MORE_THAN_BUFFERED]);
    within(a.cast(&name, ("m", "f"), (large,))).await.unwrap();
    let mut waiting = a.call::<Term, _>(&name, ("m", "waits"), ()).into_future();
    assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());

    assert!(a.disconnect(&name));

    assert!(a.peers().is_empty());
    assert!(!a.peer(&name).unwrap().is_connected());
    assert!(!a.disconnect(&name));
    // The peer has read nothing so far.
    let error = within(waiting).await.unwrap_err();
    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(error.may_have_run());
    assert_eq!(down(&mut events, &name).await, DownReason::Disconnected);
    let call = a.call::<Term, _>(&name, ("m", "late"), ());
    let error = within(call).await.unwrap_err();
    assert!(
        matches!(
            error.cause(),
            Cause::NotConnected(ConnectError::NotRegistered { .. })
        ),
        "{error:?}"
    );
    let mut sent = [peer.spawn_request().await, peer.spawn_request().await]
        .map(|(request, _)| request.function.to_string());
    sent.sort_unstable();
    assert_eq!(sent, ["execute_call", "execute_cast"]);
    peer.closed().await;
}
