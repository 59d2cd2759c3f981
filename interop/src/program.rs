//! Programs of a release, run as a user runs them from a shell.

use std::ffi::OsString;

use crate::directory::Directory;
use crate::supervised::Supervised;
use crate::{Error, Otp, Result};

/// A program to be started in a new directory.
#[derive(Clone, Debug)]
pub struct ProgramBuilder {
    otp: Otp,
    words: Vec<OsString>,
    files: Vec<(String, String)>,
    environment: Vec<(OsString, OsString)>,
}

impl ProgramBuilder {
    pub(crate) fn new(otp: Otp, words: Vec<OsString>) -> Self {
        Self {
            otp,
            words,
            files: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Puts a file into the program's directory.
    pub fn file(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    /// Sets a variable of the program's environment, which inherits nothing from the test's.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the program.
    ///
    /// It dies with the thread that called this, so call it from a test, not from a thread that may
    /// end earlier.
    pub fn start(self) -> Result<Program> {
        let program = self.words.first().cloned().unwrap_or_default();
        let label = format!("{} of {}", program.display(), self.otp);
        let run_error = |source| Error::Run {
            program: label.clone(),
            source,
        };
        let directory = Directory::create(self.otp.root()).map_err(run_error)?;
        for (name, text) in &self.files {
            directory.write(name, text).map_err(run_error)?;
        }

        let mut words = self.otp.enter();
        words.extend(["sh", "-c", r#"cd "$0" && exec "$@""#].map(Into::into));
        words.push(directory.inside().into());
        words.extend(self.words);
        Ok(Program {
            process: Supervised::start(label, &words, &self.environment, false)?,
            _directory: directory,
        })
    }
}

/// A running program.
///
/// Its process is killed, and its directory removed, when this is dropped.
#[derive(Debug)]
pub struct Program {
    process: Supervised,
    _directory: Directory,
}

impl Program {
    /// What it has printed so far, to standard output and standard error.
    pub fn output(&self) -> String {
        self.process.log().text()
    }

    /// Whether its process is there.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_running()
    }
}
