//! A worker: a process of this program that runs a node.

use std::{
    env, io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use beam_node::NodeName;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::cluster::BALANCER;
use crate::{failure::Failure, printer::notes_in_json, secret::Secret};

/// A process that runs `rlb node`; killed when this is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    name: NodeName,
    child: Child,
}

/// What a worker has to know of its cluster.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) peer: &'a NodeName,
    pub(super) epmd_port: u16,
    pub(super) cookie: &'a Secret,
}

/// How long a worker may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

impl Worker {
    /// Starts a worker and waits until others can call it.
    pub(super) async fn start(name: NodeName, around: Surroundings<'_>) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::internal(format!("failed to start the worker {name}: {error}"))
        };
        let program = env::current_exe().map_err(|error| failed(&error))?;
        let mut child = Command::new(program)
            .args(["node", "--stop-with-stdin", "--join", BALANCER])
            .args(["--name", name.as_str(), "--peer", around.peer.as_str()])
            .args(["--epmd-port", &around.epmd_port.to_string()])
            // It has the same stderr.
            .args(notes_in_json().then_some("--json"))
            // The list of processes does not show it there.
            .env("RLB_COOKIE", around.cookie.as_ref())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error))?;

        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            match timeout(PATIENCE, stdout.read_line(&mut line)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(failed(&error)),
                Err(_elapsed) => return Err(failed(&format!("not ready after {PATIENCE:?}"))),
            }
        }
        // As text it is the name alone, as JSON a value in an object.
        if !line.contains(name.as_str()) {
            return Err(failed(&"it ended before it was ready"));
        }
        Ok(Self { name, child })
    }

    pub(super) fn name(&self) -> &NodeName {
        &self.name
    }

    /// Ends the process without a warning, as a crash of its machine does.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.start_kill()
    }

    /// Asks the process to end in good order.
    pub(super) fn terminate(&self) -> io::Result<()> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        match id.and_then(Pid::from_raw) {
            Some(id) => Ok(kill_process(id, Signal::TERM)?),
            // It has ended already.
            None => Ok(()),
        }
    }

    /// Waits until the process has ended.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        // `Child::wait` would close the standard input, which ends a worker at once.
        let stdin = self.child.stdin.take();
        let status = self.child.wait().await;
        drop(stdin);
        status
    }
}
