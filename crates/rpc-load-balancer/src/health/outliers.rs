//! Which members differ from the others for the worse.

use std::time::Duration;

use super::{Ejection, StateReason, Window};

/// With fewer members to compare nobody can say which of them differs.
const LEAST_MEMBERS: usize = 3;

/// How far above the mean a rate of failures is outlying, in standard deviations; Envoy's
/// `success_rate_stdev_factor`.
const DEVIATIONS: f64 = 1.9;

/// Rates of failures that lie closer to the mean than this do not matter.
const LEAST_RATE: f64 = 0.05;

/// Latencies that lie closer to the median than this do not matter.
const LEAST_LATENCY: Duration = Duration::from_millis(50);

/// The members, by their place in the list, that differ so much that they are to be ejected, and why.
pub(super) fn outliers(windows: &[Window], ejection: &Ejection) -> Vec<(usize, StateReason)> {
    let compared: Vec<(usize, &Window)> = windows
        .iter()
        .enumerate()
        .filter(|(_, window)| window.calls() >= u64::from(ejection.least_calls))
        .collect();
    if compared.len() < LEAST_MEMBERS {
        return Vec::new();
    }
    let mut found = Vec::new();
    if ejection.failure_rate {
        found.extend(failing(&compared));
    }
    if ejection.latency_factor > 0.0 {
        let slow = slow(&compared, ejection.latency_factor);
        let others = |&(index, _): &(usize, _)| found.iter().all(|&(other, _)| other != index);
        let slow: Vec<_> = slow.into_iter().filter(others).collect();
        found.extend(slow);
    }
    found
}

fn failing(compared: &[(usize, &Window)]) -> Vec<(usize, StateReason)> {
    let count = compared.len() as f64;
    let rates = || compared.iter().map(|(_, window)| window.failure_rate());
    let mean = rates().sum::<f64>() / count;
    let variance = rates().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    // Of few members the worst cannot lie so many deviations from the mean: with n of them, at most
    // the square root of n - 1.
    let deviations = DEVIATIONS.min((count - 1.0).sqrt() * 0.95);
    let limit = (mean + deviations * variance.sqrt()).max(mean + LEAST_RATE);
    compared
        .iter()
        .filter(|(_, window)| window.failure_rate() > limit)
        .map(|&(index, window)| {
            let rate = window.failure_rate();
            (index, StateReason::FailureRate { rate, mean })
        })
        .collect()
}

fn slow(compared: &[(usize, &Window)], factor: f64) -> Vec<(usize, StateReason)> {
    let mut latencies: Vec<Duration> = compared.iter().map(|(_, window)| window.latency).collect();
    latencies.sort_unstable();
    // The lower one of two in the middle.
    let median = latencies[(latencies.len() - 1) / 2];
    let limit = median
        .mul_f64(factor.min(MOST_FACTOR))
        .max(median + LEAST_LATENCY);
    compared
        .iter()
        .filter(|(_, window)| window.latency > limit)
        .map(|&(index, window)| {
            let latency = window.latency;
            (index, StateReason::Latency { latency, median })
        })
        .collect()
}

/// More than this is never, and still a duration that can be told.
const MOST_FACTOR: f64 = 1e6;

impl Window {
    fn calls(&self) -> u64 {
        u64::from(self.answered) + u64::from(self.failed)
    }

    fn failure_rate(&self) -> f64 {
        f64::from(self.failed) / (self.calls() as f64).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(answered: u32, failed: u32, ms: u64) -> Window {
        Window {
            answered,
            failed,
            latency: Duration::from_millis(ms),
        }
    }

    const NOBODY: [usize; 0] = [];

    fn found(windows: &[Window]) -> Vec<usize> {
        let found = outliers(windows, &Ejection::new());
        found.into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn one_that_fails_far_more_often_than_the_others_is_found() {
        for members in [3, 4, 10] {
            let mut windows = vec![window(1_000, 10, 1); members];
            assert_eq!(found(&windows), NOBODY);
            windows[1] = window(700, 300, 1);
            assert_eq!(found(&windows), [1], "{members} members");
        }
    }

    #[test]
    fn where_all_fail_alike_nobody_is_to_blame() {
        assert_eq!(found(&[window(500, 500, 1); 5]), NOBODY);
        let nearly = [470, 480, 500, 490, 485].map(|failed| window(1_000 - failed, failed, 1));
        assert_eq!(found(&nearly), NOBODY);
    }

    #[test]
    fn one_that_is_far_slower_than_the_median_is_found() {
        let mut windows = [window(200, 0, 20); 4];
        windows[3] = window(200, 0, 90);
        assert_eq!(found(&windows), NOBODY);
        windows[3] = window(200, 0, 101);
        assert_eq!(found(&windows), [3]);
        // Fifty times as slow, and yet nothing that matters.
        let mut fast = [window(200, 0, 1); 4];
        fast[0] = window(200, 0, 50);
        assert_eq!(found(&fast), NOBODY);
    }

    #[test]
    fn one_that_is_slow_and_fails_is_told_of_once() {
        let mut windows = [window(1_000, 0, 10); 5];
        windows[2] = window(500, 500, 1_000);
        assert_eq!(found(&windows), [2]);
    }

    #[test]
    fn too_few_calls_or_members_say_nothing() {
        let few_calls = [window(1_000, 0, 1), window(1_000, 0, 1), window(0, 99, 1)];
        assert_eq!(found(&few_calls), NOBODY);
        assert_eq!(found(&[window(1_000, 0, 1), window(0, 1_000, 1)]), NOBODY);
        assert_eq!(found(&[]), NOBODY);
    }
}
