//! What became of the calls.

use std::fmt;

use crate::{failure::Failure, measure::Promise, process::Child};

/// How many calls ended how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    expected: f64,
    unavailable: f64,
    timed_out: f64,
    wrong: f64,
}

impl Calls {
    pub(super) fn of(hub: &mut Child) -> Result<Self, Failure> {
        let stats = hub.ask_all("stats")?;
        let value = |name: &str| {
            let found = stats.iter().find(|(found, _)| found == name);
            found.map_or(f64::NAN, |&(_, value)| value)
        };
        Ok(Self {
            expected: value("expected"),
            unavailable: value("unavailable"),
            timed_out: value("timed_out"),
            wrong: value("wrong"),
        })
    }

    pub(super) fn verdicts(self, gentle: bool) -> [Promise; 2] {
        let Self {
            expected, wrong, ..
        } = self;
        let failed = self.unavailable + self.timed_out;
        [
            Promise {
                subject: "calls".to_owned(),
                promised: "no answer but those expected, or that a member was lost".to_owned(),
                found: format!("{wrong} others"),
                kept: wrong == 0.0,
            },
            Promise {
                subject: "calls".to_owned(),
                promised: match gentle {
                    true => "all end as they are meant to".to_owned(),
                    false => "99 % end as they are meant to".to_owned(),
                },
                found: self.to_string(),
                kept: match gentle {
                    true => failed == 0.0,
                    false => failed <= 0.01 * (expected + failed),
                },
            },
        ]
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            expected,
            unavailable,
            timed_out,
            wrong,
        } = self;
        write!(
            f,
            "{expected} as expected, {unavailable} without a member or with one that was lost, {timed_out} not answered in \
             time, {wrong} wrong"
        )
    }
}
