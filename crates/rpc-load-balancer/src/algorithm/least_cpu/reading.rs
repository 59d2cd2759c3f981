//! What a member said of its processors last.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How busy the processors of a member are, and when it said so. It is replaced as a whole.
///
/// The share in percent is the upper half of one word, as the bits of an `f32`; the lower half is
/// the time in milliseconds, which wraps after 49 days.
#[derive(Debug)]
pub struct CpuReading(AtomicU64);

/// No share has these bits, which are those of a number that is none.
const NONE: u64 = u64::MAX;

impl CpuReading {
    pub(super) const fn none() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// The member said this at this time.
    pub(super) fn set(&self, percent: f32, at: Duration) {
        let bits = u64::from(percent.clamp(0.0, 100.0).to_bits());
        let word = bits << 32 | u64::from(in_ms(at));
        self.0.store(word, Ordering::Relaxed);
    }

    /// What the member said, unless that is older than this.
    pub(super) fn within(&self, max_age: Duration, now: Duration) -> Option<f32> {
        let (percent, age) = self.said(now)?;
        (age <= max_age.as_millis()).then_some(percent)
    }

    /// How long it takes until what the member said is older than this; `None` if it is already.
    pub(super) fn expiry(&self, max_age: Duration, now: Duration) -> Option<Duration> {
        let (_, age) = self.said(now)?;
        let rest = max_age.as_millis().checked_sub(age)?;
        let rest = u64::try_from(rest).unwrap_or(u64::MAX);
        Some(Duration::from_millis(rest.saturating_add(1)))
    }

    /// What the member said, and how many milliseconds ago.
    fn said(&self, now: Duration) -> Option<(f32, u128)> {
        let word = self.0.load(Ordering::Relaxed);
        if word == NONE {
            return None;
        }
        let age = in_ms(now).wrapping_sub(word as u32);
        Some((f32::from_bits((word >> 32) as u32), age.into()))
    }
}

impl Default for CpuReading {
    fn default() -> Self {
        Self::none()
    }
}

fn in_ms(time: Duration) -> u32 {
    time.as_millis() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_forgotten_with_its_age_also_across_the_wrap_of_the_time() {
        let reading = CpuReading::none();
        let second = Duration::from_secs(1);
        assert_eq!(reading.within(Duration::MAX, second), None);
        let late = Duration::from_millis(u64::from(u32::MAX) - 10);
        reading.set(12.5, late);
        assert_eq!(reading.within(second, late + second), Some(12.5));
        assert_eq!(reading.within(second, late + 2 * second), None);
        assert_eq!(reading.expiry(second, late + 2 * second), None);
        let rest = reading.expiry(second, late + second / 2).unwrap();
        assert_eq!(rest, Duration::from_millis(501));
        assert!(reading.within(second, late + second / 2 + rest).is_none());
    }

    #[test]
    fn what_is_no_share_of_a_hundred_is_made_one() {
        let reading = CpuReading::none();
        for (said, kept) in [(-3.0, 0.0), (250.0, 100.0), (f32::INFINITY, 100.0)] {
            reading.set(said, Duration::ZERO);
            assert_eq!(reading.within(Duration::MAX, Duration::ZERO), Some(kept));
        }
    }
}
