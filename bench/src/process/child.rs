//! A process that speaks the protocol.

use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Read, Write},
    process::{self, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Mapper, Usage};
use crate::{
    child::COOKIE,
    failure::Failure,
    protocol::{Answer, Run, Tally},
};

/// How long a child may take for anything beyond what it was told to measure.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a child may take to end once its standard input has.
const LAST: Duration = Duration::from_secs(5);

/// What it printed beside the protocol, as much as is worth showing.
const LINES_KEPT: usize = 30;

/// What to start.
#[derive(Debug)]
pub(crate) struct Program {
    label: String,
    command: Command,
}

impl Program {
    /// This program, as a child.
    pub(crate) fn this(
        label: impl Into<String>,
        words: impl IntoIterator<Item = impl Into<OsString>>,
        cookie: &str,
    ) -> Result<Self, Failure> {
        let path = env::current_exe().map_err(Failure::io("finding this program"))?;
        let mut command = Command::new(path);
        command.args(words.into_iter().map(Into::into));
        command.env(COOKIE, cookie);
        Ok(Self::other(label, command))
    }

    pub(crate) fn other(label: impl Into<String>, command: Command) -> Self {
        Self {
            label: label.into(),
            command,
        }
    }

    pub(crate) fn epmd(mut self, mapper: &Mapper) -> Self {
        self.command.env("ERL_EPMD_PORT", mapper.port().to_string());
        self
    }

    /// Starts it, waits until it is ready, and tells what it said then.
    pub(crate) fn start(mut self) -> Result<(Child, Vec<String>), Failure> {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = self.command.spawn().map_err(|error| Failure::Start {
            program: self.command.get_program().to_string_lossy().into_owned(),
            error,
        })?;
        let printed = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, answers) = mpsc::channel();
        if let Some(output) = process.stdout.take() {
            read(output, Arc::clone(&printed), Some(sender));
        }
        if let Some(output) = process.stderr.take() {
            read(output, Arc::clone(&printed), None);
        }
        let child = Child {
            label: self.label,
            input: process.stdin.take(),
            process,
            answers,
            printed,
        };
        let words = child.ready()?;
        Ok((child, words))
    }
}

/// A child that runs. It is ended, and waited for, when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    label: String,
    process: process::Child,
    input: Option<ChildStdin>,
    answers: mpsc::Receiver<Answer>,
    printed: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.process.id())
    }

    /// Sends it a signal; nothing happens where it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        let id = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        if let Some(id) = id.filter(|_| !self.has_ended()) {
            // It may have ended this moment.
            let _ = kill_process(id, signal);
        }
    }

    /// What it printed beside the protocol; the last lines of it.
    pub(crate) fn printed(&self) -> String {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        Vec::from_iter(printed.iter().cloned()).join("\n")
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Waits for it to end by itself.
    pub(crate) fn ended(&mut self, patience: Duration) -> Result<(), Failure> {
        let begun = Instant::now();
        while !self.has_ended() {
            if begun.elapsed() > patience {
                return Err(self.silent("end"));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn ready(&self) -> Result<Vec<String>, Failure> {
        match self.answer("become ready", PATIENCE)? {
            Answer::Ready(words) => Ok(words),
            other => Err(self.nonsense(&other)),
        }
    }

    /// Has a caller make load; `at_begin` and `at_end` are called around what is measured.
    pub(crate) fn run(
        &mut self,
        run: &Run,
        mut at_begin: impl FnMut(),
        mut at_end: impl FnMut(),
    ) -> Result<Tally, Failure> {
        self.tell(&run.to_string())?;
        let patience = PATIENCE + run.warm_up + run.measured;
        loop {
            match self.answer("tell what became of the calls", patience)? {
                Answer::Begin => at_begin(),
                Answer::End => at_end(),
                Answer::Result(tally) => return Ok(*tally),
                Answer::Error(message) => {
                    return Err(Failure::Cell {
                        label: self.label.clone(),
                        cell: run.to_string(),
                        message,
                    });
                }
                other => return Err(self.nonsense(&other)),
            }
        }
    }

    /// Has it do something that is answered by a number, if by any.
    pub(crate) fn ask(&mut self, command: &str) -> Result<f64, Failure> {
        let values = self.ask_all(command)?;
        Ok(values.first().map_or(0.0, |&(_, value)| value))
    }

    /// Has it do something that is answered by numbers with names.
    pub(crate) fn ask_all(&mut self, command: &str) -> Result<Vec<(String, f64)>, Failure> {
        self.tell(command)?;
        match self.answer("answer", PATIENCE)? {
            Answer::Values(values) => Ok(values),
            Answer::Error(message) => Err(Failure::Cell {
                label: self.label.clone(),
                cell: command.to_owned(),
                message,
            }),
            other => Err(self.nonsense(&other)),
        }
    }

    fn tell(&mut self, command: &str) -> Result<(), Failure> {
        let Some(input) = &mut self.input else {
            return Err(self.silent("take a command"));
        };
        if writeln!(input, "{command}")
            .and_then(|()| input.flush())
            .is_err()
        {
            return Err(self.silent("take a command"));
        }
        Ok(())
    }

    fn answer(&self, expected: &'static str, patience: Duration) -> Result<Answer, Failure> {
        let answer = self.answers.recv_timeout(patience);
        answer.map_err(|_| self.silent(expected))
    }

    fn silent(&self, expected: &'static str) -> Failure {
        Failure::Silent {
            label: self.label.clone(),
            expected,
            seconds: PATIENCE.as_secs(),
            printed: self.printed(),
        }
    }

    fn nonsense(&self, answer: &Answer) -> Failure {
        Failure::Protocol {
            label: self.label.clone(),
            answer: answer.to_string(),
        }
    }
}

impl Child {
    /// Ends it by the end of its standard input, and waits for it.
    pub(crate) fn end(&mut self) {
        end(&mut self.process, self.input.take());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends a process by the end of its standard input, and waits for it.
pub(super) fn end(process: &mut process::Child, input: Option<ChildStdin>) {
    drop(input);
    let begun = Instant::now();
    while begun.elapsed() < LAST {
        match process.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
    let _ = process.kill();
    let _ = process.wait();
}

/// Reads what a child says in a thread that ends with it.
fn read(
    output: impl Read + Send + 'static,
    printed: Arc<Mutex<VecDeque<String>>>,
    answers: Option<mpsc::Sender<Answer>>,
) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { break };
            match (line.parse(), &answers) {
                // Nobody hears it when the child is given up already.
                (Ok(answer), Some(answers)) => drop(answers.send(answer)),
                _ => {
                    let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
                    if printed.len() == LINES_KEPT {
                        printed.pop_front();
                    }
                    printed.push_back(line);
                }
            }
        }
    });
}
