//! When to send a tick, and when to give up a peer that has gone silent.
//!
//! Both ends of a link see to it that they send something at least every quarter of the net tick
//! time: a tick, which is an empty frame, if there is nothing else. An end that receives nothing for
//! the whole of that time takes the other for dead. OTP looks at its links only once a quarter and
//! so takes one quarter more or less; here it is always one more, so that a tick of OTP that comes
//! at the last moment is in time. See `net_ticktime` in the reference of OTP's application `kernel`.

use std::time::{Duration, Instant};

/// How often a link must carry something.
///
/// All nodes of a cluster should have the same; an end that ticks more seldom than the other expects
/// is taken for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickPolicy {
    quarter: Duration,
}

impl TickPolicy {
    /// The net tick time of OTP unless it is told otherwise.
    pub const DEFAULT_NET_TICKTIME: Duration = Duration::from_secs(60);

    /// The shortest net tick time; shorter ones are taken for this one.
    pub const MIN_NET_TICKTIME: Duration = Duration::from_millis(40);

    /// The longest net tick time; longer ones are taken for this one.
    pub const MAX_NET_TICKTIME: Duration = Duration::from_secs(24 * 60 * 60);

    /// A policy of this net tick time.
    pub fn new(net_ticktime: Duration) -> Self {
        let net_ticktime = net_ticktime.clamp(Self::MIN_NET_TICKTIME, Self::MAX_NET_TICKTIME);

        Self {
            quarter: net_ticktime / 4,
        }
    }

    /// How long an end may send nothing: a quarter of the net tick time.
    pub const fn interval(self) -> Duration {
        self.quarter
    }

    /// How long an end may receive nothing: the net tick time and a quarter.
    pub const fn patience(self) -> Duration {
        self.quarter.saturating_mul(5)
    }
}

impl Default for TickPolicy {
    fn default() -> Self {
        Self::new(Self::DEFAULT_NET_TICKTIME)
    }
}

/// The clock of one end of a link. It has no time of its own; it is told.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use beam_dist::tick::{LinkClock, Tick, TickPolicy};
///
/// let start = Instant::now();
/// let mut clock = LinkClock::new(TickPolicy::default(), start);
/// assert_eq!(clock.deadline(), start + Duration::from_secs(15));
///
/// let now = clock.deadline();
/// assert_eq!(clock.poll(now), Tick::Send);
/// clock.sent(now); // Four bytes of zero, here.
/// assert_eq!(clock.poll(now), Tick::Wait);
/// ```
#[derive(Clone, Debug)]
pub struct LinkClock {
    policy: TickPolicy,
    sent: Instant,
    received: Instant,
}

impl LinkClock {
    /// The clock of a link that is open since `now`.
    pub const fn new(policy: TickPolicy, now: Instant) -> Self {
        Self {
            policy,
            sent: now,
            received: now,
        }
    }

    /// Bytes of any kind were sent, or put where they will be sent before any tick would be.
    ///
    /// A driver that cannot send a tick, because there are bytes before it that the peer does not
    /// take, needs none: it says so here and waits for [`Tick::GiveUp`].
    pub fn sent(&mut self, now: Instant) {
        self.sent = self.sent.max(now);
    }

    /// Bytes of any kind were received, be it a part of a frame.
    pub fn received(&mut self, now: Instant) {
        self.received = self.received.max(now);
    }

    /// What is to be done at this time.
    pub fn poll(&self, now: Instant) -> Tick {
        if now >= self.give_up_at() {
            Tick::GiveUp {
                silent_for: now - self.received,
            }
        } else if now >= self.send_at() {
            Tick::Send
        } else {
            Tick::Wait
        }
    }

    /// When there is something to be done if nothing is sent or received until then.
    pub fn deadline(&self) -> Instant {
        self.send_at().min(self.give_up_at())
    }

    /// When bytes were received last, or the link was opened.
    pub const fn last_received(&self) -> Instant {
        self.received
    }

    fn send_at(&self) -> Instant {
        self.sent + self.policy.interval()
    }

    fn give_up_at(&self) -> Instant {
        self.received + self.policy.patience()
    }
}

/// What the clock of a link asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Nothing until [`LinkClock::deadline`].
    Wait,
    /// A tick is to be sent, and [`LinkClock::sent`] called.
    Send,
    /// The peer is to be taken for dead and the link closed.
    GiveUp {
        /// How long nothing was received.
        silent_for: Duration,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_silent_end_ticks_every_quarter_of_the_net_tick_time() {
        let start = Instant::now();
        let mut clock = LinkClock::new(TickPolicy::default(), start);

        for quarter in 1..=4 {
            let due = start + 15 * quarter * SECOND;
            assert_eq!(clock.deadline(), due);
            assert_eq!(clock.poll(due - NANOSECOND), Tick::Wait);
            assert_eq!(clock.poll(due), Tick::Send);
            clock.sent(due);
            clock.received(due);
        }
    }

    #[test]
    fn an_end_that_sends_anyway_does_not_tick() {
        let start = Instant::now();
        let mut clock = LinkClock::new(TickPolicy::default(), start);

        clock.sent(start + 10 * SECOND);
        assert_eq!(clock.poll(start + 24 * SECOND), Tick::Wait);
        assert_eq!(clock.poll(start + 25 * SECOND), Tick::Send);
    }

    #[test]
    fn a_peer_is_given_up_a_quarter_after_the_net_tick_time() {
        let start = Instant::now();
        let mut clock = LinkClock::new(TickPolicy::default(), start);

        clock.sent(start + 74 * SECOND);
        assert_eq!(clock.poll(start + 75 * SECOND - NANOSECOND), Tick::Wait);
        assert_eq!(clock.deadline(), start + 75 * SECOND);
        let gone = Tick::GiveUp {
            silent_for: 75 * SECOND,
        };
        assert_eq!(clock.poll(start + 75 * SECOND), gone);
    }

    #[test]
    fn any_byte_from_the_peer_keeps_it() {
        let start = Instant::now();
        let mut clock = LinkClock::new(TickPolicy::default(), start);

        clock.received(start + 74 * SECOND);
        clock.sent(start + 148 * SECOND);
        assert_eq!(clock.poll(start + 148 * SECOND), Tick::Wait);
        let gone = Tick::GiveUp {
            silent_for: 75 * SECOND,
        };
        assert_eq!(clock.poll(start + 149 * SECOND), gone);
    }

    #[test]
    fn a_dead_peer_is_given_up_rather_than_ticked() {
        let start = Instant::now();
        let clock = LinkClock::new(TickPolicy::default(), start);

        let gone = Tick::GiveUp {
            silent_for: 80 * SECOND,
        };
        assert_eq!(clock.poll(start + 80 * SECOND), gone);
    }

    #[test]
    fn a_time_from_before_the_last_one_changes_nothing() {
        let start = Instant::now();
        let mut clock = LinkClock::new(TickPolicy::default(), start + SECOND);

        clock.sent(start);
        clock.received(start);
        assert_eq!(clock.deadline(), start + 16 * SECOND);
        assert_eq!(clock.last_received(), start + SECOND);
    }

    #[test]
    fn a_net_tick_time_out_of_range_neither_ticks_without_end_nor_overflows() {
        let shortest = TickPolicy::new(Duration::ZERO);
        assert_eq!(shortest, TickPolicy::new(TickPolicy::MIN_NET_TICKTIME));
        assert!(shortest.interval() > Duration::ZERO);

        let longest = LinkClock::new(TickPolicy::new(Duration::MAX), Instant::now());
        assert_eq!(longest.poll(longest.deadline()), Tick::Send);
    }

    proptest! {
        #[test]
        fn at_its_deadline_a_clock_always_has_something_to_do(
            net_ticktime_ms in 0..100_000_u64,
            sent_ms in 0..100_000_u64,
            received_ms in 0..100_000_u64,
        ) {
            let start = Instant::now();
            let policy = TickPolicy::new(Duration::from_millis(net_ticktime_ms));
            let mut clock = LinkClock::new(policy, start);
            clock.sent(start + Duration::from_millis(sent_ms));
            clock.received(start + Duration::from_millis(received_ms));

            prop_assert_ne!(clock.poll(clock.deadline()), Tick::Wait);
            prop_assert_eq!(clock.poll(clock.deadline() - NANOSECOND), Tick::Wait);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);
    const NANOSECOND: Duration = Duration::from_nanos(1);
}
