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

    /// Seconds of processor time so far, in user mode and in the kernel, all threads together.
    pub(crate) fn cpu_seconds(self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid));
        let of_thread = |thread: fs::DirEntry| {
            // One that ended meanwhile had next to nothing to do.
            let said = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            on_processor(&said)
        };
        let threads = threads.into_iter().flatten().flatten();
        threads.filter_map(of_thread).sum::<f64>() / 1e9
    }

    /// Kilobytes that are resident.
    pub(crate) fn resident_kb(self) -> f64 {
        self.status("VmRSS:")
    }

    /// Kilobytes that were resident at most since the last [`Usage::forget_peak`].
    pub(crate) fn peak_kb(self) -> f64 {
        self.status("VmHWM:")
    }

    pub(crate) fn threads(self) -> f64 {
        self.status("Threads:")
    }

    /// File descriptors that are open.
    pub(crate) fn descriptors(self) -> f64 {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0.0, |open| open.count() as f64)
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

/// The first word of `/proc/PID/task/TID/schedstat`: nanoseconds on a processor. That is finer than the hundredths of a
/// second of `/proc/PID/stat`.
fn on_processor(schedstat: &str) -> Option<f64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_the_first_word() {
        assert_eq!(on_processor("1500000000 250000000 42\n"), Some(1.5e9));
        assert_eq!(on_processor(""), None);
    }

    #[test]
    fn this_process_is_resident() {
        let usage = Usage::of(std::process::id());
        assert!(usage.resident_kb() > 0.0);
        assert!(usage.peak_kb() > 0.0);
        assert!(usage.cpu_seconds() > 0.0);
    }
}
