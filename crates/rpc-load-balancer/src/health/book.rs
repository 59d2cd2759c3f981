//! The states of the members of one balancer, and what follows from them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beam_dist::NodeName;
use beam_node::{DownReason, Suspects};
use beam_term::Term;
use tokio::time::Instant;

use super::{
    Health, MemberEvent, MemberState, MemberStatus, Record, Reports, StateReason, outliers,
};
use crate::{
    deadline,
    members::{Candidate, SlowStart},
};

/// The states of the members of a balancer. It has no time of its own; it is told.
#[derive(Debug)]
pub(crate) struct Book {
    health: Health,
    entries: BTreeMap<NodeName, Entry>,
    former: Vec<MemberStatus>,
    next_comparison: Instant,
}

/// What is known of a member.
#[derive(Debug)]
struct Entry {
    state: MemberState,
    reason: StateReason,
    since: Instant,
    /// Since when nothing has come from it, where it is suspect.
    silent_since: Option<Instant>,
    ejected: Option<Ejected>,
    /// How often it was ejected of late.
    ejections: u32,
    slow_start: Option<SlowStart>,
    is_member: bool,
}

#[derive(Debug)]
struct Ejected {
    since: Instant,
    until: Instant,
    reason: StateReason,
}

/// A member of the group, and what it publishes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) node: NodeName,
    pub(crate) weight: u32,
    pub(crate) metadata: Option<Term>,
}

/// What there is to see at one moment.
pub(crate) struct Sight<'a> {
    pub(crate) now: Instant,
    /// Sorted by name.
    pub(crate) members: Vec<Known>,
    pub(crate) suspects: &'a Suspects,
    /// Why there is no connection to a node; `None` where there is one.
    pub(crate) disconnected: &'a dyn Fn(&NodeName) -> Option<DownReason>,
    pub(crate) records: &'a dyn Records,
}

/// The records of the members that take calls.
pub(crate) trait Records {
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

/// For how long those who left are remembered, and how many of them.
const REMEMBERED: Duration = Duration::from_secs(60);
const MOST_FORMER: usize = 256;

/// For how long a member that refused a call is used less.
const BACK_OFF: Duration = Duration::from_secs(1);

impl Book {
    pub(crate) fn new(health: Health, now: Instant) -> Self {
        let mut book = Self {
            health,
            entries: BTreeMap::new(),
            former: Vec::new(),
            next_comparison: now,
        };
        book.plan_comparison(now);
        book
    }

    /// Takes in what there is to see.
    pub(crate) fn observe(&mut self, sight: Sight<'_>) -> Observed {
        let mut events = Vec::new();
        self.note_members(&sight);
        self.note_records(&sight);
        for entry in self.entries.values_mut() {
            entry.pass_time(sight.now, self.health.slow_start);
        }
        for (node, entry) in &mut self.entries {
            entry.note_silence(&sight, node, self.health.slow_start);
            events.extend(entry.settle(node, sight.now));
        }
        self.note_former(&sight, &mut events);

        let members = self.statuses(&sight.members);
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
            former: self.former.as_slice().into(),
            events,
            next: self.next(),
        }
    }

    fn note_members(&mut self, sight: &Sight<'_>) {
        for entry in self.entries.values_mut() {
            entry.is_member = false;
        }
        for Known { node, .. } in &sight.members {
            match self.entries.get_mut(node) {
                Some(entry) => entry.is_member = true,
                None => {
                    self.entries.insert(node.clone(), Entry::new(sight.now));
                }
            }
        }
    }

    /// Looks at how calls went: first at those who failed again and again, then at those who differ.
    fn note_records(&mut self, sight: &Sight<'_>) {
        let now = sight.now;
        let is_due = self.health.ejection.is_some() && now >= self.next_comparison;
        let (mut nodes, mut windows) = (Vec::new(), Vec::new());
        let reports = sight.records.reports();
        sight.records.each_record(&mut |node, record| {
            let Some(entry) = self.entries.get_mut(node) else {
                return;
            };
            if record.take_refusal() {
                entry.back_off(now);
            }
            if let Some(ejection) = &self.health.ejection
                && let Some(failures) = record.take_failures(reports)
            {
                let reason = StateReason::FailuresInARow(failures);
                entry.eject(now, ejection.duration(entry.ejections), reason);
            }
            if is_due {
                nodes.push(node.clone());
                windows.push(record.take_window());
            }
        });
        if !is_due {
            return;
        }
        self.plan_comparison(now);
        let Some(ejection) = &self.health.ejection else {
            return;
        };
        let mut found: BTreeMap<usize, StateReason> =
            outliers::outliers(&windows, ejection).into_iter().collect();
        for (index, node) in nodes.iter().enumerate() {
            let Some(entry) = self.entries.get_mut(node) else {
                continue;
            };
            match found.remove(&index) {
                Some(reason) => entry.eject(now, ejection.duration(entry.ejections), reason),
                None if entry.ejected.is_none() => {
                    entry.ejections = entry.ejections.saturating_sub(1);
                }
                None => {}
            }
        }
    }

    /// Moves those who left from the members to the former ones.
    fn note_former(&mut self, sight: &Sight<'_>, events: &mut Vec<MemberEvent>) {
        let now = sight.now;
        self.former.retain(|former| {
            !self.entries.contains_key(&former.node) && now < former.since + REMEMBERED
        });
        for former in &mut self.former {
            if former.state == MemberState::Draining
                && let Some(reason) = (sight.disconnected)(&former.node)
            {
                let reason = StateReason::Disconnected(reason);
                events.push(former.turn(MemberState::Down, reason, now));
            }
        }
        let left = self.entries.extract_if(.., |_, entry| !entry.is_member);
        for (node, entry) in left {
            let mut status = MemberStatus {
                node,
                weight: 0,
                metadata: None,
                state: entry.state,
                reason: entry.reason,
                since: entry.since,
                takes_calls: false,
                slow_start: None,
            };
            events.push(match (sight.disconnected)(&status.node) {
                None => status.turn(MemberState::Draining, StateReason::Left, now),
                Some(reason) => {
                    let reason = StateReason::Disconnected(reason);
                    status.turn(MemberState::Down, reason, now)
                }
            });
            self.former.push(status);
        }
        let surplus = self.former.len().saturating_sub(MOST_FORMER);
        self.former.drain(..surplus);
    }

    fn statuses(&self, members: &[Known]) -> Vec<MemberStatus> {
        let entry = |known: &Known| self.entries.get(&known.node);
        let could = |known: &&Known| known.weight > 0;
        let is_in = |known: &Known, state| entry(known).is_some_and(|entry| entry.state == state);
        let fit = members.iter().filter(could);
        let (all, silent, ejected) = fit.fold((0, 0, 0), |(all, silent, ejected), known| {
            (
                all + 1,
                silent + usize::from(is_in(known, MemberState::Suspect)),
                ejected + usize::from(is_in(known, MemberState::Ejected)),
            )
        });
        let all_are_silent = silent == all;
        let too_many_are_ejected = 2 * ejected > all - silent;
        let takes_calls = |known: &Known, state| {
            known.weight > 0
                && match state {
                    MemberState::Suspect => all_are_silent,
                    MemberState::Ejected => too_many_are_ejected,
                    _ => true,
                }
        };
        members
            .iter()
            .filter_map(|known| entry(known).map(|entry| (known, entry)))
            .map(|(known, entry)| MemberStatus {
                node: known.node.clone(),
                weight: known.weight,
                metadata: known.metadata.clone(),
                state: entry.state,
                reason: entry.reason.clone(),
                since: entry.since,
                takes_calls: takes_calls(known, entry.state),
                slow_start: entry.slow_start,
            })
            .collect()
    }

    fn plan_comparison(&mut self, now: Instant) {
        if let Some(ejection) = &self.health.ejection {
            self.next_comparison = deadline::after(now, ejection.interval);
        }
    }

    fn next(&self) -> Option<Instant> {
        let comparison = self.health.ejection.as_ref().map(|_| self.next_comparison);
        let readmissions = self.entries.values().filter_map(|entry| {
            let until = entry.ejected.as_ref().map(|ejected| ejected.until);
            let end = entry.slow_start.map(|start| start.end());
            until.into_iter().chain(end).min()
        });
        let forgotten = self.former.iter().map(|former| former.since + REMEMBERED);
        comparison
            .into_iter()
            .chain(readmissions)
            .chain(forgotten)
            .min()
    }
}

impl Entry {
    /// A member that is not up yet; [`settle`](Self::settle) says so.
    fn new(now: Instant) -> Self {
        Self {
            state: MemberState::Down,
            reason: StateReason::Joined,
            since: now,
            silent_since: None,
            ejected: None,
            ejections: 0,
            slow_start: None,
            is_member: true,
        }
    }

    fn eject(&mut self, now: Instant, duration: Duration, reason: StateReason) {
        // What fails meanwhile was sent before.
        if self.ejected.is_some() {
            return;
        }
        self.ejections = self.ejections.saturating_add(1);
        self.slow_start = None;
        self.ejected = Some(Ejected {
            since: now,
            until: deadline::after(now, duration),
            reason,
        });
    }

    /// The member refused a call, as it serves too many.
    fn back_off(&mut self, now: Instant) {
        // Not anew with each refusal, which would be a change of the members each time.
        if self
            .slow_start
            .is_none_or(|start| start.end() < now + BACK_OFF / 2)
        {
            self.slow_start = SlowStart::new(now, BACK_OFF);
        }
    }

    /// Ends what is over.
    fn pass_time(&mut self, now: Instant, slow_start: Duration) {
        if self
            .ejected
            .as_ref()
            .is_some_and(|ejected| ejected.until <= now)
        {
            self.ejected = None;
            self.slow_start = SlowStart::new(now, slow_start);
        }
        if self.slow_start.is_some_and(|start| start.end() <= now) {
            self.slow_start = None;
        }
    }

    fn note_silence(&mut self, sight: &Sight<'_>, node: &NodeName, slow_start: Duration) {
        let before = self.silent_since;
        self.silent_since = sight.suspects.get(node).copied();
        if let Some(silent_since) = before
            && self.silent_since.is_none()
        {
            // Calls that failed since then did so because of that, and it is over.
            if self
                .ejected
                .as_ref()
                .is_some_and(|ejected| ejected.since >= silent_since)
            {
                self.ejected = None;
                self.ejections = self.ejections.saturating_sub(1);
            }
            self.slow_start = SlowStart::new(sight.now, slow_start);
        }
    }

    /// The state that follows, and what is to be told of it.
    fn settle(&mut self, node: &NodeName, now: Instant) -> Option<MemberEvent> {
        let (state, reason) = match (&self.silent_since, &self.ejected) {
            (Some(_), _) => (MemberState::Suspect, StateReason::Silent),
            (None, Some(ejected)) => (MemberState::Ejected, ejected.reason.clone()),
            (None, None) => (MemberState::Up, self.reason_to_be_up()),
        };
        if state == self.state || !self.is_member {
            return None;
        }
        let before = (self.state != MemberState::Down).then_some(self.state);
        self.state = state;
        self.reason = reason.clone();
        self.since = now;
        Some(MemberEvent {
            node: node.clone(),
            before,
            state,
            reason,
        })
    }

    fn reason_to_be_up(&self) -> StateReason {
        match self.state {
            MemberState::Suspect => StateReason::Heard,
            MemberState::Ejected => StateReason::Readmitted,
            _ => StateReason::Joined,
        }
    }
}

impl MemberStatus {
    fn turn(&mut self, state: MemberState, reason: StateReason, now: Instant) -> MemberEvent {
        let before = std::mem::replace(&mut self.state, state);
        self.reason = reason.clone();
        self.since = now;
        MemberEvent {
            node: self.node.clone(),
            before: Some(before),
            state,
            reason,
        }
    }
}

#[cfg(test)]
mod tests;
