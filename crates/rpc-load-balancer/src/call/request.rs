//! The way of one call: whom to ask, and whom instead when that one cannot be reached.

use std::{fmt, time::Duration};

use beam_dist::NodeName;
use beam_node::{Arguments, Cause, Error, Function};
use beam_term::Term;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use super::{
    Hedge, Route, Target,
    delivery::{Delivery, Terms},
    resend::Resend,
    route::Asked,
    verdict::{goes_elsewhere, is_well, may_be_better_elsewhere},
    waiting::{Clock, Waiting},
};
use crate::{
    algorithm::Selection,
    overload::Permit,
    retry::{Retry, is_no_route},
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
    /// When it is over in any case.
    pub(crate) until: Option<Instant>,
    pub(crate) retry: Retry,
    pub(crate) directly: bool,
    /// Whether it may run more than once.
    pub(crate) idempotent: bool,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) key: Option<Term>,
}

/// How long a call waits for its answer unless told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            until: None,
            retry: Retry::default(),
            directly: false,
            idempotent: false,
            hedge: None,
            key: None,
        }
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
    /// gets it at once, until all were asked; then it waits for somebody else to come. One that may run
    /// twice also goes to another node where it may have run, as long as the budget lasts.
    ///
    /// Nearly always the first answers, so what that takes is all in one future, and the rest is
    /// elsewhere.
    async fn deliver<D: Delivery>(&self) -> Delivered<D::Output> {
        let function = match self.checked() {
            Ok(function) => function,
            Err(error) => return (None, Err(self.target.complete(error))),
        };
        let terms = Terms {
            clock: Clock::start(self.options.timeout, self.options.until),
            idempotent: self.options.idempotent && self.target.has_budget(),
        };
        let clock = terms.clock;
        let selection = self
            .options
            .key
            .as_ref()
            .map_or_else(Selection::default, Selection::with_key);
        if terms.idempotent {
            self.target.deposit();
        }
        let mut asked: Vec<NodeName> = Vec::new();
        let mut asks_again = false;
        let mut waiting: Option<Box<Waiting>> = None;
        let mut doubtful: Option<Box<(NodeName, Error)>> = None;
        let mut permit = None;
        let mut picked = self.first(&selection, &clock, &mut permit).await;
        // The wait for room is no time of the member's.
        let mut begun = match permit {
            Some(_) => Instant::now(),
            None => clock.begun,
        };
        loop {
            let (node, error) = match picked {
                Ok(route) => {
                    let (node, result) = match &self.options.hedge {
                        None => {
                            let node = route.node().clone();
                            let result = self.attempt::<D>(route, function, terms, begun).await;
                            (node, result)
                        }
                        Some(hedge) => {
                            let call = (function, terms, begun);
                            let hedged =
                                self.hedged::<D>(route, call, hedge, &selection, &mut asked);
                            Box::pin(hedged).await
                        }
                    };
                    match result {
                        Ok(output) => {
                            if let Some(permit) = &mut permit {
                                permit.answered();
                            }
                            return (Some(node), Ok(output));
                        }
                        Err(error) => (Some(node), error),
                    }
                }
                Err(error) => (None, error),
            };
            let is_doubtful = || terms.idempotent && may_be_better_elsewhere(&error);
            if !clock.is_over() && (goes_elsewhere(&error) || is_doubtful()) {
                asked.extend(node.clone());
                let before = (&error, asked.as_slice(), &mut asks_again);
                let next = self.next(&selection, before, &clock, &mut permit);
                if let Some(next) = Box::pin(next).await {
                    if error.may_have_run()
                        && let Some(node) = node
                    {
                        doubtful = Some(Box::new((node, error)));
                    }
                    begun = Instant::now();
                    picked = next;
                    continue;
                }
            }
            let error = error.in_function(function, self.arguments.arity());
            let error = self.target.complete(error);
            if is_no_route(&error) {
                // It is not in flight any more. When there is somebody to call, it needs room as others
                // do, also at that member.
                permit = None;
                if Box::pin(self.waits(&mut waiting, &mut asked, node.is_none(), &clock)).await {
                    picked = self.first(&selection, &clock, &mut permit).await;
                    begun = Instant::now();
                    continue;
                }
            }
            // That the last node did not run it does not mean that no other did.
            return match doubtful {
                Some(doubtful) if !error.may_have_run() => {
                    let (node, error) = *doubtful;
                    (Some(node), Err(self.target.complete(error)))
                }
                _ => (node.or_else(|| last(&mut asked, &mut waiting)), Err(error)),
            };
        }
    }

    /// The node to ask first, once there is room for the call where that is limited.
    async fn first<'a>(
        &'a self,
        selection: &Selection<'_>,
        clock: &Clock,
        permit: &mut Option<Permit<'a>>,
    ) -> Result<Route, Error> {
        match self.target.gate() {
            Some(gate) if !self.options.directly => {
                let find = || self.target.route_with_room(selection, gate);
                let (entered, route) = Box::pin(gate.enter(clock.deadline, find)).await?;
                *permit = Some(entered);
                self.connected(route, selection)
            }
            _ => self.pick(selection),
        }
    }

    /// The node to ask next, after this error and others, as [`other`](Self::other) finds it.
    async fn next<'a>(
        &'a self,
        selection: &Selection<'_>,
        (error, asked, asks_again): (&Error, &[NodeName], &mut bool),
        clock: &Clock,
        permit: &mut Option<Permit<'a>>,
    ) -> Option<Result<Route, Error>> {
        let mut resend = Resend::after(error);
        let mut next = self
            .other(selection, asked, &mut resend, clock, permit)
            .await;
        // A suspect that nobody can stand in for is asked again, and waited for; but once, as it may be
        // given up at once.
        if next.is_none() && !*asks_again && matches!(error.cause(), Cause::Silent(_)) {
            *asks_again = true;
            next = self.other(selection, &[], &mut resend, clock, permit).await;
        }
        if let Some(Ok(_)) = next {
            resend.pay();
        }
        next
    }

    /// Another node, once there is room for the call at one that was not asked; `None` where there is no
    /// such node, or the call may not be sent again: one that certainly did not run always may, others are
    /// paid from the budget. The error is that of a wait in vain.
    ///
    /// While it waits the call is not in flight: its permit is given back, and it gets another one. It
    /// does not wait where a node has room that was asked, as it would hold up those who wait behind it;
    /// a call that is paid for is sent there again.
    async fn other<'a>(
        &'a self,
        selection: &Selection<'_>,
        asked: &[NodeName],
        resend: &mut Resend<'a>,
        clock: &Clock,
        permit: &mut Option<Permit<'a>>,
    ) -> Option<Result<Route, Error>> {
        let gate = self.target.gate().filter(|_| !self.options.directly);
        // One that has waited in vain has no permit any more.
        if (gate.is_none() || permit.is_some())
            && let Some(other) = self.alternative(selection, asked)
        {
            return resend.is_allowed(&self.target).then_some(Ok(other));
        }
        let gate = gate?;
        let has_others = || {
            let may_be = |name: &NodeName| !asked.contains(name);
            self.target.has_alternative(selection, may_be)
        };
        if !has_others() || !resend.is_allowed(&self.target) {
            return None;
        }
        let is_certain = resend.is_certain();
        *permit = None;
        let find = || {
            let other = self.alternative(selection, asked);
            if other.is_some() || !has_others() {
                return Ok(Some(other));
            }
            let node = self.target.node();
            let is_well = |name: &NodeName| node.peer(name).is_ok_and(|peer| is_well(&peer));
            let again = self.target.alternative(selection, is_well);
            Ok(again.map(|again| (!is_certain).then_some(again)))
        };
        match gate.enter(clock.deadline, find).await {
            Ok((entered, other)) => {
                let other = other?;
                *permit = Some(entered);
                Some(Ok(other))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The function, unless something about the call is wrong.
    fn checked(&self) -> Result<&Function, Error> {
        if let Some(hedge) = &self.options.hedge {
            hedge.check()?;
        }
        self.function.as_ref().map_err(Error::clone)
    }

    /// Asks one node.
    async fn attempt<D: Delivery>(
        &self,
        route: Route,
        function: &Function,
        terms: Terms,
        begun: Instant,
    ) -> Result<D::Output, Error> {
        let telemetry = self.target.telemetry();
        if let Route::Member(_) = route {
            telemetry.selected(route.node());
        }
        let measured = telemetry.begin(D::KIND, route.node(), function);
        let asked = Asked::new(route, D::KIND, begun, terms.clock.patience());
        let result = match asked.peer(self.target.node()) {
            Ok(peer) => D::deliver(peer, function, &self.arguments, terms).await,
            Err(error) => Err(error),
        };
        let elapsed = begun.elapsed();
        asked.end(&result, elapsed);
        measured.end(status(&result), elapsed);
        result
    }

    /// Asks one node, and another one as well where that is slow. The first result counts; the other
    /// call is given up.
    async fn hedged<D: Delivery>(
        &self,
        route: Route,
        (function, terms, begun): (&Function, Terms, Instant),
        hedge: &Hedge,
        selection: &Selection<'_>,
        asked: &mut Vec<NodeName>,
    ) -> (NodeName, Result<D::Output, Error>) {
        let latencies = self.target.latencies();
        let delay = latencies.and_then(|latencies| latencies.delay(function, hedge));
        let node = route.node().clone();
        let first = self.attempt::<D>(route, function, terms, begun);
        tokio::pin!(first);
        let slow = async {
            match delay {
                Some(delay) => sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        let record = || {
            if let Some(latencies) = latencies {
                latencies.record(function, hedge, begun.elapsed());
            }
        };
        tokio::select! {
            biased;
            result = &mut first => {
                if result.is_ok() {
                    record();
                }
                return (node, result);
            }
            () = slow => {}
        }
        asked.push(node.clone());
        let other = self.alternative(selection, asked);
        let paid = other.and_then(|other| Some((other, self.target.withdraw()?)));
        let Some((other, payment)) = paid else {
            let result = first.await;
            record();
            return (node, result);
        };
        payment.spend();
        let other_node = other.node().clone();
        let second = self.attempt::<D>(other, function, terms, Instant::now());
        tokio::pin!(second);
        let ((node, result), left) = tokio::select! {
            result = &mut first => ((node, result), Left::Second),
            result = &mut second => ((other_node.clone(), result), Left::First(node)),
        };
        record();
        if result.is_ok() {
            return (node, result);
        }
        asked.push(other_node.clone());
        let failed = (node, result);
        let last = match left {
            Left::First(node) => (node, first.await),
            Left::Second => (other_node, second.await),
        };
        // That the last one did not run it does not mean that the other did not.
        let may_have_run =
            |(_, result): &(_, Result<_, Error>)| result.as_ref().is_err_and(Error::may_have_run);
        match last.1.is_err() && !may_have_run(&last) && may_have_run(&failed) {
            true => failed,
            false => last,
        }
    }

    /// The node to ask first.
    fn pick(&self, selection: &Selection<'_>) -> Result<Route, Error> {
        let route = self.target.route(selection, self.options.directly)?;
        self.connected(route, selection)
    }

    /// This node, unless it is not connected and another one is.
    fn connected(&self, route: Route, selection: &Selection<'_>) -> Result<Route, Error> {
        // A member whose connection was lost this moment, or that has just become suspect, is about to
        // leave the pool; to call it would most likely be in vain.
        if !self.options.directly
            && !route.peer(self.target.node()).is_ok_and(is_well)
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

    /// Waits until it is time to look again for somebody to ask, also among those who were asked; `false`
    /// if it is not to be tried again.
    async fn waits(
        &self,
        waiting: &mut Option<Box<Waiting>>,
        asked: &mut Vec<NodeName>,
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
                let begun = Waiting::new(tries, self.target.changes());
                let waiting = waiting.insert(Box::new(begun));
                // Somebody may have come before changes were noticed.
                if found_nobody && self.target.has_candidates() {
                    waiting.forget(asked);
                    return true;
                }
                waiting
            }
        };
        let is_time = waiting.next(clock).await;
        if is_time {
            waiting.forget(asked);
        }
        is_time
    }
}

/// Who was asked last, before a wait if nobody was since.
#[cold]
#[inline(never)]
fn last(asked: &mut Vec<NodeName>, waiting: &mut Option<Box<Waiting>>) -> Option<NodeName> {
    let before = || waiting.as_mut()?.asked_last.take();
    asked.pop().or_else(before)
}

pub(super) fn status<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.code.as_str(),
    }
}

/// Which of two calls is still on its way.
enum Left {
    First(NodeName),
    Second,
}
