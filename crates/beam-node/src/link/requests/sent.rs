//! A call on its way.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use beam_dist::control::Target;
use beam_term::Reference;

use super::table::Request;
use crate::{
    call::{Answer, RequestId},
    link::Link,
};

/// A call that was sent; gives its answer. Dropping it abandons the call and tells the peer.
#[derive(Debug)]
#[must_use = "a call is abandoned when this is dropped"]
pub(crate) struct Sent {
    link: Arc<Link>,
    id: RequestId,
    is_over: bool,
}

impl Sent {
    pub(super) fn new(link: Arc<Link>, id: RequestId) -> Self {
        Self {
            link,
            id,
            is_over: false,
        }
    }

    /// The reference that the answer must carry.
    pub(crate) fn reference(&self) -> Reference {
        self.link.reference(self.id)
    }
}

impl Future for Sent {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Answer> {
        let answer = ready!(self.link.requests().poll_answer(self.id, task));
        self.is_over = !matches!(answer, Answer::TimedOut | Answer::Silent { .. });
        Poll::Ready(answer)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let abandoned = self.link.requests().remove(self.id);
        // Without a runner the reply to the request is still to come; it is then refused as one
        // to an unknown request, which takes the monitor away as well.
        if let Some(Request::Call(call)) = abandoned
            && let Some(runner) = call.abandoned()
        {
            self.link.demonitor(self.reference(), Target::Pid(runner));
        }
    }
}
