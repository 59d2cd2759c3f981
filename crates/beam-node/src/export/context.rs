//! What a handler can know about the call that it serves.

use std::sync::{Arc, Weak};

use beam_dist::NodeName;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Function, export::Entry, serve::Admitted};

/// The call that a handler serves: who made it, until when an answer is wanted, and whether
/// anybody still waits for it.
///
/// A handler gets it by taking it as its first argument; callers do not pass it, and it does not
/// count for the arity. Clones are cheap, and concern the same call.
///
/// ```
/// use beam_node::{CallContext, Export};
///
/// let export = Export::new("greeter", "hello", async |call: CallContext, name: String| {
///     format!("hello {name}, how is {}?", call.caller())
/// });
/// assert_eq!(export.arity(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct CallContext {
    caller: NodeName,
    called: Arc<Entry>,
    deadline: Option<Instant>,
    cancelled: CancellationToken,
    /// A handler may keep its context for longer than the call runs.
    admitted: Weak<Admitted>,
}

impl CallContext {
    pub(crate) fn new(
        caller: NodeName,
        called: &Arc<Entry>,
        deadline: Option<Instant>,
        cancelled: CancellationToken,
    ) -> Self {
        Self {
            caller,
            called: Arc::clone(called),
            deadline,
            cancelled,
            admitted: Weak::new(),
        }
    }

    /// The context of a call that counts as served.
    pub(crate) fn admitted_as(mut self, admitted: &Arc<Admitted>) -> Self {
        self.admitted = Arc::downgrade(admitted);
        self
    }

    /// What makes the call count as served for as long as it is held.
    pub(super) fn admitted(&self) -> Option<Arc<Admitted>> {
        self.admitted.upgrade()
    }

    /// The node that made the call; this node itself for calls of its own.
    pub fn caller(&self) -> &NodeName {
        &self.caller
    }

    /// The function that was called.
    pub fn function(&self) -> &Function {
        &self.called.function
    }

    /// How many arguments it was called with.
    pub fn arity(&self) -> usize {
        self.called.arity
    }

    /// The instant after which nobody wants the answer, where the caller tells one. Callers on the
    /// BEAM do not.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether nobody waits for the answer any more: the caller gave up, or its node is gone.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Waits until nobody waits for the answer any more.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }
}
