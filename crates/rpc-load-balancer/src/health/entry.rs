//! What a balancer knows of one member.

use std::{mem, time::Duration};

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
    /// Whether nothing was told of it yet.
    is_new: bool,
    /// The weight that was told last.
    told_weight: u32,
    /// When it has gone silent, where it is suspect.
    silent_since: Option<Instant>,
    ejected: Option<Ejected>,
    pub(super) lapses: Lapses,
    pub(super) slow_start: Option<SlowStart>,
    /// Whether it is another incarnation than at the last look, or has another connection. How calls
    /// went before says nothing of it.
    pub(super) is_back: bool,
}

/// What has happened to a member of late; each is forgotten step by step while it is well, and counted
/// no further than to the longest ejection, so that it is not held against it for longer than that was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lapses {
    /// How often it was ejected for how its calls went.
    ejections: u32,
    /// How often it was lost, and came back as another incarnation.
    losses: u32,
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
            is_new: true,
            told_weight: known.weight,
            known,
            state: MemberState::Down,
            reason: StateReason::Joined,
            since: now,
            silent_since: None,
            ejected: None,
            lapses: Lapses::default(),
            slow_start: None,
            is_back: false,
        };
        if let Some(past) = past {
            entry.lapses = past.lapses;
            if past.creation == creation {
                if past.was_lost {
                    entry.start_slowly(now, health);
                }
            } else if !past.left {
                entry.be_started_anew(now, health);
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
            // It was down, though nobody looked.
            self.state = MemberState::Down;
            self.since = now;
            match is_another {
                true => self.be_started_anew(now, health),
                // That the same incarnation is back shows that it lived on, and the network is at fault.
                false => self.start_slowly(now, health),
            }
        }
    }

    fn start_slowly(&mut self, now: Instant, health: &Health) {
        self.slow_start = SlowStart::new(now, health.slow_start);
    }

    /// Its process died, and another incarnation is there: it starts slowly, or after a while where that
    /// happens again and again. What was stopped in order and started anew between two looks is taken for
    /// the same, see [the module](super).
    fn be_started_anew(&mut self, now: Instant, health: &Health) {
        let losses = self.lapses.losses;
        let most = health.ejection.as_ref().map_or(0, Ejection::most_lapses);
        self.lapses.losses = losses.saturating_add(1).min(most);
        match (&health.ejection, losses.checked_sub(1)) {
            // The first loss is none that repeats itself.
            (Some(ejection), Some(before)) => {
                self.put_out(now, ejection.duration(before), StateReason::Unsteady);
            }
            _ => self.start_slowly(now, health),
        }
    }

    /// Its calls did not go well.
    pub(super) fn eject(&mut self, now: Instant, ejection: &Ejection, reason: StateReason) {
        // What fails meanwhile was sent before.
        if self.ejected.is_some() {
            return;
        }
        let before = self.lapses.ejections;
        self.lapses.ejections = before.saturating_add(1).min(ejection.most_lapses());
        self.put_out(now, ejection.duration(before), reason);
    }

    fn put_out(&mut self, now: Instant, duration: Duration, reason: StateReason) {
        self.slow_start = None;
        self.ejected = Some(Ejected {
            since: now,
            until: deadline::after(now, duration),
            reason,
        });
    }

    /// A comparison has found nothing.
    pub(super) fn is_found_well(&mut self, now: Instant, ejection: &Ejection) {
        // One that has just come back has shown nothing yet.
        if self.ejected.is_none() && now >= deadline::after(self.since, ejection.interval) {
            let Lapses { ejections, losses } = &mut self.lapses;
            *ejections = ejections.saturating_sub(1);
            *losses = losses.saturating_sub(1);
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
            self.start_slowly(now, health);
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
            // Calls that failed since then did so because of that, and it is over. That its process died
            // is not.
            let explained =
                |it: &mut Ejected| it.since >= silent_since && it.reason != StateReason::Unsteady;
            if self.ejected.take_if(explained).is_some() {
                self.lapses.ejections = self.lapses.ejections.saturating_sub(1);
            }
            self.start_slowly(sight.now, health);
        }
    }

    /// The state that follows, and what is to be told of it.
    pub(super) fn settle(&mut self, now: Instant) -> Option<MemberEvent> {
        let (state, reason) = match (&self.silent_since, &self.ejected) {
            (Some(_), _) => (MemberState::Suspect, StateReason::Silent),
            (None, Some(ejected)) => (MemberState::Ejected, ejected.reason.clone()),
            (None, None) => (MemberState::Up, self.reason_to_be_up()),
        };
        let told_weight = mem::replace(&mut self.told_weight, self.known.weight);
        let before = (!mem::take(&mut self.is_new)).then_some(self.state);
        if state != self.state {
            self.state = state;
            self.reason = reason;
            self.since = now;
        } else if self.known.weight == told_weight {
            return None;
        }
        Some(MemberEvent {
            node: self.known.node.clone(),
            before,
            state,
            reason: self.reason.clone(),
            since: self.since,
            weight: self.known.weight,
            metadata: self.known.metadata.clone(),
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
