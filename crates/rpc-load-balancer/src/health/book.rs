//! The states of the members of one balancer, and what follows from them.

use std::{collections::BTreeMap, mem, sync::Arc};

use beam_dist::NodeName;
use beam_node::{DownReason, Suspects};
use beam_term::Term;
use tokio::time::Instant;

use super::{
    Health, MemberEvent, MemberState, MemberStatus, Record, Reports, StateReason, Window,
    absent::Absent, entry::Entry, former::Former, outliers,
};
use crate::{deadline, members::Candidate};

/// The states of the members of a balancer. It has no time of its own; it is told.
///
/// All that is sorted by name is gone through side by side, once.
#[derive(Debug)]
pub(crate) struct Book {
    health: Health,
    /// Sorted by name.
    entries: Vec<Entry>,
    former: Former,
    absent: Absent,
    next_comparison: Instant,
}

/// A member of the group, and what it publishes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) node: NodeName,
    /// Which incarnation of the node it is.
    pub(crate) creation: u32,
    pub(crate) weight: u32,
    pub(crate) metadata: Option<Term>,
}

/// What there is to see at one moment.
pub(crate) struct Sight<'a> {
    pub(crate) now: Instant,
    /// Sorted by name.
    pub(crate) members: Vec<Known>,
    pub(crate) suspects: &'a Suspects,
    /// The connections that have ended since the last look, and why.
    pub(crate) ended: BTreeMap<NodeName, DownReason>,
    /// Why there is no connection to a node, or is another one by now; `None` where there is one.
    pub(crate) disconnected: &'a dyn Fn(&NodeName) -> Option<DownReason>,
    pub(crate) records: &'a dyn Records,
}

/// The records of the members that take calls.
pub(crate) trait Records {
    /// Sorted by name.
    fn each_record(&self, look: &mut dyn FnMut(&NodeName, &Record));

    fn reports(&self) -> &Arc<Reports>;
}

/// What follows from what was seen.
#[derive(Debug)]
pub(crate) struct Observed {
    /// Who takes calls.
    pub(crate) candidates: Vec<Candidate>,
    /// All members, sorted by name.
    pub(crate) members: Arc<[MemberStatus]>,
    /// Those who left of late, the last one last.
    pub(crate) former: Arc<[MemberStatus]>,
    pub(crate) events: Vec<MemberEvent>,
    /// When to look again, whatever happens.
    pub(crate) next: Option<Instant>,
}

impl Book {
    pub(crate) fn new(health: Health, now: Instant) -> Self {
        let mut book = Self {
            health,
            entries: Vec::new(),
            former: Former::default(),
            absent: Absent::default(),
            next_comparison: now,
        };
        book.plan_comparison(now);
        book
    }

    /// Whether it matters here that a connection to this node has ended.
    pub(crate) fn knows(&self, node: &NodeName) -> bool {
        self.place(node).is_some() || self.former.is_draining(node)
    }

    /// Takes in what there is to see.
    pub(crate) fn observe(&mut self, mut sight: Sight<'_>) -> Observed {
        let mut events = Vec::new();
        let members = mem::take(&mut sight.members);
        let left = self.note_members(members, &sight);
        self.note_records(&sight);
        for entry in &mut self.entries {
            entry.pass_time(sight.now, &self.health);
            entry.note_silence(&sight, &self.health);
            events.extend(entry.settle(sight.now));
        }
        self.note_former(left, &sight, &mut events);

        let members = self.statuses();
        let candidate = |status: &MemberStatus| {
            Candidate::new(status.node.clone(), status.weight).slow_start(status.slow_start)
        };
        Observed {
            candidates: members
                .iter()
                .filter(|status| status.takes_calls)
                .map(candidate)
                .collect(),
            members: members.into(),
            former: self.former.all(),
            events,
            next: self.next(),
        }
    }

    /// Takes in who is a member, in which incarnation; tells who has left.
    fn note_members(&mut self, members: Vec<Known>, sight: &Sight<'_>) -> Vec<Entry> {
        let now = sight.now;
        let mut before = mem::take(&mut self.entries).into_iter().peekable();
        let mut left = Vec::new();
        self.entries.reserve(members.len());
        for known in members {
            while let Some(entry) = before.next_if(|entry| entry.known.node < known.node) {
                left.push(entry);
            }
            self.entries.push(
                match before.next_if(|entry| entry.known.node == known.node) {
                    Some(mut entry) => {
                        let ended = sight.ended.get(&known.node);
                        entry.meet_again(known, ended, now, &self.health);
                        entry
                    }
                    None => {
                        let past = self.absent.take(&known.node, now);
                        Entry::new(known, past, now, &self.health)
                    }
                },
            );
        }
        left.extend(before);
        left
    }

    /// Looks at how calls went: first at those who failed again and again, then at those who differ.
    fn note_records(&mut self, sight: &Sight<'_>) {
        let now = sight.now;
        let reports = sight.records.reports();
        let is_due = self.health.ejection.is_some() && now >= self.next_comparison;
        let has_report = reports.take();
        let is_anybody_back = self.entries.iter().any(|entry| entry.is_back);
        if !is_due && !has_report && !is_anybody_back {
            return;
        }
        let mut compared = Vec::new();
        let mut windows = Vec::new();
        let mut entries = self.entries.iter_mut().enumerate().peekable();
        sight.records.each_record(&mut |node, record| {
            while entries
                .next_if(|(_, entry)| entry.known.node < *node)
                .is_some()
            {}
            let Some((index, entry)) = entries.next_if(|(_, entry)| entry.known.node == *node)
            else {
                return;
            };
            if mem::take(&mut entry.is_back) {
                record.begin_anew(now);
            }
            if record.take_refusal() {
                entry.back_off(now);
            }
            if let Some(ejection) = &self.health.ejection
                && let Some(failures) = record.take_failures(reports)
                // It is about to leave, and the calls failed because of that.
                && (sight.disconnected)(node).is_none()
            {
                entry.eject(now, ejection, StateReason::FailuresInARow(failures));
            }
            if is_due {
                compared.push(index);
                windows.push(record.take_window());
            }
        });
        // Those who take no calls have no record, and begin with one.
        for entry in &mut self.entries {
            entry.is_back = false;
        }
        if is_due {
            self.plan_comparison(now);
            self.compare(&compared, &windows, now);
        }
    }

    /// Ejects those of these members who differ from the others for the worse.
    fn compare(&mut self, compared: &[usize], windows: &[Window], now: Instant) {
        let Some(ejection) = &self.health.ejection else {
            return;
        };
        let mut found: BTreeMap<usize, StateReason> =
            outliers::outliers(windows, ejection).into_iter().collect();
        for (at, &index) in compared.iter().enumerate() {
            match found.remove(&at) {
                Some(reason) => self.entries[index].eject(now, ejection, reason),
                None => self.entries[index].is_found_well(now, ejection),
            }
        }
    }

    /// Takes in what became of those who have left, now and before.
    fn note_former(&mut self, left: Vec<Entry>, sight: &Sight<'_>, events: &mut Vec<MemberEvent>) {
        let now = sight.now;
        let entries = &self.entries;
        let is_back = |node: &NodeName| find(entries, node).is_some();
        self.former.pass_time(now, is_back);
        events.extend(self.former.note_ends(sight.disconnected, now));
        self.absent.make_room(left.len(), now);
        for entry in left {
            // It may be connected again, and not have joined again yet.
            let node = &entry.known.node;
            let ended = sight.ended.get(node).cloned();
            let disconnected = ended.or_else(|| (sight.disconnected)(node));
            self.absent.insert(&entry, disconnected.as_ref(), now);
            let (state, reason) = match disconnected {
                None => (MemberState::Draining, StateReason::Left),
                Some(reason) => (MemberState::Down, StateReason::Disconnected(reason)),
            };
            let mut status = entry.status(false);
            status.slow_start = None;
            events.push(status.turn(state, reason, now));
            self.former.push(status);
        }
    }

    fn statuses(&self) -> Vec<MemberStatus> {
        let fit = || self.entries.iter().filter(|entry| entry.known.weight > 0);
        let count = |state| fit().filter(|entry| entry.state == state).count();
        let (all, silent) = (fit().count(), count(MemberState::Suspect));
        let all_are_silent = silent == all;
        let too_many_are_ejected = 2 * count(MemberState::Ejected) > all - silent;
        let takes_calls = |entry: &Entry| {
            entry.known.weight > 0
                && match entry.state {
                    MemberState::Suspect => all_are_silent,
                    MemberState::Ejected => too_many_are_ejected,
                    _ => true,
                }
        };
        let status = |entry: &Entry| entry.status(takes_calls(entry));
        self.entries.iter().map(status).collect()
    }

    fn plan_comparison(&mut self, now: Instant) {
        if let Some(ejection) = &self.health.ejection {
            self.next_comparison = deadline::after(now, ejection.interval);
        }
    }

    fn next(&self) -> Option<Instant> {
        let comparison = self.health.ejection.as_ref().map(|_| self.next_comparison);
        let entries = self.entries.iter().filter_map(Entry::next);
        let former = self.former.next();
        entries.chain(comparison).chain(former).min()
    }

    fn place(&self, node: &NodeName) -> Option<usize> {
        find(&self.entries, node)
    }
}

fn find(entries: &[Entry], node: &NodeName) -> Option<usize> {
    entries
        .binary_search_by(|entry| entry.known.node.cmp(node))
        .ok()
}

#[cfg(test)]
mod tests;
