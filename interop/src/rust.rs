use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use beam_term::Term;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::channel::{Channel, Kind, NO_SESSION};
use crate::supervised::Supervised;
use crate::{Error, Expression, Host, Result};

/// How long a node may take to start.
const START: Duration = Duration::from_secs(30);

/// A node of this project to be started in a process of its own.
///
/// Clones start the same node again, say after it was killed.
#[derive(Clone, Debug)]
pub struct RustBuilder {
    program: PathBuf,
    name: String,
    settings: Vec<(&'static str, String)>,
    host: Option<Host>,
}

impl RustBuilder {
    /// A node of this name, which is run by the program of this package: tests find it in
    /// `env!("CARGO_BIN_EXE_interop")`. Without `@` the name's host is 127.0.0.1, or the address of
    /// its [`Host`].
    ///
    /// By default it has the cookie `interop`, serves EPMD at the usual port if nobody else does,
    /// and finds others by those that it knows.
    pub fn new(program: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            name: name.into(),
            settings: Vec::new(),
            host: None,
        }
    }

    /// Adds a peer that it connects to.
    pub fn peer(self, name: impl Into<String>) -> Self {
        self.with("peer", name)
    }

    /// After how long it gives a silent peer up.
    pub fn net_ticktime(self, net_ticktime: Duration) -> Self {
        self.with("net_ticktime_ms", net_ticktime.as_millis().to_string())
    }

    /// Whether it shows in `nodes()` of others; it does not by default.
    pub fn visible(self, visible: bool) -> Self {
        self.with("visible", visible.to_string())
    }

    /// Whether it asks its peers for others.
    pub fn discovery(self, discovery: bool) -> Self {
        self.with("discovery", discovery.to_string())
    }

    /// The port of EPMD.
    pub fn epmd_port(self, port: u16) -> Self {
        self.with("epmd_port", port.to_string())
    }

    /// Leaves EPMD to others.
    pub fn external_epmd(self) -> Self {
        self.with("epmd", "external")
    }

    /// What it logs, as `RUST_LOG` says it; `info` by default.
    pub fn log(self, filter: impl Into<String>) -> Self {
        self.with("log", filter)
    }

    /// Starts it in the namespace of a host.
    pub fn on(mut self, host: &Host) -> Self {
        self.host = Some(host.clone());
        self
    }

    /// The full name.
    pub fn full_name(&self) -> String {
        let host = self.host.as_ref().map(Host::address);
        match (self.name.contains('@'), host) {
            (true, _) => self.name.clone(),
            (false, Some(address)) => format!("{}@{address}", self.name),
            (false, None) => format!("{}@127.0.0.1", self.name),
        }
    }

    /// Starts the node, and waits until it listens.
    ///
    /// It dies with the thread that called this, so call it from a test, not from a thread that may
    /// end earlier.
    pub async fn start(self) -> Result<Rust> {
        let name = self.full_name();
        let label = format!("{name} (Rust)");
        let mut words: Vec<OsString> = Vec::new();
        if let Some(host) = &self.host {
            words.extend(host.enter());
        }
        words.extend([self.program.into(), "node".into(), name.clone().into()]);
        let settings = self.settings.iter();
        words.extend(settings.map(|(key, value)| format!("{key}={value}").into()));
        let mut process = Supervised::start(&label, &words, &[], true)?;
        let (input, output) = process.take_channel().expect("the channel is taken once");
        let (channel, ready) = Channel::open(label, Arc::clone(process.log()), input, output);
        match timeout(START, ready).await {
            Ok(Ok(_)) => Ok(Rust {
                name,
                process,
                channel,
            }),
            Ok(Err(_)) => Err(Error::Gone {
                node: name,
                output: channel.output(),
            }),
            Err(_) => Err(Error::Deadline {
                node: name,
                deadline: START,
                expression: "start".into(),
                output: channel.output(),
            }),
        }
    }

    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((key, value.into()));
        self
    }
}

/// A running node of this project.
///
/// It exports the module `rust`, and does what it is told: `interop node` in its sources lists
/// both. Its process is killed when this is dropped.
#[derive(Debug)]
pub struct Rust {
    name: String,
    process: Supervised,
    channel: Channel,
}

impl Rust {
    /// The node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives it a command, a term in Erlang's syntax, and waits for its value.
    pub async fn run(&self, command: &str) -> Result<Term> {
        self.command(command).term().await
    }

    /// Gives it a command, and decodes its value by the rules of [`beam_term::serde`].
    pub async fn run_as<T: DeserializeOwned>(&self, command: &str) -> Result<T> {
        self.command(command).decode().await
    }

    /// A command, a term in Erlang's syntax, to be given.
    pub fn command(&self, command: &str) -> Expression {
        Expression::new(self.channel.clone(), NO_SESSION, Kind::Erlang, command)
    }

    /// The process id, in the operating system.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How many file descriptors the process has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// What the node has logged so far.
    pub fn output(&self) -> String {
        self.channel.output()
    }

    /// Kills the node with SIGKILL, and waits until its process is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }
}
