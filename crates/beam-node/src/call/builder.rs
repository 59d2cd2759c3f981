//! A call or a cast that is being put together, and its way to the peer and back.

use std::{
    borrow::Cow,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use beam_dist::NodeName;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::{Question, local};
use crate::{
    Arguments, Function, Peer,
    connect::ConnectError,
    deadline,
    error::{Code, Error},
    link::{Lane, Link, OnSilence, SendError, Unsent},
};

/// How long a call waits for its answer unless told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A call of a function on another node; awaiting it sends it.
///
/// The timeout, 10 s by default, covers connecting, sending and waiting. It is kept by the runtime of
/// the node, whichever awaits the call. Dropping the future abandons the call: the peer is told to
/// forget it, but in OTP the function runs on.
///
/// A call is sent at most once. [`Error::may_have_run`] tells whether a failed one may have run.
#[must_use = "a call is sent when it is awaited"]
#[derive(Debug)]
pub struct Call<'a, T, A> {
    request: Result<Request<'a, A>, Error>,
    timeout: Duration,
    /// When the timeout began, if it did not begin with the call.
    since: Option<Instant>,
    on_silence: OnSilence,
    result: PhantomData<fn() -> T>,
}

/// A cast: a call without an answer; awaiting it sends it.
///
/// Success means that the request was handed to the connection, not that it ran.
#[must_use = "a cast is sent when it is awaited"]
#[derive(Debug)]
pub struct Cast<'a, A> {
    request: Result<Request<'a, A>, Error>,
    timeout: Duration,
    /// When the timeout began, if it did not begin with the cast.
    since: Option<Instant>,
}

/// Whom to ask what.
#[derive(Debug)]
pub(crate) struct Request<'a, A> {
    pub(crate) peer: Cow<'a, Peer>,
    pub(crate) function: Function,
    pub(crate) arguments: A,
}

impl<'a, T: DeserializeOwned, A: Arguments> Call<'a, T, A> {
    pub(crate) fn new(request: Result<Request<'a, A>, Error>) -> Self {
        Self {
            request,
            timeout: DEFAULT_TIMEOUT,
            since: None,
            on_silence: OnSilence::Wait,
            result: PhantomData,
        }
    }

    /// Sets how long to wait for the answer. Default: 10 s. With zero, nothing is sent.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Counts the timeout from an earlier instant: for a call by which its caller goes on with
    /// something that began then. With no time left, nothing is sent. Default: the instant when the
    /// call is sent.
    pub fn since(mut self, begun: Instant) -> Self {
        self.since = Some(begun);
        self
    }

    /// Sets whether the call ends the moment that its peer becomes
    /// [suspect](crate::NodeBuilder::suspect_after), with `service_unavailable`; it may have run. One
    /// that is sent to a suspect waits for it. Default: `false`.
    pub fn leave_suspect(mut self, leave: bool) -> Self {
        self.on_silence = match leave {
            true => OnSilence::GiveUp,
            false => OnSilence::Wait,
        };
        self
    }

    /// Sends the call and waits for its result. The same as awaiting the call itself, without
    /// the allocation.
    ///
    /// # Errors
    ///
    /// `bad_request` for a wrong name or argument, `service_unavailable` without a connection or
    /// when it is lost, `request_timeout`, `too_many_requests` at a limit, and
    /// `internal_server_error` when the function raised or its result is not a `T`.
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future abandons the call, which may have been sent.
    pub async fn send(self) -> Result<T, Error> {
        let deadline = deadline::of(self.timeout, self.since);
        let request = self.request?;
        let question = request.question();
        let deadline = deadline.ok_or_else(|| question.no_time(self.timeout))?;
        if request.peer.is_local() {
            return Box::pin(local::call(&request, deadline, self.timeout)).await;
        }
        let send = |request: &Request<'_, A>, link: &Arc<Link>, lane| {
            let Request {
                function,
                arguments,
                ..
            } = request;
            link.call(lane, function, arguments, deadline, self.on_silence)
        };
        let sent = request.send(deadline, send).await?;
        let id = sent.reference();
        question.result(sent.await, &id, self.timeout)
    }
}

impl<'a, T, A> IntoFuture for Call<'a, T, A>
where
    T: DeserializeOwned + 'a,
    A: Arguments + 'a,
{
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<'a, A: Arguments> Cast<'a, A> {
    pub(crate) fn new(request: Result<Request<'a, A>, Error>) -> Self {
        Self {
            request,
            timeout: DEFAULT_TIMEOUT,
            since: None,
        }
    }

    /// Sets how long connecting, and waiting for room, may take. Default: 10 s. With zero, nothing is
    /// sent.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Counts the timeout from an earlier instant. With no time left, nothing is sent. Default: the
    /// instant when the cast is sent.
    pub fn since(mut self, begun: Instant) -> Self {
        self.since = Some(begun);
        self
    }

    /// Sends the cast.
    ///
    /// # Errors
    ///
    /// `bad_request` for a wrong name or argument, `service_unavailable` without a connection,
    /// `too_many_requests` at a limit, or where there was no room in time, and `request_timeout` when
    /// there is no time at all. What happens at the peer is not reported.
    ///
    /// # Cancellation safety
    ///
    /// When this future is dropped the cast was sent whole or not at all. An attempt to connect that
    /// has begun goes on.
    pub async fn send(self) -> Result<(), Error> {
        let deadline = deadline::of(self.timeout, self.since);
        let request = self.request?;
        let deadline = deadline.ok_or_else(|| request.question().no_time(self.timeout))?;
        if request.peer.is_local() {
            return local::cast(&request);
        }
        let send = |request: &Request<'_, A>, link: &Arc<Link>, lane| {
            link.cast(lane, &request.function, &request.arguments)
        };
        request.send(deadline, send).await
    }
}

impl<'a, A: Arguments + 'a> IntoFuture for Cast<'a, A> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<A: Arguments> Request<'_, A> {
    pub(crate) fn question(&self) -> Question<'_> {
        Question {
            node: self.peer.name(),
            function: &self.function,
            arity: self.arguments.arity(),
        }
    }

    /// Connects if need be, and sends.
    async fn send<T>(
        &self,
        deadline: Instant,
        send: impl Fn(&Self, &Arc<Link>, Lane) -> Result<T, Unsent>,
    ) -> Result<T, Error> {
        let link = self.link(deadline).await?;
        match send(self, &link, Lane::Free) {
            Ok(sent) => Ok(sent),
            Err(unsent) => {
                let send = |lane| send(self, &link, lane);
                Box::pin(self.find_room(&link, deadline, unsent, send)).await
            }
        }
    }

    /// Sends what there was no room for, if that is to wait, when there is.
    async fn find_room<T>(
        &self,
        link: &Link,
        deadline: Instant,
        mut unsent: Unsent,
        send: impl Fn(Lane) -> Result<T, Unsent>,
    ) -> Result<T, Error> {
        while let Unsent::Message(SendError::Full { bytes }) = unsent
            && link.identity().limits.wait_for_room
            && timeout_at(deadline, link.room(bytes)).await.is_ok()
        {
            let sent = send(Lane::Result);
            // Whoever comes next may find room as well.
            link.pass_on();
            match sent {
                Ok(sent) => return Ok(sent),
                Err(error) => unsent = error,
            }
        }
        Err(self.question().complete(unsent.into_error(link)))
    }

    async fn link(&self, deadline: Instant) -> Result<Arc<Link>, Error> {
        if let Some(link) = self.peer.slot.live() {
            return Ok(link);
        }
        // Rare, and much larger than all the rest of a call.
        Box::pin(self.peer.slot.link(&self.peer.node, deadline))
            .await
            .map_err(|error| {
                self.question()
                    .complete(not_connected(self.peer.name(), error))
            })
    }
}

/// There is no connection, and none could be made.
pub(crate) fn not_connected(node: &NodeName, error: ConnectError) -> Error {
    Error::new(
        Code::ServiceUnavailable,
        format!("failed to connect to {node}: {error}"),
        error,
    )
    .at_node(node)
}
