//! An async handler at work.

use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use beam_term::RawTerm;
use pin_project_lite::pin_project;

use crate::{
    CallContext, Handler,
    export::outcome::{Failure, bad_arguments},
};

pin_project! {
    /// The call of an async handler. What it is called with makes room for the handler's future: a
    /// task that runs it is moved about before it begins, and is better small.
    #[project = HandlingProjection]
    pub(super) enum Handling<Args, H, T>
    where
        H: Handler<Args>,
        H::Output: Future,
    {
        Called {
            call: Option<Call<H>>,
            report: Report<H::Output, T>,
            taking: PhantomData<fn(Args)>,
        },
        Running {
            #[pin]
            running: H::Output,
            report: Report<H::Output, T>,
        },
    }
}

/// How what a handler gives is reported.
pub(super) type Report<F, T> = fn(<F as Future>::Output) -> Result<T, Failure>;

/// What a handler is called with.
pub(super) struct Call<H> {
    handler: Arc<H>,
    arguments: RawTerm,
    context: CallContext,
}

impl<Args, H, T> Handling<Args, H, T>
where
    H: Handler<Args>,
    H::Output: Future,
{
    pub(super) fn new(
        handler: &Arc<H>,
        arguments: RawTerm,
        context: CallContext,
        report: Report<H::Output, T>,
    ) -> Self {
        let call = Call {
            handler: Arc::clone(handler),
            arguments,
            context,
        };
        Self::Called {
            call: Some(call),
            report,
            taking: PhantomData,
        }
    }
}

impl<Args, H, T> Future for Handling<Args, H, T>
where
    H: Handler<Args>,
    H::Output: Future,
{
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                HandlingProjection::Called { call, report, .. } => {
                    let report = *report;
                    let call = call.take().expect("a call that failed is not polled again");
                    let Call {
                        handler,
                        arguments,
                        context,
                    } = call;
                    if context.is_late() {
                        return Poll::Ready(Err(Failure::Late));
                    }
                    match handler.handle(context, &arguments) {
                        // The arguments, which hold on to the buffer that they came in, end here.
                        Ok(running) => self.set(Self::Running { running, report }),
                        Err(error) => return Poll::Ready(Err(bad_arguments(error, arguments))),
                    }
                }
                HandlingProjection::Running { running, report } => {
                    return running.poll(task).map(*report);
                }
            }
        }
    }
}
