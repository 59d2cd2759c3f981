//! The way of one call: whom to ask, and whom instead when that one cannot be reached.

use std::{fmt, future::Future, marker::PhantomData, time::Duration};

use beam_dist::NodeName;
use beam_node::{Arguments, Cause, Error, Function, Peer};
use beam_term::Term;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument;

use super::{Route, Target, target::TargetChanges};
use crate::{
    algorithm::Selection,
    retry::{Retry, Tries, is_no_route},
    telemetry::Kind,
};

/// What to ask of some node.
#[derive(Debug)]
pub(super) struct Request<A> {
    pub(super) target: Target,
    pub(super) function: Result<Function, Error>,
    pub(super) arguments: A,
    pub(super) options: Options,
}

/// How to ask.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) directly: bool,
    pub(crate) key: Option<Term>,
}

/// How long a call waits for its answer unless told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            retry: Retry::default(),
            directly: false,
            key: None,
        }
    }
}

/// How a request is delivered to the node that was picked.
pub(super) trait Delivery {
    type Output: Send;

    const KIND: Kind;

    fn deliver<'a, A: Arguments>(
        peer: &'a Peer,
        function: &'a Function,
        arguments: &'a A,
        clock: Clock,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// Delivery as a call, whose result is a `T`.
pub(super) struct Calling<T>(PhantomData<T>);

/// Delivery as a cast.
pub(super) struct Casting;

impl<T: DeserializeOwned + Send> Delivery for Calling<T> {
    type Output = T;

    const KIND: Kind = Kind::Call;

    fn deliver<'a, A: Arguments>(
        peer: &'a Peer,
        function: &'a Function,
        arguments: &'a A,
        clock: Clock,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let call = peer.call(function, arguments);
        call.timeout(clock.timeout).since(clock.begun).send()
    }
}

impl Delivery for Casting {
    type Output = ();

    const KIND: Kind = Kind::Cast;

    fn deliver<'a, A: Arguments>(
        peer: &'a Peer,
        function: &'a Function,
        arguments: &'a A,
        clock: Clock,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let cast = peer.cast(function, arguments);
        cast.timeout(clock.timeout).since(clock.begun).send()
    }
}

/// What became of a request, and who was asked last, if anybody was.
pub(super) type Delivered<T> = (Option<NodeName>, Result<T, Error>);

impl<A: Arguments> Request<A> {
    pub(super) fn new(
        target: Target,
        function: impl TryInto<Function, Error: fmt::Display>,
        arguments: A,
        options: Options,
    ) -> Self {
        Self {
            target,
            function: Function::parse(function),
            arguments,
            options,
        }
    }

    /// Sends it to whoever is picked. As long as there is nobody, tries again as it is to.
    pub(super) async fn send<D: Delivery>(self) -> Delivered<D::Output> {
        let span = tracing::debug_span!(
            "call",
            balancer = self.target.balancer(),
            function = self.function.as_ref().ok().map(tracing::field::display),
            kind = D::KIND.as_str(),
            node = tracing::field::Empty,
            outcome = tracing::field::Empty,
        );
        if span.is_disabled() {
            return self.deliver::<D>().await;
        }
        let (node, result) = Box::pin(self.deliver::<D>()).instrument(span.clone()).await;
        if let Some(node) = &node {
            span.record("node", node.as_str());
        }
        span.record("outcome", status(&result));
        (node, result)
    }

    /// Sends it to the node that is picked. Where that is certain not to have taken it, another one
    /// gets it at once, until all were asked; then it waits for somebody else to come.
    ///
    /// Nearly always the first answers, so what that takes is all in one future, and the rest is
    /// elsewhere.
    async fn deliver<D: Delivery>(&self) -> Delivered<D::Output> {
        let function = match &self.function {
            Ok(function) => function,
            Err(error) => return (None, Err(self.target.complete(error.clone()))),
        };
        let clock = Clock::start(self.options.timeout);
        let selection = self
            .options
            .key
            .as_ref()
            .map_or_else(Selection::default, Selection::with_key);
        let from = self.target.node();
        let mut asked: Vec<NodeName> = Vec::new();
        let mut waiting: Option<Box<Waiting>> = None;
        let mut begun = clock.begun;
        let mut picked = self.pick(&selection);
        loop {
            let (node, error) = match picked {
                Ok(route) => {
                    let node = route.node().clone();
                    let telemetry = self.target.telemetry();
                    if let Route::Member(_) = route {
                        telemetry.selected(&node);
                    }
                    let measured = telemetry.begin(D::KIND, &node, function);
                    let result = match route.peer(from) {
                        Ok(peer) => D::deliver(peer, function, &self.arguments, clock).await,
                        Err(error) => Err(error),
                    };
                    let now = Instant::now();
                    let elapsed = now.saturating_duration_since(begun);
                    begun = now;
                    route.end(D::KIND, &result, elapsed);
                    measured.end(status(&result), elapsed);
                    match result {
                        Ok(output) => return (Some(node), Ok(output)),
                        Err(error) => (Some(node), error),
                    }
                }
                Err(error) => (None, error),
            };
            if goes_elsewhere(&error) && !clock.is_over() {
                asked.extend(node.clone());
                if let Some(other) = self.alternative(&selection, &asked) {
                    picked = Ok(other);
                    continue;
                }
            }
            let error = error.in_function(function, self.arguments.arity());
            let error = self.target.complete(error);
            if !is_no_route(&error)
                || !Box::pin(self.waits(&mut waiting, node.is_none(), &clock)).await
            {
                return (node, Err(error));
            }
            asked.clear();
            begun = Instant::now();
            picked = self.pick(&selection);
        }
    }

    /// The node to ask first.
    fn pick(&self, selection: &Selection<'_>) -> Result<Route, Error> {
        let route = self.target.route(selection, self.options.directly)?;
        // A member whose connection was lost this moment is about to leave the pool; to connect to
        // it would most likely be in vain.
        if !self.options.directly
            && !route.peer(self.target.node()).is_ok_and(Peer::is_connected)
            && let Some(other) = self.alternative(selection, &[])
        {
            return Ok(other);
        }
        Ok(route)
    }

    /// The best of those that were not asked.
    fn alternative(&self, selection: &Selection<'_>, asked: &[NodeName]) -> Option<Route> {
        match self.options.directly {
            true => None,
            false => self
                .target
                .alternative(selection, |name| !asked.contains(name)),
        }
    }

    /// Waits until it is time to look again for somebody to ask; `false` if it is not to be tried
    /// again.
    async fn waits(
        &self,
        waiting: &mut Option<Box<Waiting>>,
        found_nobody: bool,
        clock: &Clock,
    ) -> bool {
        let waiting = match waiting {
            Some(waiting) => waiting,
            None => {
                let tries = self.options.retry.begin();
                if tries.are_used_up() || clock.is_over() {
                    return false;
                }
                let waiting = waiting.insert(Box::new(Waiting {
                    tries,
                    changes: self.target.changes(),
                    due: None,
                }));
                // Somebody may have come before changes were noticed.
                if found_nobody && self.target.has_candidates() {
                    return true;
                }
                waiting
            }
        };
        waiting.next(clock).await
    }
}

/// A request that nobody has taken yet.
struct Waiting {
    tries: Tries,
    changes: TargetChanges,
    /// The end of the pause that goes on, however often it is interrupted in vain.
    due: Option<Instant>,
}

impl Waiting {
    /// Waits for a change of who may be called, or for the end of the pause, which costs a try;
    /// `false` where no time or no try is left.
    async fn next(&mut self, clock: &Clock) -> bool {
        if self.tries.are_used_up() || clock.is_over() {
            return false;
        }
        let pause = || self.tries.pause().unwrap_or(clock.deadline);
        let end = *self.due.get_or_insert_with(pause);
        if !self.changes.next(end.min(clock.deadline)).await {
            self.tries.take();
            self.due = None;
        }
        !clock.is_over()
    }
}

pub(super) fn status<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.code.as_str(),
    }
}

/// Whether another node may be asked at once: the one that was is certain not to have run it, and
/// the reason lies with that node.
fn goes_elsewhere(error: &Error) -> bool {
    matches!(
        error.cause(),
        Cause::NotConnected(_)
            | Cause::Refused(_)
            | Cause::Limit("calls_per_peer" | "outgoing_bytes_per_peer")
    )
}

/// The time that a call has.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    begun: Instant,
    timeout: Duration,
    deadline: Instant,
}

impl Clock {
    fn start(timeout: Duration) -> Self {
        // What no clock can tell is as good as never.
        let longest = Duration::from_secs(30 * 365 * 24 * 60 * 60);
        let begun = Instant::now();
        Self {
            begun,
            timeout,
            deadline: begun + timeout.min(longest),
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}
