//! How often the members of a balancer are looked at.

use std::time::Duration;

use tokio::time::Instant;

/// The pace of looks at all members.
///
/// A look takes time in proportion to the members. Were each of 10,000 that are lost at once followed by
/// a look of its own, the last one would be noticed after minutes. So the first change is followed by a
/// look at once, and then there is a pause before the next one, for all that has changed by then.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: Option<Instant>,
}

/// The pause for each member, longer than a look takes for one. With 1,000 members it is 1 ms, and with
/// fewer there is none, as timers are no finer.
const PAUSE_PER_MEMBER: Duration = Duration::from_micros(1);
const LEAST_PAUSE: Duration = Duration::from_millis(1);

impl Pace {
    /// There is a look at so many members.
    pub(super) fn looked(&mut self, now: Instant, members: usize) {
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        let pause = PAUSE_PER_MEMBER.saturating_mul(members);
        self.next = (pause >= LEAST_PAUSE).then(|| now + pause);
    }

    /// When the next look may be; `None`: at any time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
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
        assert!((5..15).contains(&looks(10_000)), "{}", looks(10_000));
    }

    #[test]
    fn a_change_after_a_pause_is_looked_at_at_once() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.next(), None);
        pace.looked(now, 10_000);
        assert_eq!(pace.next(), Some(now + Duration::from_millis(10)));
        pace.looked(now, 10);
        assert_eq!(pace.next(), None);
    }
}
