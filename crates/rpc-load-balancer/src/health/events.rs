//! Changes of members, as a stream.

use beam_dist::NodeName;
use beam_term::Term;
use tokio::{sync::broadcast, time::Instant};

use super::{MemberState, StateReason};

/// A member of a balancer has changed its state, or its weight in the same state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemberEvent {
    /// The member.
    pub node: NodeName,
    /// The state that it was in, the same one where its weight has changed; `None` for one that is new.
    /// One that was lost and is back is told of once where that took no time, as having been down.
    pub before: Option<MemberState>,
    /// The state that it is in now.
    pub state: MemberState,
    /// Why.
    pub reason: StateReason,
    /// Since when.
    pub since: Instant,
    /// Its weight then, as in [`MemberStatus`](super::MemberStatus); the last one of a member that has left.
    pub weight: u32,
    /// What it published of itself then besides; the last of a member that has left. That it publishes
    /// something else is no event of its own.
    pub metadata: Option<Term>,
}

/// The changes of the members of a balancer since they were asked for.
#[derive(Debug)]
pub struct MemberEvents(broadcast::Receiver<MemberEvent>);

impl MemberEvents {
    /// Waits for the next change; `None` once the balancer is gone. A listener that falls more than
    /// 1,024 changes behind misses the oldest of them.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn next(&mut self) -> Option<MemberEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// How many changes a listener may fall behind.
const EVENTS: usize = 1_024;

/// Where the changes come from.
#[derive(Clone, Debug)]
pub(crate) struct EventSource(broadcast::Sender<MemberEvent>);

impl EventSource {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(EVENTS))
    }

    pub(crate) fn emit(&self, event: MemberEvent) {
        // Nobody may be listening.
        let _ = self.0.send(event);
    }

    pub(crate) fn subscribe(&self) -> MemberEvents {
        MemberEvents(self.0.subscribe())
    }
}
