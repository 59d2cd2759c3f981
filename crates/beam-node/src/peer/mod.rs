//! A peer: another node by name, connected or not.

mod slot;

use std::{borrow::Cow, sync::Arc, time::Duration};

use beam_dist::NodeName;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{
    Arguments, Function,
    call::{Call, Cast, Request, not_connected},
    deadline,
    error::{Cause, Code, Error},
    event::DownReason,
    state::NodeState,
};

pub(crate) use slot::{Accepting, Slot, Turn};

/// Another node that this one can call, connected or not.
///
/// Cheap to clone, and valid across reconnects: a balancer keeps one for each member. The node
/// itself is a peer too; its calls run here, without a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(crate) node: Arc<NodeState>,
    pub(crate) slot: Arc<Slot>,
}

impl Peer {
    /// The peer's name.
    pub fn name(&self) -> &NodeName {
        self.slot.name()
    }

    /// Whether this is the node itself.
    pub fn is_local(&self) -> bool {
        self.slot.name() == self.node.name()
    }

    /// Whether there is a connection right now. The node itself always counts as connected.
    pub fn is_connected(&self) -> bool {
        self.is_local() || self.slot.is_live()
    }

    /// Why there is no connection any more; `None` where there is one. One that there never was counts
    /// as [`DownReason::Closed`].
    pub fn disconnected(&self) -> Option<DownReason> {
        (!self.is_local())
            .then(|| self.slot.down_reason())
            .flatten()
    }

    /// Whether there is a connection over which the node does not answer; see
    /// [`NodeBuilder::suspect_after`](crate::NodeBuilder::suspect_after).
    pub fn is_suspect(&self) -> bool {
        self.slot.is_suspect()
    }

    /// Calls a function there; see [`Node::call`](crate::Node::call).
    pub fn call<'a, T: DeserializeOwned, A: Arguments + 'a>(
        &'a self,
        function: impl TryInto<Function, Error: std::fmt::Display>,
        arguments: A,
    ) -> Call<'a, T, A> {
        Call::new(request(Cow::Borrowed(self), function, arguments))
    }

    /// Sends a cast; see [`Node::cast`](crate::Node::cast).
    pub fn cast<'a, A: Arguments + 'a>(
        &'a self,
        function: impl TryInto<Function, Error: std::fmt::Display>,
        arguments: A,
    ) -> Cast<'a, A> {
        Cast::new(request(Cow::Borrowed(self), function, arguments))
    }

    /// Connects, unless there is a connection already.
    ///
    /// # Errors
    ///
    /// `service_unavailable`, with the [`ConnectError`](crate::ConnectError) as its cause.
    ///
    /// # Cancellation safety
    ///
    /// An attempt that has begun goes on when this future is dropped.
    pub async fn connect(&self, timeout: Duration) -> Result<(), Error> {
        if self.is_local() {
            return Ok(());
        }
        self.slot
            .link(&self.node, deadline::after(timeout))
            .await
            .map(drop)
            .map_err(|error| not_connected(self.name(), error))
    }

    /// Connects if need be, asks for a sign of life, and tells how long it took to come.
    ///
    /// # Errors
    ///
    /// `service_unavailable` without a connection, or when it is lost meanwhile, and
    /// `request_timeout` when no sign comes.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn ping(&self, timeout: Duration) -> Result<Duration, Error> {
        if self.is_local() {
            return Ok(Duration::ZERO);
        }
        let deadline = deadline::after(timeout);
        let link = self
            .slot
            .link(&self.node, deadline)
            .await
            .map_err(|error| not_connected(self.name(), error))?;
        let asked = Instant::now();
        match tokio::time::timeout_at(deadline, link.probe()).await {
            Ok(Ok(())) => Ok(asked.elapsed()),
            Ok(Err(_lost)) => Err(Error::new(
                Code::ServiceUnavailable,
                format!("{} lost the connection", self.name()),
                Cause::ConnectionLost,
            )
            .at_node(self.name())),
            Err(_elapsed) => Err(Error::new(
                Code::RequestTimeout,
                format!("{} gave no sign of life within {timeout:?}", self.name()),
                Cause::Timeout(timeout),
            )
            .at_node(self.name())),
        }
    }
}

/// Whom to ask what.
pub(crate) fn request<'a, A: Arguments>(
    peer: Cow<'a, Peer>,
    function: impl TryInto<Function, Error: std::fmt::Display>,
    arguments: A,
) -> Result<Request<'a, A>, Error> {
    Ok(Request {
        peer,
        function: Function::parse(function)?,
        arguments,
    })
}
