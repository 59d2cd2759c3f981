//! Results on stdout, for people or as JSON.

use std::{
    fmt::Display,
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use beam_node::Output;
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
            Err(failure) if failure.exit() == Exit::BrokenPipe => Ok(()),
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
        if self.as_json {
            json_to_stderr(json);
        } else {
            write_to_stderr(format_args!("{text}\n"));
        }
    }
}

/// Whether notes are written as JSON. It is one for the whole process, as its stderr is.
static NOTES_IN_JSON: AtomicBool = AtomicBool::new(false);

/// Writes every note as a JSON object from now on, so that stderr is JSON throughout.
pub(crate) fn note_in_json() {
    NOTES_IN_JSON.store(true, Ordering::Relaxed);
}

/// Whether notes are to be read by a program.
pub(crate) fn notes_in_json() -> bool {
    NOTES_IN_JSON.load(Ordering::Relaxed)
}

/// Writes a line to stderr, for who watches.
pub(crate) fn note(text: impl Display) {
    #[derive(Serialize)]
    struct Note {
        note: String,
    }
    if notes_in_json() {
        json_to_stderr(Note {
            note: text.to_string(),
        });
    } else {
        write_to_stderr(format_args!("{text}\n"));
    }
}

/// Writes to stderr what a called function prints, as it comes.
pub(crate) fn pass_on(output: &Output) {
    #[derive(Serialize)]
    struct Printed<'a> {
        node: &'a str,
        output: &'a str,
    }
    if notes_in_json() {
        json_to_stderr(Printed {
            node: output.node.as_str(),
            output: &output.text,
        });
    } else {
        write_to_stderr(&output.text);
    }
}

/// Writes a JSON value to stderr, in a line of its own.
pub(crate) fn json_to_stderr(json: impl Serialize) {
    // What is written here has no keys that JSON does not take.
    if let Ok(json) = serde_json::to_string(&json) {
        write_to_stderr(format_args!("{json}\n"));
    }
}

fn write_to_stderr(text: impl Display) {
    // Who closed it does not want to know.
    let _ = write!(io::stderr().lock(), "{text}");
}

fn write_line(text: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(Failure::from)
}
