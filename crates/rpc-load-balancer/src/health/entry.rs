//! What a balancer knows of one member.

use std::time::Duration;

use beam_node::DownReason;
use tokio::time::Instant;

use super::{
    Ejection, Health, Known, MemberEvent, MemberState, MemberStatus, Sight, StateReason,
    absent::{Past, is_lost},
};
use crate::{deadline, members::SlowStart};

/// What is known of a member.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) known: Known,
    pub(super) state: MemberState,
    reason: StateReason,
    since: Instant,
    /// Since when nothing has come from it, where it is suspect.
    silent_since: Option<Instant>,
    ejected: Option<Ejected>,
    /// How often it was ejected of late, or lost.
    pub(super) lapses: u32,
    pub(super) slow_start: Option<SlowStart>,
    /// Whether it is another incarnation than at the last look, or has another connection. How calls
    /// went before says nothing of it.
    pub(super) is_back: bool,
}

#[derive(Debug)]
struct Ejected {
    since: Instant,
    until: Instant,
    reason: StateReason,
}

/// For how long a member that refused a call is used less.
const BACK_OFF: Duration = Duration::from_secs(1);

impl Entry {
    /// A member that is not up yet; [`settle`](Self::settle) says so. It may have been one before.
    pub(super) fn new(known: Known, past: Option<Past>, now: Instant, health: &Health) -> Self {
        let creation = known.creation;
        let mut entry = Self {
            known,
            state: MemberState::Down,
            reason: StateReason::Joined,
            since: now,
            silent_since: None,
            ejected: None,
            lapses: 0,
            slow_start: None,
            is_back: false,
        };
        if let Some(past) = past {
            let is_another = past.creation != creation;
            entry.lapses = past.lapses;
            if past.was_lost || is_another && !past.left {
                entry.be_back(now, health);
            }
        }
        entry
    }

    /// It is a member still, or again: its connection may have ended meanwhile.
    pub(super) fn meet_again(
        &mut self,
        known: Known,
        ended: Option<&DownReason>,
        now: Instant,
        health: &Health,
    ) {
        let is_another = known.creation != self.known.creation;
        self.known = known;
        if !is_another && ended.is_none() {
            return;
        }
        self.is_back = true;
        if is_another || ended.is_some_and(is_lost) {
            self.ejected = None;
            self.since = now;
            self.be_back(now, health);
        }
    }

    /// It was lost, and is back: little by little, or after a while where that happens again and again.
    fn be_back(&mut self, now: Instant, health: &Health) {
        match (&health.ejection, self.lapses) {
            (Some(ejection), 1..) => {
                // The first one had no ejection.
                self.lapses -= 1;
                self.eject(now, ejection, StateReason::Unsteady);
                self.lapses = self.lapses.saturating_add(1);
            }
            _ => {
                self.lapses = self.lapses.saturating_add(1);
                self.slow_start = SlowStart::new(now, health.slow_start);
            }
        }
    }

    pub(super) fn eject(&mut self, now: Instant, ejection: &Ejection, reason: StateReason) {
        // What fails meanwhile was sent before.
        if self.ejected.is_some() {
            return;
        }
        let until = deadline::after(now, ejection.duration(self.lapses));
        self.lapses = self.lapses.saturating_add(1);
        self.slow_start = None;
        self.ejected = Some(Ejected {
            since: now,
            until,
            reason,
        });
    }

    /// A comparison has found nothing.
    pub(super) fn is_found_well(&mut self, now: Instant, ejection: &Ejection) {
        // One that has just come back has shown nothing yet.
        if self.ejected.is_none() && now >= deadline::after(self.since, ejection.interval) {
            self.lapses = self.lapses.saturating_sub(1);
        }
    }

    /// The member refused a call, as it serves too many.
    pub(super) fn back_off(&mut self, now: Instant) {
        // Not anew with each refusal, which would be a change of the members each time.
        if self
            .slow_start
            .is_none_or(|start| start.end() < now + BACK_OFF / 2)
        {
            self.slow_start = SlowStart::new(now, BACK_OFF);
        }
    }

    /// Ends what is over.
    pub(super) fn pass_time(&mut self, now: Instant, health: &Health) {
        if self
            .ejected
            .as_ref()
            .is_some_and(|ejected| ejected.until <= now)
        {
            self.ejected = None;
            self.slow_start = SlowStart::new(now, health.slow_start);
        }
        if self.slow_start.is_some_and(|start| start.end() <= now) {
            self.slow_start = None;
        }
    }

    pub(super) fn note_silence(&mut self, sight: &Sight<'_>, health: &Health) {
        let before = self.silent_since;
        self.silent_since = sight.suspects.get(&self.known.node).copied();
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
                self.lapses = self.lapses.saturating_sub(1);
            }
            self.slow_start = SlowStart::new(sight.now, health.slow_start);
        }
    }

    /// The state that follows, and what is to be told of it.
    pub(super) fn settle(&mut self, now: Instant) -> Option<MemberEvent> {
        let (state, reason) = match (&self.silent_since, &self.ejected) {
            (Some(_), _) => (MemberState::Suspect, StateReason::Silent),
            (None, Some(ejected)) => (MemberState::Ejected, ejected.reason.clone()),
            (None, None) => (MemberState::Up, self.reason_to_be_up()),
        };
        if state == self.state {
            return None;
        }
        let before = (self.state != MemberState::Down).then_some(self.state);
        self.state = state;
        self.reason = reason.clone();
        self.since = now;
        Some(MemberEvent {
            node: self.known.node.clone(),
            before,
            state,
            reason,
            since: now,
            weight: self.known.weight,
        })
    }

    fn reason_to_be_up(&self) -> StateReason {
        match self.state {
            MemberState::Suspect => StateReason::Heard,
            MemberState::Ejected => StateReason::Readmitted,
            _ => StateReason::Joined,
        }
    }

    pub(super) fn status(&self, takes_calls: bool) -> MemberStatus {
        MemberStatus {
            node: self.known.node.clone(),
            weight: self.known.weight,
            metadata: self.known.metadata.clone(),
            state: self.state,
            reason: self.reason.clone(),
            since: self.since,
            takes_calls,
            slow_start: self.slow_start,
        }
    }

    /// When something about it is over.
    pub(super) fn next(&self) -> Option<Instant> {
        let until = self.ejected.as_ref().map(|ejected| ejected.until);
        let end = self.slow_start.map(|start| start.end());
        until.into_iter().chain(end).min()
    }
}
