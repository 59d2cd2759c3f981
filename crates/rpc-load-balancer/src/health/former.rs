//! Those who were members of late, for all to see.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use beam_dist::NodeName;
use beam_node::DownReason;
use tokio::time::Instant;

use super::{MemberEvent, MemberState, MemberStatus, StateReason};

/// Those who left of late, the last one last.
#[derive(Debug, Default)]
pub(super) struct Former(VecDeque<MemberStatus>);

/// For how long those who left are shown, and how many of them.
pub(super) const SHOWN: Duration = Duration::from_secs(60);
pub(super) const MOST: usize = 256;

impl Former {
    /// Adds one who has left.
    pub(super) fn push(&mut self, status: MemberStatus) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(status);
    }

    /// Takes out those who left long ago, and those who are back.
    pub(super) fn pass_time(&mut self, now: Instant, is_back: impl Fn(&NodeName) -> bool) {
        self.0
            .retain(|former| now < former.since + SHOWN && !is_back(&former.node));
    }

    /// Whether a node has left, and was connected still.
    pub(super) fn is_draining(&self, node: &NodeName) -> bool {
        self.draining().any(|former| former.node == *node)
    }

    /// Looks at who of these is not connected any more.
    pub(super) fn note_ends(
        &mut self,
        disconnected: &dyn Fn(&NodeName) -> Option<DownReason>,
        now: Instant,
    ) -> Vec<MemberEvent> {
        let draining = self.0.iter_mut();
        let draining = draining.filter(|former| former.state == MemberState::Draining);
        let end = |former: &mut MemberStatus| {
            let reason = StateReason::Disconnected(disconnected(&former.node)?);
            Some(former.turn(MemberState::Down, reason, now))
        };
        draining.filter_map(end).collect()
    }

    pub(super) fn all(&self) -> Arc<[MemberStatus]> {
        self.0.iter().cloned().collect()
    }

    /// When the next one is not shown any more.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|former| former.since + SHOWN).min()
    }

    fn draining(&self) -> impl Iterator<Item = &MemberStatus> {
        let former = self.0.iter();
        former.filter(|former| former.state == MemberState::Draining)
    }
}

impl MemberStatus {
    pub(super) fn turn(
        &mut self,
        state: MemberState,
        reason: StateReason,
        now: Instant,
    ) -> MemberEvent {
        let before = std::mem::replace(&mut self.state, state);
        self.reason = reason.clone();
        self.since = now;
        MemberEvent {
            node: self.node.clone(),
            before: Some(before),
            state,
            reason,
            since: now,
            weight: self.weight,
            metadata: self.metadata.clone(),
        }
    }
}
