//! When members are ejected, and for how long.

use std::time::Duration;

use beam_node::Error;

/// When a member is kept from getting calls, and for how long.
///
/// A call has failed if there was no connection to the member or it was lost, if no answer came in
/// time, or if the member refused it. That the called function raised is no failure of the member,
/// unless it is [said to be](Self::raised_counts); nor that a call was given up, because another member
/// was faster or its caller had enough. But once a member has answered nothing for as long as such a call
/// may take, each that is given up is one. So a member that refuses many calls in a row is ejected, one
/// that refuses a few is only used less for a second.
///
/// A member whose process dies again soon after it was started anew is ejected as well, see
/// [the module](super).
///
/// The defaults are those of Envoy's outlier detection where it has one:
///
/// | | default |
/// |---|---|
/// | failures in a row | 5 |
/// | time between two comparisons of the members | 10 s |
/// | calls to a member in that time, to compare it | 100 |
/// | members that can be compared, to do so | 3 |
/// | an outlying rate of failures | 1.9 standard deviations above the mean, and by 5 % |
/// | an outlying latency | 5 times the median of the members, and by 50 ms |
/// | first ejection | 30 s |
/// | longest ejection | 300 s |
#[derive(Clone, Debug, PartialEq)]
pub struct Ejection {
    pub(super) consecutive_failures: u32,
    pub(super) interval: Duration,
    pub(super) least_calls: u32,
    pub(super) failure_rate: bool,
    pub(super) latency_factor: f64,
    pub(super) first: Duration,
    pub(super) longest: Duration,
    pub(super) raised_counts: bool,
}

impl Ejection {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            consecutive_failures: 5,
            interval: Duration::from_secs(10),
            least_calls: 100,
            failure_rate: true,
            latency_factor: 5.0,
            first: Duration::from_secs(30),
            longest: Duration::from_secs(300),
            raised_counts: false,
        }
    }

    /// Sets after how many failures in a row a member is ejected. Default: 5. Zero: after no number.
    pub fn consecutive_failures(mut self, failures: u32) -> Self {
        self.consecutive_failures = failures;
        self
    }

    /// Sets how often members are compared with each other. Default: 10 s; from 10 ms to 1 h.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how many calls to a member must have ended since the last comparison for it to be
    /// compared. Default: 100; at least 1.
    pub fn least_calls(mut self, calls: u32) -> Self {
        self.least_calls = calls;
        self
    }

    /// Sets whether members are ejected for failing far more often than the others. Default: `true`.
    pub fn failure_rate(mut self, compared: bool) -> Self {
        self.failure_rate = compared;
        self
    }

    /// Sets how many times as long as with the median of the members answers must take, on average, for
    /// a member to be ejected. Default: 5. Zero: members are not ejected for being slow, as where
    /// some have other things to do than others.
    pub fn latency_factor(mut self, factor: f64) -> Self {
        self.latency_factor = factor;
        self
    }

    /// Sets for how long a member is ejected the first time; it is as much longer each further time,
    /// also where the member was away meanwhile, and as much shorter for each comparison that finds
    /// nothing while it is well. Ejections for how calls went are counted apart from those of a member
    /// whose process dies again and again. Default: 30 s.
    pub fn first(mut self, duration: Duration) -> Self {
        self.first = duration;
        self
    }

    /// Sets for how long a member is ejected at most. Default: 300 s.
    pub fn longest(mut self, duration: Duration) -> Self {
        self.longest = duration;
        self
    }

    /// Sets whether exceptions that the called function raises are failures of the member. Default:
    /// `false`.
    pub fn raised_counts(mut self, counts: bool) -> Self {
        self.raised_counts = counts;
        self
    }

    /// For how long a member is ejected that was before, so many times.
    pub(super) fn duration(&self, before: u32) -> Duration {
        let duration = self.first.saturating_mul(before.saturating_add(1));
        duration.min(self.longest.max(self.first))
    }

    /// After how many times it becomes no longer.
    pub(super) fn most_lapses(&self) -> u32 {
        let times = self
            .longest
            .as_nanos()
            .div_ceil(self.first.as_nanos().max(1));
        u32::try_from(times.max(1)).unwrap_or(u32::MAX)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |option: &str, expected: &str| {
            Err(Error::bad_request(format!("{option}: expected {expected}")))
        };
        if self.interval < SHORTEST_INTERVAL || self.interval > LONGEST_INTERVAL {
            return wrong("interval", "from 10ms to 1h between two comparisons");
        }
        if self.least_calls == 0 {
            return wrong("least_calls", "at least one call to compare members by");
        }
        if !self.latency_factor.is_finite()
            || self.latency_factor < 0.0
            || self.latency_factor > 0.0 && self.latency_factor <= 1.0
        {
            return wrong("latency_factor", "more than 1, or 0 for no comparison");
        }
        if self.first.is_zero() {
            return wrong("first", "a time for which members are ejected");
        }
        Ok(())
    }
}

/// What happens in a longer time is not counted exactly.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// More often than this would be a load without a use.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

impl Default for Ejection {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ejection_is_longer_up_to_the_longest() {
        let ejection = Ejection::new();
        let secs = |before| ejection.duration(before).as_secs();
        assert_eq!([secs(0), secs(1), secs(9)], [30, 60, 300]);
        assert_eq!([secs(10), secs(u32::MAX)], [300, 300]);
        assert_eq!(secs(ejection.most_lapses() - 1), 300);
        assert_eq!(ejection.most_lapses(), 10);
        assert_eq!(ejection.longest(Duration::ZERO).most_lapses(), 1);
    }

    #[test]
    fn senseless_settings_are_refused_by_their_names() {
        for (ejection, name) in [
            (Ejection::new().interval(Duration::ZERO), "interval"),
            (Ejection::new().interval(Duration::MAX), "interval"),
            (Ejection::new().least_calls(0), "least_calls"),
            (Ejection::new().latency_factor(0.5), "latency_factor"),
            (Ejection::new().latency_factor(f64::NAN), "latency_factor"),
            (Ejection::new().latency_factor(-1.0), "latency_factor"),
            (Ejection::new().first(Duration::ZERO), "first"),
        ] {
            let error = ejection.check().unwrap_err();
            assert!(error.message.starts_with(name), "{error}");
        }
        assert!(Ejection::new().latency_factor(0.0).check().is_ok());
    }
}
