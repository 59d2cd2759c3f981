//! Waiting for what is to happen.

use std::{
    future::{Future, IntoFuture},
    time::Duration,
};

use beam_dist::NodeName;
use beam_node::{ConnectError, DownReason, Event, Events};

/// How long anything may take that is to happen. Tests that pass do not wait for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// What the future gives, if it does so in time.
#[track_caller]
pub(crate) fn within<F: IntoFuture>(future: F) -> impl Future<Output = F::Output> {
    let at = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_elapsed) => panic!("nothing happened within {PATIENCE:?} at {at}"),
        }
    }
}

/// What the future gives, if it does so at once.
pub(crate) async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

/// Waits for what no event tells, such as a count that is to become zero.
#[track_caller]
pub(crate) fn eventually(condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    within(async move {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
}

/// Waits until a peer is connected.
#[track_caller]
pub(crate) fn up<'a>(events: &'a mut Events, peer: &'a NodeName) -> impl Future<Output = ()> + 'a {
    within(async move {
        loop {
            match events.next().await {
                Some(Event::Up { peer: found, .. }) if found == *peer => return,
                Some(_) => {}
                None => panic!("no more events, and {peer} never came up"),
            }
        }
    })
}

/// Waits until a peer is no longer connected, and tells why.
#[track_caller]
pub(crate) fn down<'a>(
    events: &'a mut Events,
    peer: &'a NodeName,
) -> impl Future<Output = DownReason> + 'a {
    within(async move {
        loop {
            match events.next().await {
                Some(Event::Down {
                    peer: found,
                    reason,
                }) if found == *peer => return reason,
                Some(_) => {}
                None => panic!("no more events, and {peer} never went down"),
            }
        }
    })
}

/// Waits until an attempt to connect failed, and tells with whom and why.
#[track_caller]
pub(crate) fn connect_failed(
    events: &mut Events,
) -> impl Future<Output = (NodeName, ConnectError)> + '_ {
    within(async move {
        loop {
            match events.next().await {
                Some(Event::ConnectFailed { peer, reason }) => return (peer, reason),
                Some(_) => {}
                None => panic!("no more events, and none was a failure"),
            }
        }
    })
}

/// Waits until somebody was refused who said a name, and tells which and why.
#[track_caller]
pub(crate) fn refused(events: &mut Events) -> impl Future<Output = (NodeName, ConnectError)> + '_ {
    within(async move {
        loop {
            match events.next().await {
                Some(Event::Refused {
                    claimed: Some(peer),
                    reason,
                    ..
                }) => return (peer, reason),
                Some(_) => {}
                None => panic!("no more events, and none was a refusal"),
            }
        }
    })
}
