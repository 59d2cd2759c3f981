//! What a scope knows of one peer: the scope there, or the search for it, and what it announced.

use std::{collections::BTreeMap, time::Duration};

use beam_dist::NodeName;
use beam_term::{Pid, Term};
use tokio::time::Instant;

use crate::group::{
    Bound, Features,
    announced::{Announced, Changed},
    bound::name_bytes,
    message::Groups,
    pids::Pids,
    scope::MonitorId,
};

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    name: NodeName,
    pub(super) search: Search,
    /// Memberships that were refused at the bound.
    pub(super) refused: u64,
    announced: Announced,
    /// What its scope says of the node.
    pub(super) features: Features,
    /// Whether the peer has told its groups, or that it has none, since it connected.
    pub(super) has_answered: bool,
    /// How often nobody was there in a row.
    failures: u32,
}

/// How far the search for the scope of a peer is.
#[derive(Debug, PartialEq)]
pub(super) enum Search {
    /// The name was asked; the monitor tells when nobody has it.
    Asked { monitor: MonitorId },
    /// Nobody was there; the name is asked again later.
    Waiting { until: Instant },
    /// The scope has made itself known; the monitor tells when it ends.
    Found { scope: Pid, monitor: MonitorId },
}

impl Peer {
    /// A peer whose scope is about to be asked for.
    pub(super) fn new(name: NodeName, monitor: MonitorId) -> Self {
        Self {
            name,
            search: Search::Asked { monitor },
            refused: 0,
            announced: Announced::default(),
            features: Features::default(),
            has_answered: false,
            failures: 0,
        }
    }

    /// How many memberships it has announced.
    pub(super) fn memberships(&self) -> usize {
        self.announced.len()
    }

    /// What it has in a group.
    pub(super) fn announced(&self, group: &Term) -> Pids {
        self.announced.of(group)
    }

    /// Whether this is the scope that is known.
    pub(super) fn is_found(&self, scope: &Pid) -> bool {
        matches!(&self.search, Search::Found { scope: found, .. } if found == scope)
    }

    /// Starts to wait before the next question, and forgets what the scope announced.
    pub(super) fn wait(&mut self, now: Instant) -> (Instant, Vec<Changed>) {
        let until = now + pause(self.failures);
        self.failures += 1;
        self.has_answered = true;
        self.search = Search::Waiting { until };
        (until, self.forget())
    }

    /// The scope has made itself known: gives the stage of the search that this ends, and forgets
    /// what an earlier scope announced.
    pub(super) fn found(&mut self, scope: Pid, monitor: MonitorId) -> (Search, Vec<Changed>) {
        self.failures = 0;
        let before = std::mem::replace(&mut self.search, Search::Found { scope, monitor });
        (before, self.forget())
    }

    /// Takes note of processes that joined, up to the bound.
    pub(super) fn join(&mut self, groups: Groups, bound: Bound) -> Vec<Changed> {
        self.features = self.features.or(groups.features);
        let (changed, refused) = add(&mut self.announced, groups, bound);
        self.refuse(refused, bound);
        changed
    }

    /// Takes note of all that the peer has, up to the bound.
    pub(super) fn sync(&mut self, groups: Groups, bound: Bound) -> Vec<Changed> {
        self.has_answered = true;
        self.features = groups.features;
        let mut announced = Announced::default();
        let (_, refused) = add(&mut announced, groups, bound);
        self.refuse(refused, bound);
        self.announced.replace(announced)
    }

    /// Takes note of processes that left.
    pub(super) fn leave(&mut self, pids: &[Pid], groups: &BTreeMap<Term, usize>) -> Vec<Changed> {
        self.announced.leave(pids, groups)
    }

    pub(super) fn forget(&mut self) -> Vec<Changed> {
        self.features = Features::default();
        self.announced.replace(Announced::default())
    }

    fn refuse(&mut self, refused: usize, bound: Bound) {
        if refused > 0 && self.refused == 0 {
            tracing::warn!(
                peer = %self.name,
                memberships_per_peer = bound.memberships,
                group_name_bytes_per_peer = bound.name_bytes,
                "a peer announced more memberships of groups than these limits allow, or names of \
                 groups that are too long; those are ignored"
            );
        }
        self.refused += refused as u64;
    }
}

impl Search {
    /// The monitor that belongs to this stage.
    pub(super) fn monitor(&self) -> Option<MonitorId> {
        match self {
            Self::Asked { monitor } | Self::Found { monitor, .. } => Some(*monitor),
            Self::Waiting { .. } => None,
        }
    }
}

/// How long to wait after so many failures in a row.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << failures.min(16))
        .min(LONGEST_PAUSE)
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Adds processes up to the bound; gives the groups that changed, and how many did not fit.
fn add(announced: &mut Announced, groups: Groups, bound: Bound) -> (Vec<Changed>, usize) {
    let mut refused = groups.dropped;
    let mut changed = Vec::new();
    for (group, mut pids) in groups.entries {
        let room = bound.without(announced.taken());
        let is_named = announced.contains(&group) || name_bytes(&group) <= room.name_bytes;
        let memberships = if is_named { room.memberships } else { 0 };
        refused += pids.len().saturating_sub(memberships);
        pids.truncate(memberships);
        if !pids.is_empty() {
            changed.push(announced.join(group, pids));
        }
    }
    (changed, refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_tenth_of_a_second_up_to_five_seconds() {
        let pauses: Vec<_> = (0..8).map(|failures| pause(failures).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
