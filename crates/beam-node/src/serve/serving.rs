//! A call at work, and what becomes of its result.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use beam_dist::frame::FrameEncodeError;
use beam_term::{RawTerm, Term, Writer};
use pin_project_lite::pin_project;
use serde::Serialize;
use tokio::time::{Sleep, sleep_until};

use super::{Held, Server, Shape, report::Late};
use crate::{
    atoms,
    export::{CallContext, Failure, Outcome, caught},
    link::SendError,
    process::{Ended, Process, Served, Told},
};

/// A call at work, which ends however its task does.
pub(crate) struct Serving {
    server: Arc<Server>,
    /// Until the answer is queued.
    held: Held,
    shape: Shape,
    /// Ends the call at its deadline, where its export asks for that and it has run for a moment.
    timer: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl Serving {
    /// Begins to serve a call that was let in just now.
    pub(super) fn begin(server: &Arc<Server>, process: Arc<Process>, shape: Shape) -> Self {
        let held = Held::first(process);
        if let Some(served) = held.served() {
            // Whoever stopped the node may have looked for processes before this one was there.
            if server.node.is_closed() {
                served.end(Ended::Stopped);
            }
        }
        Self {
            server: Arc::clone(server),
            held,
            shape,
            timer: None,
            is_over: false,
        }
    }

    /// What the handler may know.
    pub(crate) fn context(&self) -> CallContext {
        CallContext::new(self.held.process())
    }

    pub(super) fn process(&self) -> &Arc<Process> {
        self.held.process()
    }

    /// Runs a call in a task of its own, and reports its result to those who watch the process.
    pub(crate) fn spawn<C, T>(self, call: C)
    where
        C: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Serialize + 'static,
    {
        // Its server has the node wait for it.
        tokio::spawn(Task::Running {
            call,
            serving: Some(self),
        });
    }

    /// The output of a call, unless something else ends it.
    pub(super) fn poll<C: Future>(
        &mut self,
        call: Pin<&mut C>,
        task: &mut Context<'_>,
    ) -> Poll<Result<C::Output, Ended>> {
        let Some(served) = self.held.served() else {
            return call.poll(task).map(Ok);
        };
        let polled = served.poll(call, task);
        if polled.is_pending()
            && let Some(deadline) = served.ends_at()
        {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            return timer.as_mut().poll(task).map(|()| Err(Ended::Abandoned));
        }
        polled
    }

    /// Ends the process, and reports how, if that can be done at once. The result is written
    /// straight to where the link sends from.
    fn report<T: Serialize>(&mut self, ended: Result<Result<T, Failure>, Ended>) -> Option<Late> {
        let told = self.end();
        let is_expired = self.held.served().is_some_and(Served::is_expired);
        let value = match ended {
            Ok(result) if is_expired => {
                let _ = caught(|| drop(result));
                return Late::killed(told, too_late());
            }
            Ok(Ok(value)) => value,
            Ok(Err(failure)) => return self.raised(told, failure),
            Err(Ended::Killed(reason)) => return Late::killed(told, reason),
            // That it may have run in part tells this from what was refused.
            Err(Ended::Abandoned) => return Late::killed(told, too_late()),
            // The links end as well, which says more than the end of this process.
            Err(Ended::Stopped) => return None,
        };
        let late = self.told(told, &value);
        // It may panic when it is dropped, which must not take with it what is still to be told.
        let _ = caught(|| drop(value));
        late
    }

    /// Tells a result, if that can be done at once.
    fn told<T: Serialize>(&mut self, told: Told, value: &T) -> Option<Late> {
        let [watcher] = &told[..] else {
            return match told.is_empty() {
                true => None,
                false => self.returned(told, value),
            };
        };
        let shape = &self.shape;
        let mut payload = |writer: &mut Writer<'_>| {
            shape.write_returned(|writer| writer.serialize(value), writer)
        };
        match caught(|| watcher.tell_result(&self.process().pid, &mut payload)) {
            // A link that closed meanwhile has told the peer already.
            Ok(Ok(()) | Err(SendError::Closed)) => {
                watcher.link().forget_watchers(1);
                self.held.note_told();
                None
            }
            Ok(Err(SendError::Full { .. })) => self.returned(told, value),
            Ok(Err(SendError::Encode(error))) => Late::returned(told, self.unsendable(error)?),
            Err(panicked) => self.raised(told, panicked),
        }
    }

    /// A result that cannot be sent at once, or to more than one.
    fn returned<T: Serialize>(&self, told: Told, value: &T) -> Option<Late> {
        let encoded = caught(|| RawTerm::serialize(value));
        match encoded.and_then(|encoded| encoded.map_err(Failure::BadReturn)) {
            Ok(value) => Late::returned(told, self.hold(value)),
            Err(failure) => self.raised(told, failure),
        }
    }

    /// What a call raised is kept encoded until it can be sent, and counts as a result does: as terms it
    /// may take many times as much as what the caller sent.
    fn raised(&self, told: Told, failure: Failure) -> Option<Late> {
        let exception = match self.outcome(failure)? {
            Outcome::Raised(exception) => exception,
            outcome => return Late::returned(told, outcome),
        };
        let reason = match self.shape.raised(&exception) {
            Ok(reason) => reason,
            Err(error) => return Late::returned(told, self.outcome(Failure::BadReturn(error))?),
        };
        match self.make_room(reason.encoded_len()) {
            Ok(()) => Late::ended(told, reason),
            Err(refused) => Late::returned(told, refused),
        }
    }

    fn outcome(&self, failure: Failure) -> Option<Outcome> {
        let called = &self.held.served()?.called;
        Some(called.outcome(failure))
    }

    /// What is told in the place of what has no encoding for the peer, or is too large for a message.
    pub(super) fn unsendable(&self, error: FrameEncodeError) -> Option<Outcome> {
        match error {
            FrameEncodeError::Payload(error) => self.outcome(Failure::BadReturn(error)),
            error => Some(Outcome::system_limit(error.to_string())),
        }
    }

    /// Keeps a result that waits to be sent, if there is room for it.
    ///
    /// A peer that reads nothing could have it all kept otherwise: results do not count for what
    /// waits to be sent until they are queued.
    fn hold(&self, value: RawTerm) -> Outcome {
        match self.make_room(self.shape.returned_bytes(&value)) {
            Ok(()) => Outcome::Returned(value),
            Err(refused) => refused,
        }
    }

    /// Counts what waits to be sent in the place of the arguments; gives what is told instead where
    /// there is no room for it.
    fn make_room(&self, bytes: usize) -> Result<(), Outcome> {
        let Some(served) = self.held.served() else {
            return Ok(());
        };
        served.admitted.hold(bytes).map_err(|limit| {
            if let Some(left_out) = self.server.node.warnings.results.now() {
                tracing::warn!(peer = %served.caller(), left_out, "dropped a result: the limit `{limit}` is reached");
            }
            Outcome::system_limit(format!(
                "no room for the result: the limit `{limit}` is reached"
            ))
        })
    }

    /// What it has to tell has to wait for room.
    fn answers_late(&mut self) {
        self.held.note_told();
        if let Some(served) = self.held.served()
            && let Some(wanted) = served.wanted()
        {
            served.admitted.note_answer(wanted);
        }
    }

    /// Ends the process, and gives those who are to be told.
    pub(super) fn end(&mut self) -> Told {
        self.is_over = true;
        self.server.node.processes.remove(self.process())
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// `{erpc, timeout}`, the reason with which a process ends whose time was over.
fn too_late() -> Term {
    Term::tuple([Term::Atom(atoms::ERPC), Term::Atom(atoms::TIMEOUT)])
}

pin_project! {
    /// The task of a call. It is moved about before it runs, and there may be many, so it is kept
    /// small; that it has to wait for room is rare.
    #[project = TaskProjection]
    enum Task<C> {
        Running {
            #[pin]
            call: C,
            serving: Option<Serving>,
        },
        Telling {
            late: Pin<Box<dyn Future<Output = ()> + Send>>,
        },
    }
}

impl<C, T> Future for Task<C>
where
    C: Future<Output = Result<T, Failure>>,
    T: Serialize,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let late = match self.as_mut().project() {
            TaskProjection::Telling { late } => return late.as_mut().poll(task),
            TaskProjection::Running { call, serving } => {
                let Some(running) = serving else {
                    return Poll::Ready(());
                };
                let ended = ready!(running.poll(call, task));
                let late = running.report(ended);
                let Some((late, mut serving)) = late.zip(serving.take()) else {
                    return Poll::Ready(());
                };
                serving.answers_late();
                Box::pin(async move { late.tell(&serving).await })
            }
        };
        // Drops the handler where it did not run to its end. If it panics then, those who wait for
        // it are told all the same.
        let _ = caught(|| self.as_mut().set(Self::Telling { late }));
        self.poll(task)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The task was torn down, for example by a handler that panicked when it was dropped.
        if !self.is_over {
            self.server
                .node
                .end_process(self.process(), &Term::atom("killed"));
        }
    }
}
