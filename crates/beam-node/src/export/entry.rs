//! An export in the registry, and how a call of it runs.

use std::{
    any::Any,
    fmt,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use beam_dist::NodeName;
use beam_term::{Atom, RawTerm};
use pin_project_lite::pin_project;
use serde::Serialize;

use crate::{
    CallContext, Function,
    allow::Names,
    export::outcome::{Failure, Outcome},
    serve::Serving,
};

/// A function that others may call.
pub(crate) struct Entry {
    pub(crate) function: Function,
    pub(crate) arity: usize,
    pub(super) runner: Arc<dyn Runner>,
    /// Whether a call counts as served.
    pub(crate) is_work: bool,
    /// Whether a call ends when nobody waits for its answer any more.
    pub(crate) ends_when_abandoned: bool,
    /// Who may call it; everybody where nothing is said.
    pub(super) callers: Option<Names>,
}

/// Decodes the arguments, calls the handler and gives its result.
///
/// Nothing runs before the future is polled; a dropped future drops the handler's, but a blocking
/// handler runs on.
pub(super) trait Runner: Send + Sync {
    /// In a task of its own, which needs no memory but its own.
    fn serve(&self, serving: Serving, arguments: RawTerm);

    /// In the task of the caller.
    fn run(&self, arguments: RawTerm, context: CallContext) -> Running;
}

/// A handler at work; it gives its result encoded.
pub(super) type Running = Pin<Box<dyn Future<Output = Result<RawTerm, Failure>> + Send>>;

/// A runner whose future and result have types that are known.
pub(super) struct Typed<F>(pub(super) F);

impl<F, C, T> Runner for Typed<F>
where
    F: Fn(RawTerm, CallContext) -> C + Send + Sync,
    C: Future<Output = Result<T, Failure>> + Send + 'static,
    T: Serialize + 'static,
{
    fn serve(&self, serving: Serving, arguments: RawTerm) {
        let call = (self.0)(arguments, serving.context());
        serving.spawn(Caught { call });
    }

    fn run(&self, arguments: RawTerm, context: CallContext) -> Running {
        let call = (self.0)(arguments, context);
        Box::pin(async move { encode(&call.await?) })
    }
}

pin_project! {
    /// A call whose panics are failures.
    struct Caught<C> {
        #[pin]
        call: C,
    }
}

impl<C, T> Future for Caught<C>
where
    C: Future<Output = Result<T, Failure>>,
{
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic the future is dropped without being polled again.
        match caught(|| self.project().call.poll(task)) {
            Ok(poll) => poll,
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}

impl Entry {
    /// Stands for a function that is not there.
    pub(crate) fn undefined(module: Atom, name: Atom, arity: usize) -> Self {
        Self::failing(module, name, arity, |arguments| Failure::Undefined {
            arguments,
        })
    }

    /// Stands for a function that is called with something else than a list.
    pub(crate) fn unfit(module: Atom, name: Atom) -> Self {
        Self::failing(module, name, 0, |_| Failure::NoArguments)
    }

    fn failing(
        module: Atom,
        name: Atom,
        arity: usize,
        failure: fn(Box<RawTerm>) -> Failure,
    ) -> Self {
        let runner = move |arguments, _| {
            let failure = failure(Box::new(arguments));
            async move { Err::<(), _>(failure) }
        };
        Self {
            function: Function { module, name },
            arity,
            runner: Arc::new(Typed(runner)),
            is_work: false,
            ends_when_abandoned: false,
            callers: None,
        }
    }

    /// Whether another node may call the function.
    pub(crate) fn allows(&self, caller: &NodeName) -> bool {
        let callers = self.callers.as_ref();
        callers.is_none_or(|callers| callers.contain(caller))
    }

    /// Calls the function in a task of its own, which reports what comes of it.
    pub(crate) fn serve(&self, serving: Serving, arguments: RawTerm) {
        self.runner.serve(serving, arguments);
    }

    /// Calls the function with an argument list of its arity. A panic of the handler becomes an
    /// exception.
    pub(crate) async fn run(&self, arguments: RawTerm, context: CallContext) -> Outcome {
        let call = self.runner.run(arguments, context);
        match (Caught { call }).await {
            Ok(value) => Outcome::Returned(value),
            Err(failure) => self.outcome(failure),
        }
    }

    /// What to report of a call that gave no result.
    pub(crate) fn outcome(&self, failure: Failure) -> Outcome {
        failure.into_outcome(self)
    }
}

/// Calls code of users; a panic is a failure.
///
/// What it was about is not touched again, so nobody sees a state that the panic left half changed.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let failure = Failure::panicked(&*payload);
        // What was panicked with is of users as well, and may panic when it is dropped. What it
        // then panics with is not given another chance.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(payload);
        }
        failure
    })
}

pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<RawTerm, Failure> {
    RawTerm::serialize(value).map_err(Failure::BadReturn)
}

impl Failure {
    /// A panic, with its message if it has one.
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "the handler panicked without a message".to_owned()
        };
        Self::Panicked { message }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `module:name/arity`
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.function, self.arity)
    }
}
