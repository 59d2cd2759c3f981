//! What is remembered of members that are gone, in case that they come back.

use std::{collections::BTreeMap, time::Duration};

use beam_dist::NodeName;
use beam_node::DownReason;
use tokio::time::Instant;

use super::entry::{Entry, Lapses};

/// Members that are gone, and how they fared.
///
/// A node that dies again and again is away most of the time. What is held against it must last until
/// it is back.
#[derive(Debug, Default)]
pub(super) struct Absent(BTreeMap<NodeName, Past>);

/// How a member fared that is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) creation: u32,
    /// Whether it left the group before it went.
    pub(super) left: bool,
    /// Whether its connection was lost.
    pub(super) was_lost: bool,
    /// What has happened to it of late; this time does not count yet.
    pub(super) lapses: Lapses,
    since: Instant,
}

/// Twice as long as the longest ejection by default.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Of more, the later ones are not remembered: where so many are lost within ten minutes the fault is
/// hardly theirs.
const MOST: usize = 4_096;

impl Absent {
    /// So many members are gone: forgets those who went long ago, where there would be no room else. To
    /// do so for each one would take a second for ten thousand.
    pub(super) fn make_room(&mut self, gone: usize, now: Instant) {
        if gone > 0 && self.0.len() + gone > MOST {
            self.0.retain(|_, past| past.is_recent(now));
        }
    }

    /// A member is gone, with its connection or before it.
    pub(super) fn insert(&mut self, entry: &Entry, ended: Option<&DownReason>, now: Instant) {
        if self.0.len() < MOST {
            let past = Past {
                creation: entry.known.creation,
                left: ended.is_none(),
                was_lost: ended.is_some_and(is_lost),
                lapses: entry.lapses,
                since: now,
            };
            self.0.insert(entry.known.node.clone(), past);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A member is there: it may have been one before.
    pub(super) fn take(&mut self, node: &NodeName, now: Instant) -> Option<Past> {
        let past = self.0.remove(node)?;
        past.is_recent(now).then_some(past)
    }
}

impl Past {
    fn is_recent(&self, now: Instant) -> bool {
        now < self.since + REMEMBERED
    }
}

/// Whether a connection that ended so was lost, rather than given up for another one or by this node.
pub(super) fn is_lost(ended: &DownReason) -> bool {
    !matches!(
        ended,
        DownReason::Replaced | DownReason::Disconnected | DownReason::ShutDown
    )
}
