//! Processes that do not outlive the test.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::{Error, Result};

/// A child process whose output goes to a file, and which dies with this value and with the thread
/// that started it.
#[derive(Debug)]
pub(crate) struct Supervised {
    label: String,
    child: Child,
    pid: u32,
    log: Arc<Log>,
}

impl Supervised {
    /// Starts `words`, with `environment` and nothing else of ours but a `PATH`.
    ///
    /// The child's standard output and error both go to a file. With `channel`, its file
    /// descriptors 3 and 4 are pipes whose other ends are in [`Supervised::take_channel`].
    pub(crate) fn start(
        label: impl Into<String>,
        words: &[OsString],
        environment: &[(OsString, OsString)],
        channel: bool,
    ) -> Result<Self> {
        let label = label.into();
        let run_error = |source| Error::Run {
            program: label.clone(),
            source,
        };
        let log = Arc::new(Log::create().map_err(run_error)?);

        // The shell moves the pipes out of the way of the child's own input and output, which
        // cannot be done from here without unsafe code. Each word replaces the one before it with
        // `exec`, so that the process id stays that of the last. The kernel ends it with the thread
        // that started it, in case the test itself is killed.
        let mut command = Command::new("sh");
        let redirect = if channel { "exec 3<&0 4>&1; " } else { "" };
        command
            .arg("-c")
            .arg(format!(
                "{redirect}exec 0</dev/null 1>&2; exec setpriv --pdeathsig KILL \"$@\""
            ))
            .arg("sh")
            .args(words)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("LANG", "C.UTF-8")
            .env("HOME", "/tmp")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stderr(log.writer().map_err(run_error)?)
            .kill_on_drop(true);
        if channel {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(Stdio::null());
        }

        let child = command.spawn().map_err(run_error)?;
        let pid = child
            .id()
            .expect("a child that was not waited for has an id");
        Ok(Self {
            label,
            child,
            pid,
            log,
        })
    }

    /// The pipes to the child's file descriptor 3 and from its file descriptor 4.
    pub(crate) fn take_channel(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.child.stdin.take()?, self.child.stdout.take()?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Whether the process has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the process ends by itself.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus> {
        self.child.wait().await.map_err(|source| Error::Run {
            program: self.label.clone(),
            source,
        })
    }

    /// Ends the process with SIGKILL and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.map_err(|source| Error::Run {
            program: self.label.clone(),
            source,
        })
    }

    /// Stops the process, and waits until all of its threads stand still: each of them runs on until
    /// it takes notice of the signal.
    pub(crate) fn suspend(&mut self) -> Result<()> {
        self.signal("STOP")?;
        while self.is_running() && !self.stands_still() {
            thread::yield_now();
        }
        Ok(())
    }

    fn stands_still(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return true;
        };
        // The state follows the name, which is in parentheses and may hold some.
        threads.flatten().all(|thread| {
            fs::read_to_string(thread.path().join("stat"))
                .ok()
                .and_then(|stat| Some(stat.rsplit_once(") ")?.1.starts_with(['T', 't'])))
                .unwrap_or(true)
        })
    }

    /// Sends a signal, by name, to the process. It does nothing once the process has ended.
    pub(crate) fn signal(&mut self, name: &str) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        run("kill", ["-s", name, &self.pid.to_string()])
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let output = self.log.text();
        if !output.trim().is_empty() {
            println!("--- {} printed:\n{}", self.label, output.trim_end());
        }
    }
}

/// A file that takes what a process prints; it goes with this value.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
}

impl Log {
    fn create() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("interop-{}-{count}.log", std::process::id()));
        File::create(&path)?;
        Ok(Self { path })
    }

    fn writer(&self) -> io::Result<File> {
        File::options().append(true).open(&self.path)
    }

    pub(crate) fn text(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A file left behind in the directory for temporary files harms nobody.
        _ = std::fs::remove_file(&self.path);
    }
}

/// Runs a command of the machine to its end.
pub(crate) fn run<I, S>(program: &str, arguments: I) -> Result<()>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = std::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = command.output().map_err(|source| Error::Run {
        program: program.into(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        program: format!("{:?}", command),
        output: String::from_utf8_lossy(&output.stderr).trim().into(),
    })
}
