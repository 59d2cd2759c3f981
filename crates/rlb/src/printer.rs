//! Results on stdout, for people or as JSON.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;

use crate::{exit::Exit, failure::Failure};

/// Writes results to stdout. Nothing else does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    as_json: bool,
}

impl Printer {
    pub(crate) fn new(as_json: bool) -> Self {
        Self { as_json }
    }

    /// Whether results are wanted as JSON.
    pub(crate) fn is_json(self) -> bool {
        self.as_json
    }

    /// Writes one result in a line of its own, in the form that is wanted.
    pub(crate) fn result(self, text: impl Display, json: impl Serialize) -> Result<(), Failure> {
        if self.as_json {
            self.json(json)
        } else {
            write_line(text)
        }
    }

    /// Writes for whoever reads it what a command goes on without.
    pub(crate) fn announce(self, text: impl Display, json: impl Serialize) -> Result<(), Failure> {
        match self.result(text, json) {
            Err(failure) if failure.exit() == Exit::Done => Ok(()),
            written => written,
        }
    }

    /// Writes one result for people.
    pub(crate) fn line(self, text: impl Display) -> Result<(), Failure> {
        write_line(text)
    }

    /// Writes one result as JSON.
    pub(crate) fn json(self, json: impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(&json)
            .map_err(|error| Failure::internal(format!("failed to write JSON: {error}")))?;
        write_line(json)
    }

    /// Writes something about results, for who watches, in a line of stderr.
    pub(crate) fn remark(self, text: impl Display, json: impl Serialize) {
        match serde_json::to_string(&json) {
            Ok(json) if self.as_json => note(json),
            _ => note(text),
        }
    }
}

/// Writes a line to stderr.
pub(crate) fn note(text: impl Display) {
    // Who closed it does not want to know.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn write_line(text: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(Failure::from)
}
