//! What a caller answers.

use std::{fmt, str::FromStr, time::Duration};

use crate::latency::Latencies;

/// A line from a child.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// `@ready WORDS`: it takes commands from now on, or calls.
    Ready(Vec<String>),
    /// `@begin`: the warm-up is over.
    Begin,
    /// `@end`: what was to be measured is.
    End,
    /// `@result CALLS FAILED NANOS LARGE [LATENCY:COUNT …]`
    Result(Box<Tally>),
    /// `@values NAME=NUMBER …`: whatever else was asked for.
    Values(Vec<(String, f64)>),
    /// `@error MESSAGE`
    Error(String),
}

/// What became of a stretch of load.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Calls that were answered, or casts that arrived, in the time that was measured.
    pub(crate) calls: u64,
    /// Calls that were not answered, or not rightly, at any time.
    pub(crate) failed: u64,
    pub(crate) elapsed: Duration,
    /// Large calls that were answered in the time that was measured.
    pub(crate) large: u64,
    pub(crate) latencies: Latencies,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(words) => {
                f.write_str("@ready")?;
                words.iter().try_for_each(|word| write!(f, " {word}"))
            }
            Self::Begin => f.write_str("@begin"),
            Self::End => f.write_str("@end"),
            Self::Result(tally) => {
                let Tally {
                    calls,
                    failed,
                    elapsed,
                    large,
                    latencies,
                } = &**tally;
                let nanos = elapsed.as_nanos();
                write!(f, "@result {calls} {failed} {nanos} {large}")?;
                latencies
                    .buckets()
                    .try_for_each(|(nanos, count)| write!(f, " {nanos}:{count}"))
            }
            Self::Values(values) => {
                f.write_str("@values")?;
                values
                    .iter()
                    .try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
            Self::Error(message) => write!(f, "@error {}", message.replace('\n', " ")),
        }
    }
}

impl FromStr for Answer {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words = || rest.split_whitespace();
        match kind {
            "@ready" => Ok(Self::Ready(words().map(str::to_owned).collect())),
            "@begin" => Ok(Self::Begin),
            "@end" => Ok(Self::End),
            "@error" => Ok(Self::Error(rest.to_owned())),
            "@values" => words()
                .map(|word| {
                    let (name, value) = word.split_once('=').ok_or(())?;
                    Ok((name.to_owned(), value.parse().map_err(drop)?))
                })
                .collect::<Result<_, ()>>()
                .map(Self::Values),
            "@result" => {
                let mut words = words();
                let mut number = || words.next().ok_or(())?.parse::<u64>().map_err(drop);
                let (calls, failed) = (number()?, number()?);
                let (elapsed, large) = (Duration::from_nanos(number()?), number()?);
                let mut latencies = Latencies::new();
                for bucket in words {
                    let (nanos, count) = bucket.split_once(':').ok_or(())?;
                    latencies
                        .record_many(nanos.parse().map_err(drop)?, count.parse().map_err(drop)?);
                }
                Ok(Self::Result(Box::new(Tally {
                    calls,
                    failed,
                    elapsed,
                    large,
                    latencies,
                })))
            }
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_is_told_is_understood() {
        let mut latencies = Latencies::new();
        latencies.record_many(20_000, 7);
        latencies.record(3_000_000);
        let told = Answer::Result(Box::new(Tally {
            calls: 8,
            failed: 0,
            elapsed: Duration::from_millis(1_001),
            large: 3,
            latencies,
        }));
        let Ok(Answer::Result(tally)) = told.to_string().parse() else {
            panic!("{told} is not understood");
        };
        assert_eq!((tally.calls, tally.failed, tally.large), (8, 0, 3));
        assert_eq!(tally.elapsed, Duration::from_millis(1_001));
        assert_eq!(tally.latencies.count(), 8);
    }

    #[test]
    fn a_message_of_several_lines_stays_one_line() {
        let told = Answer::Error("no\nway".into()).to_string();
        assert_eq!(told, "@error no way");
    }

    #[test]
    fn what_a_program_happens_to_print_is_no_answer() {
        for line in [
            "",
            "ready",
            "=ERROR REPORT====",
            "@result 1 2",
            "@result 1 2 3 4 5",
            "@values a",
        ] {
            assert!(line.parse::<Answer>().is_err(), "{line}");
        }
    }
}
