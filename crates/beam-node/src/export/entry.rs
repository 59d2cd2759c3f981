//! An export in the registry, and how a call of it runs.

use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use beam_term::RawTerm;

use crate::{
    CallContext, Function,
    export::outcome::{Failure, Outcome},
};

/// A function that others may call.
pub(crate) struct Entry {
    pub(crate) function: Function,
    pub(crate) arity: usize,
    pub(super) runner: Runner,
    /// Whether a call counts as served.
    pub(crate) is_work: bool,
}

/// Decodes the arguments, calls the handler and encodes its result; all of it when polled.
pub(super) type Runner = Arc<dyn Fn(RawTerm, CallContext) -> Running + Send + Sync>;

/// A handler at work.
pub(super) type Running = Pin<Box<dyn Future<Output = Result<RawTerm, Failure>> + Send>>;

impl Entry {
    /// Calls the function with an argument list of its arity.
    ///
    /// A panic of the handler becomes an exception. Nothing runs before the future is polled; a
    /// dropped future drops the handler's, but a blocking handler runs on.
    pub(crate) async fn run(&self, arguments: RawTerm, context: CallContext) -> Outcome {
        let mut running = (self.runner)(arguments, context);
        let polled = poll_fn(|task| {
            // After a panic the future is dropped without being polled again, so nobody sees a
            // state that the panic left half changed.
            match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(task))) {
                Ok(poll) => poll,
                Err(payload) => Poll::Ready(Err(Failure::panicked(&*payload))),
            }
        });
        match polled.await {
            Ok(value) => Outcome::Returned(value),
            Err(failure) => Outcome::Raised(failure.into_exception(self)),
        }
    }
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
