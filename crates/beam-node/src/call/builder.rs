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
    deadline::{Patience, Remaining},
    error::{Code, Error},
    link::{Lane, Link, OnSilence, SendError, Unsent},
};

/// How long a call waits for its answer unless told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A call of a function on another node; awaiting it sends it.
///
/// The timeout, 10 s by default, covers connecting, waiting for room, sending and waiting for the
/// answer. It is kept by the runtime of the node, whichever awaits the call. A peer that is a node of
/// this library is told with the call how much of it is left, once the two know each other, about a
/// round trip after they were connected: the handler can [read](crate::CallContext::deadline) it, and a
/// call that comes to its turn too late is not run.
///
/// Dropping the future abandons the call: the peer is told to forget it, but the function runs on, in
/// OTP, and here as well unless its export [asks](crate::Export::cancel_when_abandoned) for its end.
///
/// A call is sent at most once. [`Error::may_have_run`] tells whether a failed one may have run.
#[must_use = "a call is sent when it is awaited"]
#[derive(Debug)]
pub struct Call<'a, T, A> {
    request: Result<Request<'a, A>, Error>,
    patience: Patience,
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
    patience: Patience,
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
            patience: Patience::new(DEFAULT_TIMEOUT),
            on_silence: OnSilence::Wait,
            result: PhantomData,
        }
    }

    /// Sets how long to wait for the answer. Default: 10 s. With zero, nothing is sent.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.patience.timeout = timeout;
        self
    }

    /// Counts the timeout from an earlier instant: for a call by which its caller goes on with
    /// something that began then. With no time left, nothing is sent. Default: the instant when the
    /// call is sent.
    pub fn since(mut self, begun: Instant) -> Self {
        self.patience.since = Some(begun);
        self
    }

    /// Ends the call at this instant at the latest, if it is given one; past it, nothing is sent. So a
    /// handler passes on the [deadline](crate::CallContext::deadline) of the call that it serves, as far
    /// as that is known: none of what it asks of others is done for nobody. Default: none.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use beam_node::{CallContext, Error, Node};
    ///
    /// async fn total(node: &Node, context: CallContext, order: u64) -> Result<f64, Error> {
    ///     let price = node.call("prices@127.0.0.1", ("prices", "of"), (order,));
    ///     price.timeout(Duration::from_secs(2)).until(context.deadline()).await
    /// }
    /// ```
    pub fn until(mut self, deadline: impl Into<Option<Instant>>) -> Self {
        self.patience.until = deadline.into();
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
        let time = self.patience.begin();
        let request = self.request?;
        let question = request.question();
        let time = time.ok_or_else(|| question.no_time(self.patience))?;
        if request.peer.is_local() {
            return Box::pin(local::call(&request, time)).await;
        }
        let send = |request: &Request<'_, A>, link: &Arc<Link>, lane, time| {
            let Request {
                function,
                arguments,
                ..
            } = request;
            link.call(lane, function, arguments, time, self.on_silence)
        };
        let sent = request.send(time, send).await?;
        let id = sent.reference();
        question.result(sent.await, &id, time.timeout)
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
            patience: Patience::new(DEFAULT_TIMEOUT),
        }
    }

    /// Sets how long connecting, and waiting for room, may take. Default: 10 s. With zero, nothing is
    /// sent.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.patience.timeout = timeout;
        self
    }

    /// Counts the timeout from an earlier instant. With no time left, nothing is sent. Default: the
    /// instant when the cast is sent.
    pub fn since(mut self, begun: Instant) -> Self {
        self.patience.since = Some(begun);
        self
    }

    /// Gives up at this instant at the latest, if it is given one; past it, nothing is sent. Default:
    /// none.
    pub fn until(mut self, deadline: impl Into<Option<Instant>>) -> Self {
        self.patience.until = deadline.into();
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
        let time = self.patience.begin();
        let request = self.request?;
        let time = time.ok_or_else(|| request.question().no_time(self.patience))?;
        if request.peer.is_local() {
            return local::cast(&request);
        }
        let send = |request: &Request<'_, A>, link: &Arc<Link>, lane, _| {
            link.cast(lane, &request.function, &request.arguments)
        };
        request.send(time, send).await
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
        time: Remaining,
        send: impl Fn(&Self, &Arc<Link>, Lane, Remaining) -> Result<T, Unsent>,
    ) -> Result<T, Error> {
        let (link, time) = match self.peer.slot.live() {
            Some(link) => (link, time),
            // Rare, and much larger than all the rest of a call.
            None => (Box::pin(self.connect(time.deadline)).await?, time.updated()),
        };
        match send(self, &link, Lane::Free, time) {
            Ok(sent) => Ok(sent),
            Err(unsent) => {
                let send = |lane, time| send(self, &link, lane, time);
                Box::pin(self.find_room(&link, time, unsent, send)).await
            }
        }
    }

    /// Sends what there was no room for, if that is to wait, when there is.
    async fn find_room<T>(
        &self,
        link: &Link,
        time: Remaining,
        mut unsent: Unsent,
        send: impl Fn(Lane, Remaining) -> Result<T, Unsent>,
    ) -> Result<T, Error> {
        while let Unsent::Message(SendError::Full { bytes }) = unsent
            && link.identity().limits.wait_for_room
            && timeout_at(time.deadline, link.room(bytes)).await.is_ok()
        {
            let sent = send(Lane::Result, time.updated());
            // Whoever comes next may find room as well.
            link.pass_on();
            match sent {
                Ok(sent) => return Ok(sent),
                Err(error) => unsent = error,
            }
        }
        Err(self.question().complete(unsent.into_error(link)))
    }

    async fn connect(&self, deadline: Instant) -> Result<Arc<Link>, Error> {
        let linked = self.peer.slot.link(&self.peer.node, deadline).await;
        linked.map_err(|error| {
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
