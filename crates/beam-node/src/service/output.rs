//! What called functions print: from the group leader of this node to its user.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use beam_dist::{NodeName, control::Recipient};
use beam_term::{RawTerm, Term, Writer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{group_leader::IoRequest, held_bytes::HeldBytes, link::Link, seldom::Seldom};

/// Text that a function printed on behalf of a call of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// Where the function runs.
    pub node: NodeName,
    /// What it printed, as it came: perhaps part of a line, perhaps several.
    pub text: String,
}

/// What is done with output.
pub(crate) type Sink = Arc<dyn Fn(Output) + Send + Sync>;

/// Output on its way to the sink, bounded in bytes.
pub(crate) struct OutputQueue {
    sender: mpsc::UnboundedSender<Output>,
    held: Arc<HeldBytes>,
    limit: usize,
    warned: Seldom,
}

/// What a queued text costs beside its bytes.
const OVERHEAD_BYTES: usize = 64;

impl OutputQueue {
    /// The queue, and the task that empties it into `sink`. Once stopped, the task ends when the
    /// queue is empty: what was printed before the end is seen.
    pub(crate) fn new(
        limit: usize,
        sink: Sink,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        // The bytes are bounded, and with them the messages.
        let (sender, mut receiver) = mpsc::unbounded_channel::<Output>();
        let held = Arc::new(HeldBytes::default());
        let queue = Self {
            sender,
            held: Arc::clone(&held),
            limit,
            warned: Seldom::default(),
        };
        let task = async move {
            loop {
                tokio::select! {
                    biased;
                    Some(output) = receiver.recv() => {
                        held.remove(cost(&output));
                        // What the user does with one text must not cost him all that follow.
                        if catch_unwind(AssertUnwindSafe(|| sink(output))).is_err() {
                            tracing::error!("the function that takes output panicked");
                        }
                    }
                    () = stop.cancelled() => return,
                }
            }
        };
        (queue, task)
    }
}

impl OutputQueue {
    /// Handles a message to the group leader, and answers it where it is a request.
    pub(super) fn deliver(&self, link: &Link, message: &RawTerm) {
        let Some(request) = IoRequest::read(message) else {
            return;
        };
        let mut answer = request.answer(self.limit);
        if answer.is_cut
            && let Some(left_out) = self.warned.now()
        {
            tracing::warn!(peer = %link.peer, left_out, "cut off output: the limit `output_bytes` is reached");
        }
        if !answer.text.is_empty() && !self.print(&link.peer, answer.text) {
            answer.reply = Term::tuple([Term::atom("error"), Term::atom("enospc")]);
        }
        link.answer_to(
            &Recipient::Pid(request.from().clone()),
            &mut |writer: &mut Writer<'_>| request.write_reply(&answer.reply, writer),
        );
    }

    /// Queues a text; `false` where there is no room.
    fn print(&self, node: &NodeName, text: String) -> bool {
        let output = Output {
            node: node.clone(),
            text,
        };
        let cost = cost(&output);
        if !self.held.add(cost, self.limit) {
            if let Some(left_out) = self.warned.now() {
                tracing::warn!(peer = %node, left_out, "dropped output: the limit `output_bytes` is reached");
            }
            return false;
        }
        // The task that receives ends with the node; nobody is there to see it then.
        if self.sender.send(output).is_err() {
            self.held.remove(cost);
        }
        true
    }
}

fn cost(output: &Output) -> usize {
    output.text.len() + OVERHEAD_BYTES
}

impl fmt::Debug for OutputQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputQueue")
            .field("held", &self.held)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The sink that is used unless the builder is given another: lines in the log.
pub(crate) fn log() -> Sink {
    Arc::new(|output: Output| {
        for line in output.text.lines() {
            tracing::info!(target: "beam_node::output", node = %output.node, "{line}");
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn what_was_printed_before_the_end_is_seen() {
        let seen = Arc::new(Mutex::new(String::new()));
        let sink = {
            let seen = Arc::clone(&seen);
            Arc::new(move |output: Output| seen.lock().unwrap().push_str(&output.text))
        };
        let stop = CancellationToken::new();
        let (queue, task) = OutputQueue::new(1024, sink, stop.clone());
        let node = "w@host".parse().unwrap();
        assert!(queue.print(&node, "hello ".to_owned()));
        assert!(queue.print(&node, "world".to_owned()));

        stop.cancel();
        task.await;
        assert_eq!(*seen.lock().unwrap(), "hello world");
    }
}
