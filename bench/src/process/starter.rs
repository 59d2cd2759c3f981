//! Programs that do not speak the protocol: how soon they say a first line, and what they take by then.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{Usage, child::end};
use crate::failure::Failure;

/// How long a program may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon a program was ready, and how much memory it had then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) millis: f64,
    pub(crate) resident_mb: f64,
}

/// Starts a program that says a line when it is ready, and ends with its standard input.
pub(crate) fn start(mut command: Command) -> Result<Started, Failure> {
    // What it has to say on standard error, the user should see.
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let program = command.get_program().to_string_lossy().into_owned();
    let begun = Instant::now();
    let mut process = command.spawn().map_err(|error| Failure::Start {
        program: program.clone(),
        error,
    })?;
    let input = process.stdin.take();
    let (sender, receiver) = mpsc::channel();
    if let Some(output) = process.stdout.take() {
        // In a thread, for a program that never says anything must not be waited for.
        thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            let first = lines.next().is_some_and(|line| line.is_ok());
            // Nobody listens any more when it took too long.
            let _ = sender.send((begun.elapsed(), first));
            lines.for_each(drop);
        });
    }
    let said = receiver.recv_timeout(PATIENCE);
    let resident_mb = Usage::of(process.id()).resident_kb() / 1024.0;
    end(&mut process, input);
    match said {
        Ok((elapsed, true)) => Ok(Started {
            millis: elapsed.as_secs_f64() * 1e3,
            resident_mb,
        }),
        _ => Err(Failure::Other(format!(
            "{program} ended before it was ready"
        ))),
    }
}
