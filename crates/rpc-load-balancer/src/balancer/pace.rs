//! How often the members of a balancer are looked at.

use std::time::Duration;

use tokio::time::Instant;

/// The pace of looks at all members.
///
/// A look takes time in proportion to the members. Were each of 10,000 that are lost at once followed by
/// a look of its own, the last one would be noticed after minutes. So a few changes are each followed by
/// a look at once, and from then on there is a pause before each look, for all that has changed by then.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pause: Duration,
    /// When all looks until now would be over, had there been a pause after each.
    over: Option<Instant>,
}

/// The pause for each member, longer than a look takes for one. With 1,000 members it is 1 ms, and with
/// fewer there is none, as timers are no finer.
const PAUSE_PER_MEMBER: Duration = Duration::from_micros(1);
const LEAST_PAUSE: Duration = Duration::from_millis(1);

/// How many looks may come without a pause.
const AT_ONCE: u32 = 8;

impl Pace {
    /// There is a look at so many members.
    pub(super) fn looked(&mut self, now: Instant, members: usize) {
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        self.pause = PAUSE_PER_MEMBER.saturating_mul(members);
        let begun = self.over.map_or(now, |over| over.max(now));
        // What is left of pauses for more members than there are now would be too long for these.
        let most = now + self.pause * (AT_ONCE + 1);
        self.over = (self.pause >= LEAST_PAUSE).then(|| (begun + self.pause).min(most));
    }

    /// When the next look may be, a pause after the last one at the latest; `None`: at any time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.over?.checked_sub(self.pause * AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks there are while half of so many members go, one each 10 µs.
    fn looks(members: usize) -> usize {
        let (mut now, mut pace, mut looks) = (Instant::now(), Pace::default(), 0);
        for left in (members / 2..members).rev() {
            now += Duration::from_micros(10);
            if pace.next().is_none_or(|next| next <= now) {
                pace.looked(now, left);
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn members_that_go_at_once_are_looked_at_a_few_times_together() {
        assert_eq!(looks(900), 450);
        assert!((10..25).contains(&looks(10_000)), "{}", looks(10_000));
    }

    #[test]
    fn the_first_changes_after_a_while_are_looked_at_at_once() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.next(), None);
        for _ in 0..AT_ONCE {
            pace.looked(start, 10_000);
            assert!(pace.next().is_some_and(|next| next <= start));
        }
        pace.looked(start, 10_000);
        assert_eq!(pace.next(), Some(start + Duration::from_millis(10)));
        let later = start + Duration::from_secs(1);
        pace.looked(later, 10_000);
        assert!(pace.next().is_some_and(|next| next <= later));
        pace.looked(later, 10);
        assert_eq!(pace.next(), None);
    }

    #[test]
    fn the_pause_is_one_for_as_many_members_as_there_are_now() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        for _ in 0..=AT_ONCE {
            pace.looked(start, 100_000);
        }
        pace.looked(start, 1_000);
        assert_eq!(pace.next(), Some(start + Duration::from_millis(1)));
    }
}
