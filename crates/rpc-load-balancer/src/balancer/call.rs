//! Calls and casts through a balancer.

use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    time::Duration,
};

use beam_node::{Arguments, Error, Function, Peer};
use beam_term::Term;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Balancer;
use crate::algorithm::Selection;

/// How long a call waits for its answer unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A call through a balancer; awaiting it selects a member and sends it.
///
/// The timeout, 10 s by default, covers connecting, sending and waiting. The member counts as
/// busy until the call ends. Dropping the future abandons the call: the member is told to forget
/// it, but in OTP the function runs on.
///
/// A call is sent at most once. [`Error::may_have_run`] tells whether a failed one may have run;
/// errors carry the balancer, the node and the function.
#[must_use = "a call is sent when it is awaited"]
#[derive(Debug)]
pub struct Call<'a, T, A> {
    request: Request<A>,
    result: PhantomData<fn() -> T>,
    arguments: PhantomData<&'a ()>,
}

/// A cast through a balancer, a call without an answer; awaiting it selects a member and sends it.
///
/// Success means that the request was handed to the connection, not that it ran. The member
/// counts as busy until then.
#[must_use = "a cast is sent when it is awaited"]
#[derive(Debug)]
pub struct Cast<'a, A> {
    request: Request<A>,
    arguments: PhantomData<&'a ()>,
}

/// What to ask of some member.
#[derive(Debug)]
struct Request<A> {
    balancer: Balancer,
    function: Result<Function, Error>,
    arguments: A,
    timeout: Duration,
    key: Option<Term>,
}

impl<T: DeserializeOwned, A: Arguments> Call<'_, T, A> {
    pub(super) fn new(
        balancer: Balancer,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
    ) -> Self {
        Self {
            request: Request::new(balancer, function, arguments),
            result: PhantomData,
            arguments: PhantomData,
        }
    }

    /// Sets how long to wait for the answer. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = timeout;
        self
    }

    /// Sets the key, any term, by which algorithms that hash select; the others ignore it.
    pub fn key(mut self, key: impl Into<Term>) -> Self {
        self.request.key = Some(key.into());
        self
    }

    /// Selects a member, sends the call and waits for its result. The same as awaiting the call
    /// itself, without the allocation.
    ///
    /// # Errors
    ///
    /// `service_unavailable` without a member, without a connection or when it is lost,
    /// `bad_request` for a wrong name or argument, `request_timeout`, `too_many_requests` at a
    /// limit, and `internal_server_error` when the function raised or its result is not a `T`.
    pub async fn send(self) -> Result<T, Error> {
        self.request
            .send(|peer, function, arguments, timeout| {
                peer.call(function, arguments).timeout(timeout).send()
            })
            .await
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

impl<A: Arguments> Cast<'_, A> {
    pub(super) fn new(
        balancer: Balancer,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
    ) -> Self {
        Self {
            request: Request::new(balancer, function, arguments),
            arguments: PhantomData,
        }
    }

    /// Sets how long connecting may take. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = timeout;
        self
    }

    /// Sets the key, any term, by which algorithms that hash select; the others ignore it.
    pub fn key(mut self, key: impl Into<Term>) -> Self {
        self.request.key = Some(key.into());
        self
    }

    /// Selects a member and sends the cast. The same as awaiting the cast itself, without the
    /// allocation.
    ///
    /// # Errors
    ///
    /// `service_unavailable` without a member or a connection, `bad_request` for a wrong name or
    /// argument, and `too_many_requests` at a limit. What happens at the member is not reported.
    pub async fn send(self) -> Result<(), Error> {
        self.request
            .send(|peer, function, arguments, timeout| {
                peer.cast(function, arguments).timeout(timeout).send()
            })
            .await
    }
}

impl<'a, A: Arguments + 'a> IntoFuture for Cast<'a, A> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<A: Arguments> Request<A> {
    fn new(
        balancer: Balancer,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
    ) -> Self {
        let function = function
            .try_into()
            .map_err(|error| Error::bad_request(format!("wrong name of a function: {error}")));
        Self {
            balancer,
            function,
            arguments,
            timeout: DEFAULT_TIMEOUT,
            key: None,
        }
    }

    /// Selects a member, and holds it while the request is delivered to it.
    async fn send<R, F>(
        self,
        deliver: impl FnOnce(&Peer, Function, A, Duration) -> F,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<R, Error>>,
    {
        let balancer = &self.balancer;
        let function = self.function.map_err(|error| balancer.complete(error))?;
        let arity = self.arguments.arity();
        let selection = self
            .key
            .as_ref()
            .map_or_else(Selection::default, Selection::with_key);
        let route = balancer
            .route(&selection)
            .map_err(|error| error.in_function(&function, arity))?;
        let started = Instant::now();
        let result = match route.peer(balancer.node()) {
            Ok(peer) => deliver(peer, function, self.arguments, self.timeout).await,
            Err(error) => Err(error),
        };
        route.end(&result, started.elapsed());
        result.map_err(|error| balancer.complete(error))
    }
}
