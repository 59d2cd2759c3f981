//! What a process has used, as the kernel accounts for it.

use std::fs;

/// Processor time and memory of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pid: u32,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// Seconds of processor time, in user mode and in the kernel, all threads together.
    pub(crate) fn cpu_seconds(self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        ticks(&stat).unwrap_or_default() as f64 / TICKS_PER_SECOND
    }

    /// Kilobytes that are resident.
    pub(crate) fn resident_kb(self) -> f64 {
        self.status("VmRSS:")
    }

    /// Kilobytes that were resident at most since the last [`Usage::forget_peak`].
    pub(crate) fn peak_kb(self) -> f64 {
        self.status("VmHWM:")
    }

    pub(crate) fn forget_peak(self) {
        // Where it is not allowed, the peak is that of the whole run, which is more rather than less.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.pid), "5");
    }

    fn status(self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or_default()
    }
}

/// The kernel's unit in what it tells programs, on all architectures of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// The ticks of user and system time in the line of `/proc/PID/stat`. The name of the program may have spaces and
/// parentheses itself.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_after_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 500 0 0 0 120 34 0 0 20 0 1 0 99 0 0";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn this_process_is_resident() {
        let usage = Usage::of(std::process::id());
        assert!(usage.resident_kb() > 0.0);
        assert!(usage.peak_kb() >= usage.resident_kb());
    }
}
