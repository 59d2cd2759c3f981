//! What a handler can know about the call that it serves.

use std::sync::Arc;

use beam_dist::NodeName;
use tokio::time::Instant;

use crate::{
    Function,
    process::{Process, Served},
    serve::Held,
};

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
pub struct CallContext(Arc<Process>);

impl CallContext {
    /// The context of a call that is served.
    pub(crate) fn new(process: &Arc<Process>) -> Self {
        debug_assert!(process.served().is_some());
        Self(Arc::clone(process))
    }

    /// What makes the call count as served for as long as it is held.
    pub(super) fn hold(&self) -> Option<Held> {
        Held::another(&self.0)
    }

    /// Whether the deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        self.served().is_late()
    }

    /// Whether the call is ended, whatever its handler does.
    pub(super) fn has_ended(&self) -> bool {
        self.served().has_ended()
    }

    fn served(&self) -> &Served {
        self.0
            .served()
            .expect("a context is made for a call that is served")
    }

    /// The node that made the call; this node itself for calls of its own.
    pub fn caller(&self) -> &NodeName {
        self.served().caller()
    }

    /// The function that was called.
    pub fn function(&self) -> &Function {
        &self.served().called.function
    }

    /// How many arguments it was called with.
    pub fn arity(&self) -> usize {
        self.served().called.arity
    }

    /// The instant after which nobody wants the answer, where the caller tells one. Callers on the
    /// BEAM do not, and other nodes of this library do once the two know each other, about a round
    /// trip after they were connected; so there is no saying that a call without one has all the time
    /// in the world.
    ///
    /// A caller tells how much time it has left, which is counted from the arrival of the call: the
    /// clocks of the nodes need not agree, and the time that the call was under way is not counted.
    ///
    /// To pass it on with calls that the handler makes, see [`Call::until`](crate::Call::until).
    pub fn deadline(&self) -> Option<Instant> {
        self.served().deadline
    }

    /// Whether nobody waits for the answer any more: the caller gave up, the
    /// [deadline](Self::deadline) has passed, or the connection to the caller is lost. Whatever a
    /// handler returns that was told so at the deadline, the caller sees no answer in time.
    pub fn is_cancelled(&self) -> bool {
        self.served().is_cancelled()
    }

    /// Waits until nobody waits for the answer any more.
    ///
    /// A handler that is to do nothing then but end need not wait for it: see
    /// [`Export::cancel_when_abandoned`](crate::Export::cancel_when_abandoned).
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn cancelled(&self) {
        self.served().cancelled().await;
    }
}
