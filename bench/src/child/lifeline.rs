//! Standard input: commands as long as it lasts, and the end of the process with its end.

use std::{io, process, thread};

use tokio::sync::mpsc;

/// The lines of standard input.
pub(crate) type Commands = mpsc::UnboundedReceiver<String>;

/// Reads standard input from now on.
pub(super) fn commands() -> Commands {
    let (sender, commands) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines() {
            let Ok(line) = line else { break };
            // Who only serves does not listen.
            let _ = sender.send(line);
        }
        process::exit(0);
    });
    commands
}
