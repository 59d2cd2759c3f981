//! What a caller is told to do.

use std::{fmt, str::FromStr, time::Duration};

use crate::workload::{Route, Workload};

/// One stretch of load:
///
/// ```text
/// run closed WORKLOAD ROUTE CONCURRENCY WARM_UP_MS MEASURED_MS [beside result|argument]
/// run open WORKLOAD ROUTE CALLS_PER_SECOND WARM_UP_MS MEASURED_MS [beside result|argument]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) load: Load,
    pub(crate) workload: Workload,
    pub(crate) route: Route,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) beside: Option<Large>,
}

/// When the next call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// As soon as one of so many was answered.
    Closed { concurrency: usize },
    /// When it is due, so many a second, whatever became of the others.
    Open { per_second: u64 },
}

/// What crosses the same link again and again meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Large {
    Result,
    Argument,
}

impl Large {
    /// How large it is.
    pub(crate) const BYTES: usize = 64 << 20;
}

impl fmt::Display for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Result => "result",
            Self::Argument => "argument",
        })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (load, number) = match self.load {
            Load::Closed { concurrency } => ("closed", concurrency as u64),
            Load::Open { per_second } => ("open", per_second),
        };
        write!(
            f,
            "run {load} {} {} {number} {} {}",
            self.workload,
            self.route,
            self.warm_up.as_millis(),
            self.measured.as_millis()
        )?;
        match self.beside {
            Some(large) => write!(f, " beside {large}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Run {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (words, beside) = match words.as_slice() {
            [words @ .., "beside", "result"] => (words, Some(Large::Result)),
            [words @ .., "beside", "argument"] => (words, Some(Large::Argument)),
            words => (words, None),
        };
        let &["run", load, workload, route, number, warm_up, measured] = words else {
            return Err(format!("{line:?} is no command"));
        };
        let number: u64 = parse(number)?;
        Ok(Self {
            load: match load {
                "closed" => Load::Closed {
                    concurrency: usize::try_from(number).map_err(|error| error.to_string())?,
                },
                "open" => Load::Open { per_second: number },
                _ => return Err(format!("there is no load {load:?}")),
            },
            workload: workload.parse()?,
            route: route.parse()?,
            warm_up: Duration::from_millis(parse(warm_up)?),
            measured: Duration::from_millis(parse(measured)?),
            beside,
        })
    }
}

fn parse(number: &str) -> Result<u64, String> {
    number
        .parse()
        .map_err(|_| format!("{number:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Size;

    #[test]
    fn what_is_told_is_what_is_understood() {
        let line = "run closed add direct 256 300 1000";
        let run: Run = line.parse().expect("it is a command");
        assert_eq!(run.load, Load::Closed { concurrency: 256 });
        assert_eq!(run.workload, Workload::Add);
        assert_eq!(run.warm_up, Duration::from_millis(300));
        assert_eq!(run.to_string(), line);

        let line = "run open echo_64k round_robin 38000 0 50 beside result";
        let run: Run = line.parse().expect("it is a command");
        assert_eq!(run.load, Load::Open { per_second: 38_000 });
        assert_eq!(run.workload, Workload::Echo(Size::Kib64));
        assert_eq!(run.route, Route::RoundRobin);
        assert_eq!(run.beside, Some(Large::Result));
        assert_eq!(run.to_string(), line);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "",
            "run",
            "run closed add direct 1 2",
            "run closed add direct 1 2 3 4",
            "run closed add direct x 2 3",
            "run closed divide direct 1 2 3",
            "run closed add sideways 1 2 3",
            "run ajar add direct 1 2 3",
            "run closed add direct 1 2 3 beside nothing",
            "stop closed add direct 1 2 3",
        ] {
            assert!(line.parse::<Run>().is_err(), "{line}");
        }
    }
}
