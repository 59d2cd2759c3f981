//! What a process has used, as the kernel accounts for it.

use std::{
    fs,
    ops::{Add, Sub},
};

/// Processor time and memory of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pid: u32,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// What it has had of the processors so far, all threads together.
    pub(crate) fn so_far(self) -> Account {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid));
        let mut account = Account::default();
        for thread in threads.into_iter().flatten().flatten() {
            let said = fs::read_to_string(thread.path().join("schedstat"));
            // One that ended meanwhile had next to nothing to do.
            let of_thread = said.ok().and_then(|said| Account::read(&said));
            account = account + of_thread.unwrap_or_default();
        }
        account
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

/// Processor time of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    /// Seconds in which it ran, in user mode and in the kernel.
    pub(crate) cpu_seconds: f64,
    /// Seconds in which it could have run, but others did.
    pub(crate) waited_seconds: f64,
}

impl Account {
    /// What `/proc/PID/task/TID/schedstat` says: nanoseconds on a processor, nanoseconds of waiting for one, and how
    /// often it got one. It is finer than the hundredths of a second of `/proc/PID/stat`.
    fn read(schedstat: &str) -> Option<Self> {
        let mut fields = schedstat.split_whitespace().map(str::parse::<f64>);
        let mut seconds = || Some(fields.next()?.ok()? / 1e9);
        Some(Self {
            cpu_seconds: seconds()?,
            waited_seconds: seconds()?,
        })
    }
}

impl Add for Account {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            waited_seconds: self.waited_seconds + other.waited_seconds,
        }
    }
}

impl Sub for Account {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            waited_seconds: self.waited_seconds - earlier.waited_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_in_seconds() {
        let account = Account::read("1500000000 250000000 42\n").expect("it is an account");
        assert_eq!((account.cpu_seconds, account.waited_seconds), (1.5, 0.25));
        assert!(Account::read("").is_none());
    }

    #[test]
    fn this_process_is_resident() {
        let usage = Usage::of(std::process::id());
        assert!(usage.resident_kb() > 0.0);
        assert!(usage.peak_kb() > 0.0);
        assert!(usage.so_far().cpu_seconds > 0.0);
    }
}
