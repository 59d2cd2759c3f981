//! Nodes of OTP, with the module of `erlang/rlb_bench.erl`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use super::Program;
use crate::failure::Failure;

const SOURCE: &str = include_str!("../../erlang/rlb_bench.erl");

/// In a process of its own, for the node is up only once this was evaluated.
const BEGIN: &str = "spawn(rlb_bench, main, [init:get_plain_arguments()])";

/// The module, compiled, in a folder that goes with this.
#[derive(Debug)]
pub(crate) struct Module {
    folder: PathBuf,
}

impl Module {
    pub(crate) fn compile() -> Result<Self, Failure> {
        let unique = format!("rlb-bench-{}-{:08x}", process::id(), fastrand::u32(..));
        let module = Self {
            folder: env::temp_dir().join(unique),
        };
        let source = module.folder.join("rlb_bench.erl");
        let written = fs::create_dir(&module.folder).and_then(|()| fs::write(&source, SOURCE));
        written.map_err(|error| Failure::Write {
            path: source.clone(),
            error,
        })?;
        let output = Command::new("erlc")
            .arg("-o")
            .args([&module.folder, &source])
            .output()
            .map_err(|error| Failure::Start {
                program: "erlc".into(),
                error,
            })?;
        if output.status.success() {
            Ok(module)
        } else {
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            Err(Failure::Other(format!("erlc failed:\n{printed}")))
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A node that runs the module with these words. It has one scheduler, as a process of tokio's has one thread; all
    /// else is as OTP has it.
    pub(crate) fn node(
        &self,
        label: impl Into<String>,
        (name, cookie): (&str, &str),
        processor: Option<usize>,
        words: &[&str],
    ) -> Program {
        let mut command = match processor {
            Some(processor) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &processor.to_string(), "erl"]);
                command
            }
            None => Command::new("erl"),
        };
        command.args(["+S", "1:1", "-noshell", "-start_epmd", "false"]);
        command.args(["-name", name, "-setcookie", cookie]);
        command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
        command.arg("-pa").arg(&self.folder);
        command.args(["-eval", BEGIN]);
        command.arg("-extra").args(words);
        // No settings of the user's, and nothing left behind.
        command.env("HOME", &self.folder);
        command.env("ERL_CRASH_DUMP_SECONDS", "0");
        for variable in ["ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", "ERL_LIBS"] {
            command.env_remove(variable);
        }
        Program::other(label, command)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
