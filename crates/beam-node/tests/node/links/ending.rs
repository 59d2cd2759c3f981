//! What becomes of a connection that ends, and of what was on its way over it.

use std::{future::IntoFuture, time::Duration};

use beam_node::{Cause, Code, ConnectError, DownReason};
use beam_term::Term;
use bytes::Bytes;
use tokio::{io::AsyncWriteExt, time::timeout};

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

#[tokio::test(flavor = "multi_thread")]
async fn results_reach_a_peer_that_is_slow_to_read_and_goes_on_talking() {
    const RESULT: usize = 3_000_000;
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut events = a.events();
    a.export("large", "result", async |count: usize| {
        Bytes::from(vec![7; count])
    })
    .unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;
    let request = peer.reference(1);
    let size = Term::from(RESULT as i64);
    peer.call(&request, ("large", "result"), [size]).await;
    peer.spawn_reply().await;
    eventually(|| a.serving() == 0).await;

    let stop = tokio::spawn(async move { a.shutdown().await });
    assert_eq!(down(&mut events, peer.name()).await, DownReason::ShutDown);
    const TICK: [u8; 4] = [0; 4];
    for _ in 0..100 {
        // The connection may be gone, but for what was sent over it.
        let _ = peer.socket().write_all(&TICK).await;
        tokio::task::yield_now().await;
    }

    let (exit, reason) = peer.monitor_exit().await;
    assert_eq!(exit.reference, request);
    let [_, _, Term::Binary(result)] = reason.as_tuple().unwrap() else {
        panic!("{reason:?}")
    };
    assert_eq!(result.len(), RESULT);
    peer.closed().await;
    drop(peer);
    within(stop).await.unwrap().unwrap();
}
