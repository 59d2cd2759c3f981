//! Calls of this node's own exports, without a connection.

use beam_term::{RawTerm, Reader, Writer};
use bytes::BytesMut;
use serde::de::DeserializeOwned;

use super::Request;
use crate::{
    Arguments,
    deadline::Remaining,
    error::Error,
    process::{Ended, Process},
    serve,
};

/// Calls an export of this node as a peer would: the arguments and the result are encoded and
/// decoded, and the handler runs in a task of its own.
pub(super) async fn call<T: DeserializeOwned, A: Arguments>(
    request: &Request<'_, A>,
    time: Remaining,
) -> Result<T, Error> {
    let question = request.question();
    let (process, task) = serve::spawn_local(
        &request.peer.node,
        request.function.clone(),
        encode(request)?,
        Some(time.deadline),
    )
    .map_err(|error| question.complete(error))?;
    let _awaited = Awaited(&process);
    match tokio::time::timeout_at(time.deadline, task).await {
        // A task that gives nothing was torn down with the runtime.
        Ok(outcome) => {
            let outcome = outcome.unwrap_or(Err(Ended::Stopped));
            question.outcome(outcome, time.timeout)
        }
        Err(_elapsed) => Err(question.timed_out(time.timeout)),
    }
}

/// A call whose result is waited for. Its handler is told when this is dropped.
struct Awaited<'a>(&'a Process);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if let Some(served) = self.0.served() {
            served.cancel();
        }
    }
}

/// Starts an export of this node, and forgets it.
pub(super) fn cast<A: Arguments>(request: &Request<'_, A>) -> Result<(), Error> {
    serve::spawn_local(
        &request.peer.node,
        request.function.clone(),
        encode(request)?,
        None,
    )
    .map(drop)
    .map_err(|error| request.question().complete(error))
}

fn encode<A: Arguments>(request: &Request<'_, A>) -> Result<RawTerm, Error> {
    let not_encoded = |error| request.question().not_encoded(error);
    let mut buffer = BytesMut::new();
    let mut writer = Writer::new(&mut buffer);
    request.arguments.encode(&mut writer).map_err(not_encoded)?;
    // As of any other caller, what is beyond the limits on terms is not taken.
    let limits = &request.peer.node.identity.limits;
    Reader::new(buffer)
        .with_limits(limits.into())
        .raw()
        .map_err(|error| not_encoded(error.into()))
}
