use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use beam_term::{DecodeError, Term};
use bytes::Bytes;
use thiserror::Error;

/// What the harness returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong in the harness, or in an expression that a node evaluated.
///
/// `Debug` prints the message as `Display` does, so that an `unwrap` in a test reads well.
#[derive(Error)]
#[non_exhaustive]
pub enum Error {
    /// The release is not installed.
    #[error("OTP {release} is neither at {} nor this machine's own; `./test` installs it", root.display())]
    MissingRelease {
        /// The OTP release that was asked for.
        release: u32,
        /// Where its root was looked for.
        root: PathBuf,
    },
    /// A program could not be run.
    #[error("failed to run {program}: {source}")]
    Run {
        /// The program.
        program: String,
        /// Why it did not run.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program, with its arguments.
        program: String,
        /// What it printed.
        output: String,
    },
    /// A node ended by itself, or was ended, before it answered.
    #[error("node {node} is gone; it printed:\n{output}")]
    Gone {
        /// The node's name.
        node: String,
        /// What it printed.
        output: String,
    },
    /// A node did not answer in time.
    #[error("node {node} did not answer within {deadline:?}: {expression}\nit printed:\n{output}")]
    Deadline {
        /// The node's name.
        node: String,
        /// How long it had.
        deadline: Duration,
        /// What it was asked.
        expression: String,
        /// What it printed.
        output: String,
    },
    /// The expression raised an exception in the node.
    #[error("{0}")]
    Raised(Exception),
    /// The node's answer is not what the test takes it for.
    #[error("failed to decode the answer to {expression}: {reason}")]
    Decode {
        /// What the node was asked.
        expression: String,
        /// What is wrong with its answer.
        reason: DecodeError,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Erlang exception that ended an expression.
#[derive(Clone)]
pub struct Exception {
    /// `error`, `exit` or `throw`.
    pub class: String,
    /// Class, reason and stack trace as Erlang prints them.
    pub text: String,
    pub(crate) reason: Bytes,
}

impl Exception {
    /// The reason.
    pub fn reason(&self) -> Result<Term, DecodeError> {
        Term::from_bytes(self.reason.clone())
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
