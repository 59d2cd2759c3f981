//! When a peer that says nothing is suspect.
//!
//! A process that was stopped, a machine that froze, or a cable that was cut leaves its connections
//! open. The [net tick](beam_dist::tick) notices that after a minute; whoever picks members for calls
//! has to know within a second. So a link on which nothing comes is probed, and a peer that does not
//! answer is suspect until it does. The link itself lives on.
//!
//! Any byte is a sign of life of a peer that is none; a suspect has to answer a probe that it was sent as one.
//! After a cut, TCP sends again in one direction first. Who hears something then, be it the answer to a probe
//! from before the cut, may not be heard for as long again as the cut lasted, and calls would wait for that.

use std::time::Duration;

use tokio::time::Instant;

/// When a silent peer becomes suspect, and what becomes of calls to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SilencePolicy {
    /// How long a peer may say nothing. `None`: for as long as the link lives.
    pub(crate) suspect_after: Option<Duration>,
    /// How much longer calls wait for a suspect. `None`: as long as for any other peer.
    pub(crate) call_grace: Option<Duration>,
}

impl SilencePolicy {
    /// How long a peer may say nothing, unless told otherwise.
    pub(crate) const DEFAULT_SUSPECT_AFTER: Duration = Duration::from_secs(1);

    /// A shorter time would make a suspect of every peer whose processor is busy with something else.
    pub(crate) const MIN_SUSPECT_AFTER: Duration = Duration::from_millis(20);
}

impl Default for SilencePolicy {
    fn default() -> Self {
        Self {
            suspect_after: Some(Self::DEFAULT_SUSPECT_AFTER),
            call_grace: None,
        }
    }
}

/// A peer is given at least so many of its usual round trips to answer a probe.
const ROUND_TRIPS: u32 = 4;

/// Longer than this is never, and still an instant that clocks can tell.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How much a new round trip counts for the usual one: one part in so many, as in TCP (RFC 6298).
const SMOOTHING: u32 = 8;

/// The silence of one peer. It has no time of its own; it is told.
///
/// Half of the time that a peer may be silent passes before it is probed, and the other half is for its
/// answer. Only a probe that was sent and not answered makes a peer suspect, so that a node that was
/// itself stopped for a while does not blame its peers; nor does one that was slow to write the probe.
#[derive(Debug)]
pub(super) struct Silence {
    suspect_after: Option<Duration>,
    /// When something came last.
    heard: Instant,
    /// Since when a probe has waited for anything to come.
    waiting_since: Option<Instant>,
    /// When the probe was sent that has no answer of its own.
    asked: Option<Instant>,
    /// The usual round trip.
    round_trip: Duration,
    is_suspect: bool,
    /// Whether anything was written since it was last looked whether this node is behind.
    has_written: bool,
    /// The most that the round trip of the probe under way counts for, where the peer became suspect
    /// meanwhile.
    most: Option<Duration>,
}

/// What is to be done about a silent peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing until [`Silence::deadline`].
    Wait,
    /// A probe is to be sent, and [`Silence::asked`] called.
    Probe,
    /// The peer has become suspect.
    Suspect(Silent),
}

/// For how long a peer has been silent that is suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silent {
    /// Since when nothing has come from it, be it no answer.
    pub(super) since: Instant,
    /// Since when a probe has had no answer. It may have said something meanwhile that is none. As long as it
    /// takes of what fills the socket, this is put off.
    pub(super) unanswered_since: Instant,
}

impl Silence {
    /// A link that is open since `now`, after a handshake in which a round trip took so long.
    pub(super) fn new(policy: SilencePolicy, round_trip: Duration, now: Instant) -> Self {
        let suspect_after = policy.suspect_after.map(|silence| silence.min(LONGEST));
        Self {
            suspect_after,
            heard: now,
            waiting_since: None,
            asked: None,
            // One of the two may have been stopped meanwhile.
            round_trip: suspect_after.map_or(round_trip, |after| round_trip.min(after / 2)),
            is_suspect: false,
            has_written: false,
            most: None,
        }
    }

    /// Something came, be it a part of a frame. Tells whether the peer is suspect all the same.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        self.heard = now;
        self.waiting_since = None;
        self.is_suspect
    }

    /// Something was written: the peer takes what it is sent, or the network on its way.
    pub(super) fn wrote(&mut self) {
        self.has_written = true;
    }

    /// This node looks at the peer, some of whose messages it may have left unread or not handled, as
    /// the peer has not taken enough of its answers. Tells whether the peer was suspect until now.
    ///
    /// The answer to a probe may be among those messages, so that they are no silence. But they may
    /// as well be the last of a peer that froze: only one that takes its answers meanwhile is alive.
    pub(super) fn looked(&mut self, now: Instant, is_behind: bool) -> bool {
        let has_written = std::mem::take(&mut self.has_written);
        is_behind && has_written && {
            self.heard(now);
            std::mem::take(&mut self.is_suspect)
        }
    }

    /// A probe was queued, or some of what comes before it was written, or all of it.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked = Some(now);
        self.waiting_since = Some(now);
    }

    /// The answer to the probe came, which tells the round trip and is a sign of life. Tells whether the peer is
    /// suspect.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        if let Some(asked) = self.asked.take() {
            let took = now.saturating_duration_since(asked);
            // That the peer was stopped says nothing of the way to it. A way that is as long as that is
            // learned all the same, in a few steps.
            let took = self.most.take().map_or(took, |most| took.min(most));
            self.round_trip = (self.round_trip * (SMOOTHING - 1) + took) / SMOOTHING;
        }
        self.heard(now)
    }

    /// The peer has answered as a suspect, and is none any more.
    pub(super) fn recovered(&mut self) {
        self.is_suspect = false;
    }

    /// What is to be done at this time.
    pub(super) fn poll(&mut self, now: Instant) -> Step {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Step::Wait;
        }
        match (self.asked, self.waiting_since) {
            (None, _) => Step::Probe,
            (Some(_), None) => {
                // The answer of an earlier probe is late, though other things came; one is enough.
                self.waiting_since = Some(now);
                Step::Wait
            }
            // So a suspect has been asked.
            (Some(asked), Some(_)) => {
                self.is_suspect = true;
                self.most = self.suspect_after.map(|after| self.patience(after) / 2);
                Step::Suspect(Silent {
                    since: self.heard,
                    unanswered_since: asked,
                })
            }
        }
    }

    /// When there is something to be done if nothing comes until then.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let suspect_after = self.suspect_after?;
        if self.is_suspect {
            return None;
        }
        Some(match self.waiting_since {
            None => self.heard + suspect_after / 2,
            Some(since) => since + self.patience(suspect_after),
        })
    }

    /// How long the answer to a probe may take.
    fn patience(&self, suspect_after: Duration) -> Duration {
        (suspect_after / 2).max(self.round_trip.saturating_mul(ROUND_TRIPS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn policy() -> SilencePolicy {
        SilencePolicy {
            suspect_after: Some(1_000 * MS),
            call_grace: None,
        }
    }

    /// A link whose usual round trip is known.
    fn usual(round_trip: Duration) -> (Silence, Instant) {
        let start = Instant::now();
        (Silence::new(policy(), round_trip, start), start)
    }

    fn suspect(since: Instant, unanswered_since: Instant) -> Step {
        Step::Suspect(Silent {
            since,
            unanswered_since,
        })
    }

    #[test]
    fn a_quiet_peer_is_probed_and_one_that_answers_is_not_suspect() {
        let (mut silence, start) = usual(MS);
        assert_eq!(silence.poll(start + 499 * MS), Step::Wait);
        assert_eq!(silence.poll(start + 500 * MS), Step::Probe);
        silence.asked(start + 500 * MS);
        assert!(!silence.heard(start + 501 * MS));
        silence.answered(start + 501 * MS);
        assert_eq!(silence.poll(start + 1_000 * MS), Step::Wait);
        assert_eq!(silence.deadline(), Some(start + 1_001 * MS));
    }

    #[test]
    fn a_peer_that_answers_nothing_is_suspect_after_the_time_set_until_it_does() {
        let (mut silence, start) = usual(MS);
        silence.asked(start + 500 * MS);
        assert_eq!(silence.poll(start + 999 * MS), Step::Wait);
        let suspect = suspect(start, start + 500 * MS);
        assert_eq!(silence.poll(start + 1_000 * MS), suspect);
        assert_eq!(silence.poll(start + 90_000 * MS), Step::Wait);
        assert_eq!(silence.deadline(), None);
        // Whether it hears this node is not known yet.
        assert!(silence.heard(start + 90_001 * MS));
        assert_eq!(silence.deadline(), None);
        assert!(silence.heard(start + 90_002 * MS));
        assert!(silence.answered(start + 90_002 * MS));
        // That answer may be from before a cut.
        silence.asked(start + 90_002 * MS);
        assert_eq!(silence.deadline(), None);
        assert!(silence.answered(start + 90_003 * MS));
        silence.recovered();
        assert!(!silence.heard(start + 90_003 * MS));
        assert_eq!(silence.deadline(), Some(start + 90_503 * MS));
    }

    #[test]
    fn a_distant_peer_has_four_of_its_round_trips_to_answer() {
        let (mut silence, start) = usual(300 * MS);
        silence.asked(start + 500 * MS);
        assert_eq!(silence.deadline(), Some(start + 1_700 * MS));
        // One faster answer does not make it a near one.
        silence.heard(start + 504 * MS);
        silence.answered(start + 504 * MS);
        silence.asked(start + 1_004 * MS);
        assert_eq!(silence.deadline(), Some(start + 2_056 * MS));
    }

    #[test]
    fn a_handshake_during_which_a_node_was_stopped_does_not_make_the_way_long() {
        let (mut silence, start) = usual(4_000 * MS);
        silence.asked(start + 500 * MS);
        assert_eq!(silence.deadline(), Some(start + 2_500 * MS));
    }

    #[test]
    fn the_time_for_an_answer_begins_when_the_probe_is_written() {
        for is_answered in [false, true] {
            let (mut silence, start) = usual(MS);
            silence.asked(start + 500 * MS);
            // What was queued before it takes a while.
            for written in [700, 900, 1_300] {
                silence.asked(start + written * MS);
            }
            if is_answered {
                assert!(!silence.answered(start + 1_301 * MS));
                assert!(silence.round_trip <= MS);
            }
            assert_eq!(silence.poll(start + 1_799 * MS), Step::Wait);
            // One that has answered is asked again before it is suspect.
            let step = match is_answered {
                true => Step::Probe,
                false => suspect(start, start + 1_300 * MS),
            };
            assert_eq!(silence.poll(start + 1_801 * MS), step);
        }
    }

    #[test]
    fn that_a_peer_was_stopped_does_not_make_the_way_to_it_long() {
        let (mut silence, start) = usual(MS);
        silence.asked(start + 500 * MS);
        let suspect = suspect(start, start + 500 * MS);
        assert_eq!(silence.poll(start + 1_000 * MS), suspect);
        let resumed = start + 60_000 * MS;
        assert!(silence.answered(resumed));
        silence.recovered();
        silence.asked(resumed + 500 * MS);
        assert_eq!(silence.deadline(), Some(resumed + 1_000 * MS));
    }

    #[test]
    fn a_way_that_is_always_long_is_learned() {
        let start = Instant::now();
        let (mut silence, mut now, mut suspected) =
            (Silence::new(policy(), 3_000 * MS, start), start, 0);
        for _ in 0..30 {
            silence.asked(now);
            let answered = now + 3_000 * MS;
            if let Some(deadline) = silence.deadline()
                && deadline < answered
            {
                assert!(matches!(silence.poll(deadline), Step::Suspect(_)));
                suspected += 1;
            }
            silence.heard(answered);
            silence.answered(answered);
            now = answered + 500 * MS;
        }
        assert!((1..10).contains(&suspected), "{suspected}");
    }

    #[test]
    fn a_node_that_was_stopped_itself_asks_before_it_suspects() {
        let (mut silence, start) = usual(MS);
        let resumed = start + 60_000 * MS;
        assert_eq!(silence.poll(resumed), Step::Probe);
        silence.asked(resumed);
        assert_eq!(silence.poll(resumed + 499 * MS), Step::Wait);
        assert_eq!(silence.poll(resumed + 500 * MS), suspect(start, resumed));
    }

    #[test]
    fn there_is_one_probe_at_a_time_though_its_answer_be_late() {
        let (mut silence, start) = usual(MS);
        silence.asked(start + 500 * MS);
        // A part of a large message came, not the answer.
        silence.heard(start + 600 * MS);
        assert_eq!(silence.poll(start + 1_100 * MS), Step::Wait);
        assert_eq!(silence.deadline(), Some(start + 1_600 * MS));
        let suspect = suspect(start + 600 * MS, start + 500 * MS);
        assert_eq!(silence.poll(start + 1_600 * MS), suspect);
    }

    #[test]
    fn a_peer_that_takes_its_answers_is_not_suspect_while_this_node_is_behind() {
        let (mut silence, start) = usual(MS);
        silence.asked(start + 500 * MS);
        for now in (600..5_000).step_by(400).map(|ms| start + ms * MS) {
            silence.wrote();
            assert!(!silence.looked(now, true));
            assert_eq!(silence.poll(now), Step::Wait);
        }
    }

    #[test]
    fn what_a_frozen_peer_said_last_and_nobody_read_is_no_sign_of_life_for_ever() {
        let (mut silence, start) = usual(MS);
        silence.wrote();
        assert!(!silence.looked(start + 500 * MS, true));
        assert_eq!(silence.poll(start + 999 * MS), Step::Wait);
        assert!(!silence.looked(start + 1_000 * MS, true));
        assert_eq!(silence.poll(start + 1_000 * MS), Step::Probe);
        silence.asked(start + 1_000 * MS);
        assert!(!silence.looked(start + 1_500 * MS, true));
        let suspect = suspect(start + 500 * MS, start + 1_000 * MS);
        assert_eq!(silence.poll(start + 1_500 * MS), suspect);
        // It takes some of its answers, and is none any more.
        silence.wrote();
        assert!(silence.looked(start + 1_600 * MS, true));
    }

    #[test]
    fn that_something_was_written_is_no_sign_of_life_where_this_node_is_not_behind() {
        let (mut silence, start) = usual(MS);
        silence.asked(start + 500 * MS);
        silence.wrote();
        assert!(!silence.looked(start + 1_000 * MS, false));
        let suspect = suspect(start, start + 500 * MS);
        assert_eq!(silence.poll(start + 1_000 * MS), suspect);
    }

    #[test]
    fn nobody_is_suspect_where_no_time_is_set() {
        let start = Instant::now();
        let policy = SilencePolicy {
            suspect_after: None,
            call_grace: None,
        };
        let mut silence = Silence::new(policy, MS, start);
        assert_eq!(silence.deadline(), None);
        assert_eq!(silence.poll(start + 90_000 * MS), Step::Wait);
    }
}
