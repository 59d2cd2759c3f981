//! How busy processors are, whoever it is by.

use std::fs;

/// Seconds for which these processors have worked for programs so far; for all of them, where none are named.
pub(crate) fn busy_seconds(processors: &[usize]) -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    busy_ticks(&stat, processors) as f64 / TICKS_PER_SECOND
}

/// The kernel's unit in what it tells programs, on all architectures of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// User time, user time of nice programs, and system time; not that of interrupts, which no program is charged for.
fn busy_ticks(stat: &str, processors: &[usize]) -> u64 {
    let of_line = |line: &str| {
        let (name, times) = line.strip_prefix("cpu")?.split_once(' ')?;
        let is_named = match processors {
            [] => name.is_empty(),
            named => named.iter().any(|processor| processor.to_string() == name),
        };
        let times = times.split_whitespace().take(3);
        is_named.then(|| {
            times
                .filter_map(|ticks| ticks.parse::<u64>().ok())
                .sum::<u64>()
        })
    };
    stat.lines().filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_processors_count_and_only_what_programs_had() {
        let stat = "cpu  60 6 600 1000 9 9 9 9 0 0\ncpu0 10 1 100 500 3 3 3 3 0 0\n\
                    cpu1 20 2 200 500 3 3 3 3 0 0\ncpu10 30 3 300 0 3 3 3 3 0 0\nintr 5 5 5\n";
        assert_eq!(busy_ticks(stat, &[0]), 111);
        assert_eq!(busy_ticks(stat, &[0, 1]), 333);
        assert_eq!(busy_ticks(stat, &[]), 666);
    }
}
