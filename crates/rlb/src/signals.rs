//! The signals that a user gives the program.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGINT, which is Ctrl-C, and SIGTERM. They no longer end the program by themselves.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Does something, and fails instead when a signal comes first, whatever it is busy with.
    pub(crate) async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            done = work => Ok(done),
            stopped = self.next() => Err(stopped),
        }
    }

    /// Waits for the next one, and gives what it ends the program with.
    pub(crate) async fn next(&mut self) -> Failure {
        tokio::select! {
            _ = self.interrupt.recv() => Failure::interrupted(),
            _ = self.terminate.recv() => Failure::terminated(),
        }
    }
}

/// SIGHUP, by which a user has files read again. It no longer ends the program.
#[derive(Debug)]
pub(crate) struct Hangup(Signal);

impl Hangup {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        listen(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind)
        .map_err(|error| Failure::internal(format!("failed to listen for signals: {error}")))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;
    use crate::exit::Exit;

    #[tokio::test]
    async fn what_never_ends_is_given_up_for_a_signal() {
        for (signal, exit) in [
            (Signal::INT, Exit::Interrupted),
            (Signal::TERM, Exit::Terminated),
        ] {
            let mut signals = Signals::listen().unwrap();
            assert_eq!(signals.until(ready(1)).await.unwrap(), 1);
            kill_process(getpid(), signal).unwrap();
            let stopped = signals.until(pending::<()>()).await.unwrap_err();
            assert_eq!(stopped.exit(), exit);
        }
    }
}
