//! Calls and casts that are being put together.

use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    time::Duration,
};

use beam_dist::NodeName;
use beam_node::{Arguments, Error, Function};
use beam_term::Term;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{
    Hedge, Target,
    delivery::{Calling, Casting},
    request::{Options, Request},
};
use crate::retry::Retry;

/// A call of a function on a node that is picked when this is awaited.
///
/// The timeout, 10 s by default, covers finding a node, connecting, sending and waiting. The node
/// counts as busy until the call ends. A node of this library is told how much of it is left, and does
/// not run what comes to its turn too late. Dropping the future abandons the call: the node is told to
/// forget it, but the function runs on, in OTP, and in Rust as well unless its export
/// [asks](beam_node::Export::cancel_when_abandoned) for its end.
///
/// A call is sent at most once, unless it is said to be [idempotent](Self::idempotent). Where the picked node is certain not to have taken it, because it
/// cannot be reached or refuses to start it, another one gets it at once; where there is nobody to
/// call, it is tried again as [`Retry`] says. [`Error::may_have_run`] tells whether a failed call
/// may have run; errors carry the balancer, the node and the function.
#[must_use = "a call is sent when it is awaited"]
#[derive(Debug)]
pub struct Call<'a, T, A> {
    request: Request<A>,
    result: PhantomData<fn() -> T>,
    arguments: PhantomData<&'a ()>,
}

/// A cast, a call without an answer, to a node that is picked when this is awaited.
///
/// Success means that the request was handed to the connection, not that it ran. The node counts
/// as busy until then.
#[must_use = "a cast is sent when it is awaited"]
#[derive(Debug)]
pub struct Cast<'a, A> {
    request: Request<A>,
    arguments: PhantomData<&'a ()>,
}

impl<T: DeserializeOwned + Send, A: Arguments> Call<'_, T, A> {
    pub(crate) fn new(
        target: Target,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
        options: Options,
    ) -> Self {
        Self {
            request: Request::new(target, function, arguments, options),
            result: PhantomData,
            arguments: PhantomData,
        }
    }

    /// Sets how long to wait for the answer. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.options.timeout = timeout;
        self
    }

    /// Ends the call at this instant at the latest, if it is given one; past it, nothing is sent. So a
    /// handler passes on the [deadline](beam_node::CallContext::deadline) of the call that it serves, as
    /// far as that is known: none of what it asks of others is done for nobody. Default: none.
    ///
    /// ```
    /// use rpc_load_balancer::{Balancer, CallContext, Error};
    ///
    /// async fn total(prices: &Balancer, context: CallContext, order: u64) -> Result<f64, Error> {
    ///     let price = prices.call(("prices", "of"), (order,));
    ///     price.until(context.deadline()).await
    /// }
    /// ```
    pub fn until(mut self, deadline: impl Into<Option<Instant>>) -> Self {
        self.request.options.until = deadline.into();
        self
    }

    /// Sets the key, any term, by which algorithms that hash select; the others ignore it.
    pub fn key(mut self, key: impl Into<Term>) -> Self {
        self.request.options.key = Some(key.into());
        self
    }

    /// Sets what to do when there is nobody to call. Default: that of the balancer.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.request.options.retry = retry;
        self
    }

    /// Sets whether to call the own node's export, whoever the members are. Default: that of the
    /// balancer, which is `false` unless it was told otherwise.
    pub fn directly(mut self, directly: bool) -> Self {
        self.request.options.directly = directly;
        self
    }

    /// Says that the function may run more than once for this call. Default: it may not.
    ///
    /// A call whose connection is lost, whose node falls silent or whose process is killed is then sent
    /// again, to another node, within the timeout and the balancer's
    /// [`RetryBudget`](crate::RetryBudget). Calls of random nodes have no budget, and are sent once all the
    /// same.
    pub fn idempotent(mut self) -> Self {
        self.request.options.idempotent = true;
        self
    }

    /// Sends the call to a second node as well where the first is slow. Whatever is hedged is
    /// [idempotent](Self::idempotent). Default: it is not hedged.
    pub fn hedge(mut self, hedge: Hedge) -> Self {
        self.request.options.hedge = Some(hedge);
        self.idempotent()
    }

    /// Picks a node, sends the call and waits for its result. The same as awaiting the call
    /// itself, without the allocation.
    ///
    /// # Errors
    ///
    /// `service_unavailable` without a member, without a connection or when it is lost,
    /// `bad_request` for a wrong name or argument, `request_timeout`, `too_many_requests` at a
    /// limit, and `internal_server_error` when the function raised or its result is not a `T`.
    pub async fn send(self) -> Result<T, Error> {
        self.send_and_tell().await.1
    }

    /// The same as [`send`](Self::send), and tells which node was called: the last one, if it was
    /// more than one, and none where there was nobody to call.
    pub async fn send_and_tell(self) -> (Option<NodeName>, Result<T, Error>) {
        self.request.send::<Calling<T>>().await
    }
}

impl<'a, T, A> IntoFuture for Call<'a, T, A>
where
    T: DeserializeOwned + Send + 'a,
    A: Arguments + 'a,
{
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<A: Arguments> Cast<'_, A> {
    pub(crate) fn new(
        target: Target,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
        options: Options,
    ) -> Self {
        Self {
            request: Request::new(target, function, arguments, options),
            arguments: PhantomData,
        }
    }

    /// Sets how long finding a node and connecting may take. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.options.timeout = timeout;
        self
    }

    /// Gives up at this instant at the latest, if it is given one; past it, nothing is sent. Default:
    /// none.
    pub fn until(mut self, deadline: impl Into<Option<Instant>>) -> Self {
        self.request.options.until = deadline.into();
        self
    }

    /// Sets the key, any term, by which algorithms that hash select; the others ignore it.
    pub fn key(mut self, key: impl Into<Term>) -> Self {
        self.request.options.key = Some(key.into());
        self
    }

    /// Sets what to do when there is nobody to send to. Default: that of the balancer.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.request.options.retry = retry;
        self
    }

    /// Sets whether to start the own node's export, whoever the members are. Default: that of the
    /// balancer, which is `false` unless it was told otherwise.
    pub fn directly(mut self, directly: bool) -> Self {
        self.request.options.directly = directly;
        self
    }

    /// Picks a node and sends the cast. The same as awaiting the cast itself, without the
    /// allocation.
    ///
    /// # Errors
    ///
    /// `service_unavailable` without a member or a connection, `bad_request` for a wrong name or
    /// argument, and `too_many_requests` at a limit. What happens at the node is not reported.
    pub async fn send(self) -> Result<(), Error> {
        self.send_and_tell().await.1
    }

    /// The same as [`send`](Self::send), and tells which node it was sent to, if there was one.
    pub async fn send_and_tell(self) -> (Option<NodeName>, Result<(), Error>) {
        self.request.send::<Casting>().await
    }
}

impl<'a, A: Arguments + 'a> IntoFuture for Cast<'a, A> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
