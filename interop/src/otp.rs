use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::{BeamBuilder, Directory, EpmdBuilder, Error, ProgramBuilder, Result};

/// One installed release of Erlang/OTP, with Elixir.
#[derive(Clone, Debug)]
pub struct Otp {
    release: u32,
    /// The root directory that it runs in; `None` is the machine's own installation.
    root: Option<PathBuf>,
}

impl Otp {
    /// Finds a release: its own root first, else the machine's installation if it is of that
    /// release.
    pub fn release(release: u32) -> Result<Self> {
        let root = roots().join(release.to_string());
        if is_installed(&root, release) {
            return Ok(Self {
                release,
                root: Some(root),
            });
        }
        if is_installed(Path::new("/"), release) {
            return Ok(Self {
                release,
                root: None,
            });
        }
        Err(Error::MissingRelease { release, root })
    }

    /// The release's number, such as 27.
    pub fn number(&self) -> u32 {
        self.release
    }

    /// A node of this release, to be configured and started.
    pub fn beam(&self) -> BeamBuilder {
        BeamBuilder::new(self.clone())
    }

    /// This release's port mapper, to be configured and started.
    pub fn epmd(&self) -> EpmdBuilder {
        EpmdBuilder::new(self.clone())
    }

    /// A program of this release, such as `elixir`, with its arguments, to be configured and
    /// started.
    pub fn program(&self, words: impl IntoIterator<Item = impl Into<OsString>>) -> ProgramBuilder {
        let words = words.into_iter().map(Into::into).collect();
        ProgramBuilder::new(self.clone(), words)
    }

    /// A new directory that programs of this release can read.
    pub fn directory(&self) -> io::Result<Directory> {
        Directory::create(self.root())
    }

    /// The root directory that this release runs in.
    pub(crate) fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new("/"))
    }

    /// The words of a command line that enter this release's root; empty for the machine's own.
    pub(crate) fn enter(&self) -> Vec<OsString> {
        match &self.root {
            Some(root) => vec!["chroot".into(), root.clone().into()],
            None => Vec::new(),
        }
    }
}

impl fmt::Display for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OTP {}", self.release)
    }
}

fn roots() -> PathBuf {
    match std::env::var_os("RLB_OTP_DIR") {
        Some(directory) => directory.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/otp"),
    }
}

fn is_installed(root: &Path, release: u32) -> bool {
    let erlang = root
        .join("usr/lib/erlang/releases")
        .join(release.to_string());
    erlang.is_dir() && root.join("usr/bin/erl").symlink_metadata().is_ok()
}
