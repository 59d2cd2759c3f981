//! Nodes of OTP, with the module of `erlang/rlb_bench.erl`.

use std::{fs, path::PathBuf, process::Command};

use super::Program;
use crate::failure::Failure;

const SOURCE: &str = include_str!("../../erlang/rlb_bench.erl");

/// In a process of its own, for the node is up only once this was evaluated.
const BEGIN: &str = "spawn(rlb_bench, main, [init:get_plain_arguments()])";

const SAY_READY: &str = "io:put_chars(\"ready\\n\"), \
    spawn(fun() -> eof = io:get_line(\"\"), erlang:halt(0) end)";

/// The module, compiled, and the folder that it is in.
#[derive(Debug)]
pub(crate) struct Module {
    folder: PathBuf,
}

impl Module {
    /// Compiles it into a folder, which is made and stays.
    pub(crate) fn compile(folder: PathBuf) -> Result<Self, Failure> {
        let source = folder.join("rlb_bench.erl");
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&source, SOURCE));
        written.map_err(|error| Failure::Write {
            path: source.clone(),
            error,
        })?;
        // It is the home of the nodes, too, which has to be an absolute path.
        let folder = folder
            .canonicalize()
            .map_err(Failure::io("finding the folder of results"))?;
        let module = Self { folder };
        let output = Command::new("erlc")
            .arg("rlb_bench.erl")
            .current_dir(&module.folder)
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

    /// A node that runs the module with these words. It has one scheduler, as a process of tokio's has one thread; all
    /// else is as OTP has it.
    pub(crate) fn node(
        &self,
        label: impl Into<String>,
        (name, cookie): (&str, &str),
        processor: Option<usize>,
        words: &[&str],
    ) -> Program {
        let mut command = erl(processor);
        command.args(["+S", "1:1"]);
        command.arg("-pa").arg(&self.folder);
        self.distribute(&mut command, name, cookie);
        command.args(["-eval", BEGIN, "-extra"]).args(words);
        Program::other(label, command)
    }

    /// A node as OTP has it, that says a line when it is up and ends with its standard input.
    pub(crate) fn plain_node(&self, name: &str, cookie: &str) -> Command {
        let mut command = erl(None);
        self.distribute(&mut command, name, cookie);
        command.args(["-eval", SAY_READY]);
        command
    }

    fn distribute(&self, command: &mut Command, name: &str, cookie: &str) {
        command.args(["-noshell", "-start_epmd", "false"]);
        command.args(["-name", name, "-setcookie", cookie]);
        command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
        // No settings of the user's, and nothing left behind.
        command.env("HOME", &self.folder);
        command.env("ERL_CRASH_DUMP_SECONDS", "0");
        for variable in ["ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", "ERL_LIBS"] {
            command.env_remove(variable);
        }
    }
}

fn erl(processor: Option<usize>) -> Command {
    match processor {
        Some(processor) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &processor.to_string(), "erl"]);
            command
        }
        None => Command::new("erl"),
    }
}
