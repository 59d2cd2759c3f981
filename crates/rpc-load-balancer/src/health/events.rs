//! Changes of members, as a stream.

use std::sync::Arc;

use beam_dist::NodeName;
use beam_term::Term;
use tokio::{sync::broadcast, time::Instant};

use super::{MemberState, MemberStatus, StateReason};

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
pub struct MemberEvents {
    events: broadcast::Receiver<(u64, MemberEvent)>,
    members: Arc<[MemberStatus]>,
    /// The look at the members that showed these.
    look: u64,
}

impl MemberEvents {
    /// The members when the changes were asked for, as
    /// [`Balancer::member_statuses`](crate::Balancer::member_statuses) had them: what has changed until then
    /// is told by these alone, and what changes later by an event.
    pub fn members(&self) -> &[MemberStatus] {
        &self.members
    }

    /// Waits for the next change; `None` once the balancer is gone. A listener that falls more than
    /// 1,024 changes behind misses the oldest of them.
    ///
    /// # Cancellation safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn next(&mut self) -> Option<MemberEvent> {
        loop {
            match self.events.recv().await {
                Ok((look, event)) if look > self.look => return Some(event),
                Ok(_) => {}
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
pub(crate) struct EventSource(broadcast::Sender<(u64, MemberEvent)>);

impl EventSource {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(EVENTS))
    }

    /// Tells of a change that this look at the members has shown, once the members are there to be seen.
    pub(crate) fn emit(&self, look: u64, event: MemberEvent) {
        // Nobody may be listening.
        let _ = self.0.send((look, event));
    }

    /// The changes after the look that gives these members.
    pub(crate) fn subscribe(
        &self,
        look: impl FnOnce() -> (u64, Arc<[MemberStatus]>),
    ) -> MemberEvents {
        // In this order, so that what a later look shows is not missed.
        let events = self.0.subscribe();
        let (look, members) = look();
        MemberEvents {
            events,
            members,
            look,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_the_members_show_already_is_not_told_again() {
        let source = EventSource::new();
        let event = |weight| MemberEvent {
            node: "w1@h".parse().unwrap(),
            before: None,
            state: MemberState::Up,
            reason: StateReason::Joined,
            since: Instant::now(),
            weight,
            metadata: None,
        };
        // The members are there to be seen before the changes are told, and may be later ones by then.
        let mut events = source.subscribe(|| {
            source.emit(6, event(6));
            (7, Arc::default())
        });
        for look in 7..=8 {
            source.emit(look, event(look as u32));
        }
        let told = events.next().now_or_never().unwrap().unwrap();
        assert_eq!(told.weight, 8);
        assert!(events.next().now_or_never().is_none());
    }
}
