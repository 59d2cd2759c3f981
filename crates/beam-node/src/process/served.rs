//! A call being served.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use beam_dist::NodeName;
use beam_term::{Reference, Term};
use futures_util::task::AtomicWaker;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{
    export::Entry,
    serve::{Admitted, Wanted},
};

/// What there is to know of a call being served: what its handler is told, and what ends it.
#[derive(Debug)]
pub(crate) struct Served {
    /// Who made it. It is cancelled with the link that it came over.
    pub(crate) admitted: Admitted,
    /// The request that started it; none for a call of this node itself.
    request: Option<Reference>,
    pub(crate) called: Arc<Entry>,
    /// Whether somebody waits for its end. That of a cast is of no interest to anybody.
    is_awaited: bool,
    pub(crate) deadline: Option<Instant>,
    is_cancelled: AtomicBool,
    /// Wakes a handler that waits for being cancelled.
    cancelled: Notify,
    ended: OnceLock<Ended>,
    /// Wakes the task of the call when it is to end.
    task: AtomicWaker,
}

/// Why a served call ends before its handler does.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// By an exit signal with this reason.
    Killed(Term),
    /// Nobody waits for the answer any more, and its export asks for its end then.
    Abandoned,
    /// With the node.
    Stopped,
}

impl Served {
    pub(crate) fn new(
        admitted: Admitted,
        request: Option<Reference>,
        called: Arc<Entry>,
        is_awaited: bool,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            admitted,
            request,
            called,
            is_awaited,
            deadline,
            is_cancelled: AtomicBool::new(false),
            cancelled: Notify::new(),
            ended: OnceLock::new(),
            task: AtomicWaker::new(),
        }
    }

    /// The node that made the call.
    pub(crate) fn caller(&self) -> &NodeName {
        self.admitted.caller()
    }

    /// Tells the handler that nobody waits any more, and ends the call if its export asks for that.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::SeqCst);
        self.cancelled.notify_waiters();
        if self.ends_when_abandoned() {
            let _ = self.ended.set(Ended::Abandoned);
            self.task.wake();
        }
    }

    /// Whether nobody waits any more. At the deadline that is so whether the caller says it or not;
    /// where this node is the caller it does, and nobody is to know before.
    pub(crate) fn is_cancelled(&self) -> bool {
        if !self.was_cancelled() && self.is_of_peer() && self.is_late() {
            self.is_cancelled.store(true, Ordering::SeqCst);
        }
        self.was_cancelled()
    }

    /// Whether somebody was told that nobody waits any more.
    fn was_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    /// Whether a result comes too late, since its handler knew that the deadline has passed. What it
    /// makes of that is no answer that the caller is to take for one in time.
    pub(crate) fn is_expired(&self) -> bool {
        self.deadline.is_some() && self.was_cancelled()
    }

    /// Until when who is told of its end waits for that. What nodes ask each other by
    /// [housekeeping](crate::Export::housekeeping) functions is of no use any more when a connection is lost.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        let is_work = self.called.is_work;
        is_work.then(|| self.deadline.map_or(Wanted::ForEver, Wanted::Until))
    }

    fn is_of_peer(&self) -> bool {
        self.admitted.link().is_some()
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Waits for [`Served::cancel`], or for the deadline.
    pub(crate) async fn cancelled(&self) {
        let cancelled = async {
            loop {
                let cancelled = self.cancelled.notified();
                tokio::pin!(cancelled);
                // From here on no notification is missed.
                cancelled.as_mut().enable();
                if self.is_cancelled() {
                    return;
                }
                cancelled.await;
            }
        };
        match self.deadline.filter(|_| self.is_of_peer()) {
            Some(deadline) => {
                let _ = timeout_at(deadline, cancelled).await;
                self.is_cancelled.store(true, Ordering::SeqCst);
            }
            None => cancelled.await,
        }
    }

    /// When the call ends if it has not by then.
    pub(crate) fn ends_at(&self) -> Option<Instant> {
        let is_known_here = self.is_of_peer() && self.ends_when_abandoned();
        self.deadline.filter(|_| is_known_here)
    }

    fn ends_when_abandoned(&self) -> bool {
        self.is_awaited && self.called.ends_when_abandoned
    }

    /// Ends the call as soon as its handler gives way.
    pub(crate) fn end(&self, ended: Ended) {
        // The first signal counts.
        let _ = self.ended.set(ended);
        self.cancel();
        self.task.wake();
    }

    /// Whether something has ended the call.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Runs the call until it is over, or something else ends it. Only the task of the call does.
    pub(crate) fn poll<C: Future>(
        &self,
        mut call: std::pin::Pin<&mut C>,
        task: &mut Context<'_>,
    ) -> Poll<Result<C::Output, Ended>> {
        if let Some(ended) = self.ended.get() {
            return Poll::Ready(Err(ended.clone()));
        }
        if let Poll::Ready(output) = call.as_mut().poll(task) {
            return Poll::Ready(Ok(output));
        }
        self.task.register(task.waker());
        match self.ended.get() {
            Some(ended) => Poll::Ready(Err(ended.clone())),
            None => Poll::Pending,
        }
    }

    /// Whether the call came over this link.
    pub(crate) fn came_over(&self, link_id: u64) -> bool {
        self.admitted.link().is_some_and(|link| link.id == link_id)
    }

    /// Whether the call answers this request.
    pub(crate) fn answers(&self, request: &Reference) -> bool {
        self.request.as_ref() == Some(request)
    }
}
