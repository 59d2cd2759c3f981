//! The program under test, the nodes it talks to, and an EPMD of their own.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{self, Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use beam_node::EpmdServer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::runtime::Runtime;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The cookie of all nodes that are given no other one.
pub(crate) const COOKIE: &str = "chocolate";

/// An EPMD on a port of its own, and what runs beside it.
pub(crate) struct Cluster {
    epmd: Option<EpmdServer>,
    runtime: Runtime,
    port: u16,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running `rlb`, killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<ChildStderr>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let mut cluster = Self::without_epmd();
        let epmd = async { EpmdServer::bind(0, []) };
        let epmd = cluster.runtime.block_on(epmd).unwrap();
        cluster.port = epmd.port();
        cluster.epmd = Some(epmd);
        cluster
    }

    /// A port at which no EPMD answers, until a node serves it.
    pub(crate) fn without_epmd() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            epmd: None,
            runtime,
            port: port_below_ephemeral_ones(),
        }
    }

    /// A command that uses this EPMD and the usual cookie.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rlb(arguments);
        command
            .env("ERL_EPMD_PORT", self.port.to_string())
            .env("RLB_COOKIE", COOKIE);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments))
    }

    /// The port of the EPMD.
    pub(crate) fn epmd_port(&self) -> u16 {
        self.port
    }

    /// Starts a node, and waits until others can call it.
    pub(crate) fn node(&self, name: &str, more: &[&str]) -> Running {
        let mut node = Running::start(self.command(&[&["node", "--name", name], more].concat()));
        assert_eq!(node.line(), name);
        node
    }

    /// Three members of the balancer `pool`, of which each knows the first.
    pub(crate) fn pool(&self) -> [Running; 3] {
        let first = self.node("w1@127.0.0.1", &["--join", "pool"]);
        let join = ["--join", "pool", "--peer", "w1@127.0.0.1"];
        [
            first,
            self.node("w2@127.0.0.1", &join),
            self.node("w3@127.0.0.1", &join),
        ]
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(epmd) = self.epmd.take() {
            self.runtime.block_on(epmd.shutdown());
        }
    }
}

impl Ended {
    /// The result, where it is one line.
    #[track_caller]
    pub(crate) fn line(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        let line = self.stdout.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{self:?}");
        line
    }

    /// The lines of the result.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<&str> {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout.lines().collect()
    }

    /// The result as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.line()).unwrap()
    }

    /// The nodes of a list of members, and their weights.
    #[track_caller]
    pub(crate) fn weights(&self) -> Vec<(String, u64)> {
        let members = self.json();
        let weight = |member: &Value| {
            let node = member["node"].as_str().unwrap().to_owned();
            (node, member["weight"].as_u64().unwrap())
        };
        members.as_array().unwrap().iter().map(weight).collect()
    }

    /// What is on stderr, where every line is a JSON object.
    #[track_caller]
    pub(crate) fn notes(&self) -> Vec<Value> {
        let notes = self.stderr.lines().map(|line| {
            let note: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{error} in {line:?}: {self:?}"));
            assert!(note.is_object(), "{line}");
            note
        });
        notes.collect()
    }

    /// The only thing on stderr, which is an error as JSON.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let error: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        error["error"].clone()
    }

    /// Makes sure that it failed with this code and said this.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        for said in said {
            assert!(self.stderr.contains(said), "{said:?} is not in {self:?}");
        }
    }
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: child.stdout.take().map(BufReader::new),
            stderr: child.stderr.take(),
            child,
        }
    }

    /// The next line that it writes to stdout, without its end; empty if there are no more.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads nothing more of what it writes to stdout.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    /// What it writes to stderr.
    pub(crate) fn stderr(&mut self) -> BufReader<ChildStderr> {
        BufReader::new(self.stderr.take().unwrap())
    }

    pub(crate) fn signal(&self, with: Signal) {
        signal(self.child.id(), with);
    }

    /// Waits for its end, and that of every process that has its stderr.
    pub(crate) fn ended(mut self) -> Ended {
        let watchdog = Watchdog::watch(self.child.id());
        let stderr = self.stderr.take().map(|mut pipe| {
            thread::spawn(move || {
                let mut text = String::new();
                pipe.read_to_string(&mut text).unwrap();
                text
            })
        });
        let mut stdout = String::new();
        if let Some(mut pipe) = self.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        let stderr = stderr.map_or_else(String::new, |reader| reader.join().unwrap());
        let status = self.child.wait().unwrap();
        drop(watchdog);
        Ended {
            code: status
                .code()
                .or(status.signal().map(|signal| -signal))
                .unwrap(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port that no outgoing connection is given, so that it can be bound again and again.
fn port_below_ephemeral_ones() -> u16 {
    loop {
        let random = RandomState::new().hash_one(process::id());
        let port = 10_000 + (random % 6_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A command without the settings of whoever runs the tests.
pub(crate) fn rlb(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlb"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .env_remove("RLB_COOKIE")
        .env_remove("ERL_EPMD_PORT");
    for variable in ["CA", "CERTIFICATE", "KEY"] {
        command.env_remove(format!("RLB_TLS_{variable}"));
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Ended {
    command.stdin(Stdio::null());
    Running::start(command).ended()
}

/// Tries until it is so.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to be");
    }
}

/// Kills a process that takes too long, unless it is dropped before.
struct Watchdog(Option<(mpsc::Sender<()>, thread::JoinHandle<()>)>);

impl Watchdog {
    fn watch(id: u32) -> Self {
        let (disarm, disarmed) = mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            if disarmed.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                signal(id, Signal::KILL);
            }
        });
        Self(Some((disarm, watch)))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some((disarm, watch)) = self.0.take() {
            drop(disarm);
            watch.join().unwrap();
        }
    }
}

pub(crate) fn signal(id: u32, signal: Signal) {
    let id = Pid::from_raw(id.cast_signed()).unwrap();
    kill_process(id, signal).unwrap();
}

/// A directory for the files of one test, which goes with the value.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("rlb-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
