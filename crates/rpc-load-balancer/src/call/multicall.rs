//! One call to every member.

use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    time::Duration,
};

use beam_dist::NodeName;
use beam_node::{Arguments, Error, Function};
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument;

use super::request::{DEFAULT_TIMEOUT, status};
use crate::{balancer::Balancer, telemetry::Kind};

/// One call to every member of a balancer, all at once; awaiting it sends them.
///
/// There is one timeout for all, 10 s by default: members that have not answered by then fail with
/// `request_timeout`, the others' results are there all the same. Members of weight 0 are called
/// too, and it is always the members, whether calls are direct or not. Each call is sent once; dropping the future abandons those that have no answer.
#[must_use = "the calls are sent when this is awaited"]
#[derive(Debug)]
pub struct Multicall<'a, T, A> {
    balancer: Balancer,
    function: Result<Function, Error>,
    arguments: A,
    timeout: Duration,
    until: Option<Instant>,
    result: PhantomData<fn() -> T>,
    lifetime: PhantomData<&'a ()>,
}

impl<T: DeserializeOwned + Send, A: Arguments> Multicall<'_, T, A> {
    pub(crate) fn new(
        balancer: Balancer,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
    ) -> Self {
        Self {
            balancer,
            function: Function::parse(function),
            arguments,
            timeout: DEFAULT_TIMEOUT,
            until: None,
            result: PhantomData,
            lifetime: PhantomData,
        }
    }

    /// Sets how long to wait for the answers. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Ends the calls at this instant at the latest, if it is given one: in a handler, the
    /// [deadline](beam_node::CallContext::deadline) of the call that it serves. Default: none.
    pub fn until(mut self, deadline: impl Into<Option<Instant>>) -> Self {
        self.until = deadline.into();
        self
    }

    /// Sends the calls and waits for their results, which come in the order of the members: sorted
    /// by name. The same as awaiting this, without the allocation.
    ///
    /// # Errors
    ///
    /// As a whole, `bad_request` for a wrong name of the function and `service_unavailable` without
    /// members; each result has its own otherwise.
    pub async fn send(self) -> Result<Vec<(NodeName, Result<T, Error>)>, Error> {
        let balancer = &self.balancer;
        let function = &self.function.map_err(|error| balancer.complete(error))?;
        let started = Instant::now();
        let calls = balancer.members()?.into_iter().map(|name| {
            let (arguments, timeout, until) = (&self.arguments, self.timeout, self.until);
            async move {
                let _tracked = balancer.track_call();
                let span = tracing::debug_span!(
                    "call",
                    balancer = balancer.name(),
                    %function,
                    kind = Kind::Call.as_str(),
                    node = name.as_str(),
                    outcome = tracing::field::Empty,
                );
                let measured = balancer.telemetry().begin(Kind::Call, &name, function);
                let asked = async {
                    let peer = balancer.node().peer(&name)?;
                    let call = peer.call(function, arguments);
                    let call = call.timeout(timeout).since(started);
                    call.until(until).send().await
                };
                let result = asked.instrument(span.clone()).await;
                span.record("outcome", status(&result));
                measured.end(status(&result), started.elapsed());
                (name, result.map_err(|error| balancer.complete(error)))
            }
        });
        Ok(join_all(calls).await)
    }
}

impl<'a, T, A> IntoFuture for Multicall<'a, T, A>
where
    T: DeserializeOwned + Send + 'a,
    A: Arguments + 'a,
{
    type Output = Result<Vec<(NodeName, Result<T, Error>)>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
