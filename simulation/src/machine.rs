//! A host that runs a node, or none.

use std::{future::Future, time::Duration};

use tokio::{
    runtime::{Builder, RngSeed, Runtime},
    time::{Instant, sleep_until},
};

use crate::{
    clock::{self, Clock, HostId, Millis},
    network::Net,
};

/// A host: a runtime of its own, whose clock goes only while it is stepped.
pub(crate) struct Machine {
    host: HostId,
    net: Net,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    /// What the runtime's clock showed when it was started, and when that was.
    base: Instant,
    started: Millis,
    /// Since when it hangs, if it does.
    hangs_since: Option<Millis>,
}

impl Machine {
    pub(crate) fn new(host: HostId, net: Net) -> Self {
        Self {
            host,
            net,
            running: None,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Since when it hangs, if it does.
    pub(crate) fn hangs_since(&self) -> Option<Millis> {
        self.running.as_ref()?.hangs_since
    }

    /// Starts a program, which ends with the machine.
    pub(crate) fn start(
        &mut self,
        at: Millis,
        seed: u64,
        program: impl Future<Output = ()> + Send + 'static,
    ) {
        self.kill(at);
        self.net.power_on(self.host);
        clock::enter(self.host, Clock::Stopped(at));
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            // The order in which `select!` looks at its branches.
            .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
            .build()
            .expect("a runtime without sockets needs nothing from the system");
        let base = {
            let _entered = runtime.enter();
            Instant::now()
        };
        runtime.spawn(program);
        self.running = Some(Running {
            runtime,
            base,
            started: at,
            hangs_since: None,
        });
    }

    /// Runs the program to a time.
    pub(crate) fn step(&mut self, now: Millis, until: Millis) {
        let Some(running) = &self.running else {
            clock::enter(self.host, Clock::Stopped(until));
            return self.net.deliver(self.host);
        };
        if running.hangs_since.is_some() {
            // The operating system goes on: connections are taken, and what comes waits to be read.
            clock::enter(self.host, Clock::Stopped(now));
            return self.net.deliver(self.host);
        }
        let Running {
            runtime,
            base,
            started,
            ..
        } = running;
        clock::enter(
            self.host,
            Clock::Running {
                base: *base,
                at: *started,
            },
        );
        let (net, host, started) = (&self.net, self.host, *started);
        let instant = |at: Millis| *base + Duration::from_millis(at - started);
        runtime.block_on(async {
            loop {
                net.deliver(host);
                match net.next_arrival(host) {
                    Some(next) if next < until => sleep_until(instant(next)).await,
                    _ => break sleep_until(instant(until)).await,
                }
            }
        });
        clock::enter(self.host, Clock::Stopped(until));
    }

    /// Stops running the program.
    pub(crate) fn hang(&mut self, at: Millis) {
        if let Some(running) = &mut self.running {
            running.hangs_since.get_or_insert(at);
        }
    }

    /// Goes on with it. It finds that it is later at once.
    pub(crate) fn resume(&mut self, at: Millis) {
        let Some(running) = &mut self.running else {
            return;
        };
        let Some(since) = running.hangs_since.take() else {
            return;
        };
        clock::enter(
            self.host,
            Clock::Running {
                base: running.base,
                at: running.started,
            },
        );
        let missed = Duration::from_millis(at - since);
        running.runtime.block_on(tokio::time::advance(missed));
        clock::enter(self.host, Clock::Stopped(at));
    }

    /// Ends the program wherever it is. What its sockets then say depends on whether it is on.
    pub(crate) fn kill(&mut self, at: Millis) {
        clock::enter(self.host, Clock::Stopped(at));
        self.net.close_all(self.host);
        drop(self.running.take());
    }

    /// Turns it off, without a word to anybody.
    pub(crate) fn power_off(&mut self, at: Millis) {
        self.net.power_off(self.host);
        self.kill(at);
    }

    /// Does something as if the program did.
    pub(crate) fn within<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let Running {
            runtime,
            base,
            started,
            ..
        } = self.running.as_ref()?;
        let _entered = runtime.enter();
        let clock = Clock::Running {
            base: *base,
            at: *started,
        };
        clock::enter(self.host, clock);
        Some(act())
    }

    /// How many tasks the program has.
    pub(crate) fn tasks(&self) -> usize {
        self.running
            .as_ref()
            .map_or(0, |running| running.runtime.metrics().num_alive_tasks())
    }
}
