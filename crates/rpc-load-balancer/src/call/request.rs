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
    retry::{Retry, is_no_route},
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

    fn deliver<A: Arguments>(
        peer: &Peer,
        function: &Function,
        arguments: &A,
        timeout: Duration,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// Delivery as a call, whose result is a `T`.
pub(super) struct Calling<T>(PhantomData<T>);

/// Delivery as a cast.
pub(super) struct Casting;

impl<T: DeserializeOwned + Send> Delivery for Calling<T> {
    type Output = T;

    const KIND: Kind = Kind::Call;

    fn deliver<A: Arguments>(
        peer: &Peer,
        function: &Function,
        arguments: &A,
        timeout: Duration,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        peer.call(function, arguments).timeout(timeout).send()
    }
}

impl Delivery for Casting {
    type Output = ();

    const KIND: Kind = Kind::Cast;

    fn deliver<A: Arguments>(
        peer: &Peer,
        function: &Function,
        arguments: &A,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        peer.cast(function, arguments).timeout(timeout).send()
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
        let (node, result) = self.deliver::<D>().instrument(span.clone()).await;
        if let Some(node) = &node {
            span.record("node", node.as_str());
        }
        span.record("outcome", status(&result));
        (node, result)
    }

    async fn deliver<D: Delivery>(self) -> Delivered<D::Output> {
        let function = match &self.function {
            Ok(function) => function,
            Err(error) => return (None, Err(self.target.complete(error.clone()))),
        };
        let clock = Clock::start(self.options.timeout);
        let mut tries = self.options.retry.begin();
        let mut changes: Option<TargetChanges> = None;
        // The end of the pause that goes on, however often it is interrupted in vain.
        let mut due: Option<Instant> = None;
        loop {
            let (node, result) = self.try_all::<D>(function, &clock).await;
            let result = result.map_err(|error| {
                let error = error.in_function(function, self.arguments.arity());
                self.target.complete(error)
            });
            match result {
                Err(error) if is_no_route(&error) && !tries.are_used_up() && !clock.is_over() => {
                    if changes.is_none() {
                        changes = Some(self.target.changes());
                        // Somebody may have come before changes were noticed.
                        if node.is_none() && self.target.has_candidates() {
                            continue;
                        }
                    }
                    let end = *due.get_or_insert_with(|| tries.pause().unwrap_or(clock.deadline));
                    if let Some(changes) = &mut changes
                        && !changes.next(end.min(clock.deadline)).await
                    {
                        tries.take();
                        due = None;
                    }
                    if clock.is_over() {
                        return (node, Err(error));
                    }
                }
                result => return (node, result),
            }
        }
    }

    /// Sends it to the node that is picked. Where that is certain not to have taken it, another one
    /// gets it at once, until all were asked.
    async fn try_all<D: Delivery>(
        &self,
        function: &Function,
        clock: &Clock,
    ) -> Delivered<D::Output> {
        let selection = self
            .options
            .key
            .as_ref()
            .map_or_else(Selection::default, Selection::with_key);
        let from = self.target.node();
        let mut route = match self.target.route(&selection, self.options.directly) {
            Ok(route) => route,
            Err(error) => return (None, Err(error)),
        };
        let mut asked: Vec<NodeName> = Vec::new();
        loop {
            // A member whose connection was lost this moment is about to leave the pool; to connect
            // to it would most likely be in vain.
            if !self.options.directly
                && !route.peer(from).is_ok_and(Peer::is_connected)
                && let Some(other) = self
                    .target
                    .alternative(&selection, |name| !asked.contains(name))
            {
                route = other;
            }
            let (node, result) = self.ask::<D>(route, function, clock).await;
            match result {
                Err(error) if goes_elsewhere(&error) && !clock.is_over() => {
                    asked.push(node.clone());
                    let not_asked = |name: &NodeName| !asked.contains(name);
                    let other = match self.options.directly {
                        true => None,
                        false => self.target.alternative(&selection, not_asked),
                    };
                    match other {
                        Some(other) => route = other,
                        None => return (Some(node), Err(error)),
                    }
                }
                result => return (Some(node), result),
            }
        }
    }

    async fn ask<D: Delivery>(
        &self,
        route: Route,
        function: &Function,
        clock: &Clock,
    ) -> (NodeName, Result<D::Output, Error>) {
        let node = route.node().clone();
        let telemetry = self.target.telemetry();
        if let Route::Member(_) = route {
            telemetry.selected(&node);
        }
        let measured = telemetry.begin(D::KIND, &node, function);
        let started = Instant::now();
        let result = match route.peer(self.target.node()) {
            Ok(peer) => D::deliver(peer, function, &self.arguments, clock.left(started)).await,
            Err(error) => Err(error),
        };
        let elapsed = started.elapsed();
        route.end(D::KIND, &result, elapsed);
        measured.end(status(&result), elapsed);
        (node, result)
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

/// So long it takes to pick a node.
pub(super) const NEXT_TO_NONE: Duration = Duration::from_millis(1);

/// The time that a call has.
struct Clock {
    timeout: Duration,
    deadline: Instant,
}

impl Clock {
    fn start(timeout: Duration) -> Self {
        // What no clock can tell is as good as never.
        let longest = Duration::from_secs(30 * 365 * 24 * 60 * 60);
        Self {
            timeout,
            deadline: Instant::now() + timeout.min(longest),
        }
    }

    /// The time that is left: all of it as long as next to none is gone, so that the timeout that
    /// was asked for is the one that an error tells of.
    fn left(&self, now: Instant) -> Duration {
        let left = self.deadline.saturating_duration_since(now);
        match self.timeout.saturating_sub(left) < NEXT_TO_NONE {
            true => self.timeout,
            false => left,
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}
