//! One simulation, from its beginning to its end.

mod checks;
mod faults;
mod settling;

use std::{fmt, sync::Arc};

use allocation_counter::measure;
use tracing::subscriber::NoSubscriber;

use crate::{
    clock::{self, Clock, HostId, Millis},
    ledger::{Call, End, Kind, Ledger, Life},
    machine::Machine,
    memory::{self, Load, Memory},
    network::Net,
    panics,
    plan::{NodePlan, Plan},
    program::Program,
};

/// A simulation that runs.
///
/// It goes in steps. In each, every host runs for a while; what it sends comes in a later step. After
/// the last fault everything is made well, and then these must hold:
///
/// - within 5 s, every node sees the members that there are, and no other but those that lost power for
///   good: these within a quarter more than the net tick time;
/// - once nobody calls any more, all counters and tables are as they were;
/// - every node shuts down in good order, and then all memory has been given back;
/// - at no time was there more memory than nodes, connections, and calls that were under way, explain;
/// - every call ended once, by its deadline, with its own answer or with an error, and ran once at
///   most, unless it was idempotent; and not at all, where its error said so.
pub struct Simulation {
    plan: Arc<Plan>,
    net: Net,
    hosts: Vec<Host>,
    ledger: Ledger,
    memory: Memory,
    now: Millis,
}

/// A host, and what runs on it.
struct Host {
    machine: Machine,
    program: Program,
    /// How often its node was started.
    lives: u32,
}

impl Host {
    /// The life that its node has, or had.
    fn life(&self, host: HostId) -> Life {
        Life {
            host,
            number: self.lives,
        }
    }

    /// How many bytes its node has queued for others, or has for want of room among them.
    fn queued_bytes(&self) -> usize {
        let state = self.program.state();
        state.node.as_ref().map_or(0, |(node, _)| {
            let holdings = node.holdings();
            holdings.queued_bytes + holdings.served_bytes
        })
    }
}

/// How a simulation went that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// A hash of all that happened.
    pub hash: u64,
    /// How many events went into it: packets and calls.
    pub packets: u64,
    /// How many nodes there were at most.
    pub nodes: usize,
    /// How many calls and casts were made.
    pub calls: usize,
    /// How many calls were answered.
    pub answered: usize,
    /// How long it took until all nodes saw what was so.
    pub settled: Settled,
    /// How long all of it took, in milliseconds.
    pub simulated: Millis,
}

/// How long nodes took to see what was so, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Since everything was well, or since a node had ended or was started later, if that took longer: until
    /// all agreed on those that can be reached.
    pub reachable: Millis,
    /// Since everything was well: until nobody counted on a host that had lost power for good either.
    /// None where there was no such host.
    pub silent: Option<Millis>,
}

/// What a simulation found.
#[derive(Clone, Debug)]
pub struct Failed {
    pub(crate) plan: Arc<Plan>,
    /// What must not be, and was.
    pub violations: Vec<String>,
}

/// Runs the simulation of a seed, on this thread.
///
/// # Errors
///
/// What it found that must not be.
pub fn run(seed: u64) -> Result<Passed, Failed> {
    panics::note();
    panics::take();
    let once = || {
        memory::left_after(|| {
            let outcome = Simulation::new(Plan::new(seed)).run();
            beam_node::network::leave();
            outcome
        })
    };
    let (outcome, mut left) = once();
    if outcome.is_ok() && left > 0 {
        // What the thread or the program keeps for good from the first time on is not left again.
        (_, left) = tracing::subscriber::with_default(NoSubscriber::default(), once);
    }
    if outcome.is_ok() && left > 0 {
        return Err(Failed {
            plan: Arc::new(Plan::new(seed)),
            violations: vec![format!("{left} bytes are left of what is over")],
        });
    }
    outcome
}

impl Simulation {
    /// How many violations are told of.
    const TOLD: usize = 20;

    fn new(plan: Plan) -> Self {
        // What nodes draw by themselves.
        fastrand::seed(plan.seed);
        clock::enter(0, Clock::Stopped(0));
        let net = Net::new(plan.network, plan.nodes.len());
        beam_node::network::enter(Arc::new(net.clone()));
        let hosts = (0..plan.nodes.len()).map(|host| Host {
            machine: Machine::new(host, net.clone()),
            program: Program::default(),
            lives: 0,
        });
        Self {
            hosts: hosts.collect(),
            plan: Arc::new(plan),
            net,
            ledger: Ledger::default(),
            memory: Memory::default(),
            now: 0,
        }
    }

    fn run(mut self) -> Result<Passed, Failed> {
        let plan = Arc::clone(&self.plan);
        self.counted(|simulation| simulation.start_those(|node| node.starts));
        for event in &plan.events {
            while self.now < event.at {
                self.step();
            }
            self.counted(|simulation| simulation.apply(&event.fault));
        }
        while self.now < plan.healed {
            self.step();
        }
        self.heal();
        let settled = self.settle();
        self.quiet();
        self.stop();
        self.ledger.check();
        tracing::info!(
            percent = self.memory.most,
            "most memory of what was allowed"
        );

        let mut violations = panics::take();
        let book = self.ledger.book();
        for (id, call) in &book.calls {
            let ended = call.ended.as_ref().map_or(0, |(at, _)| *at);
            self.net
                .note([*id, call.begun, ended, call.runs.len() as u64]);
        }
        violations.extend(book.violations.iter().take(Self::TOLD).cloned());
        if !violations.is_empty() {
            return Err(Failed { plan, violations });
        }
        let (hash, packets) = self.net.trace();
        let is_answered = |call: &&Call| {
            matches!(call.ended, Some((_, End::Answered(_)))) && call.kind != Kind::Cast
        };
        Ok(Passed {
            hash,
            packets,
            nodes: plan.nodes.len(),
            calls: book.calls.len(),
            answered: book.calls.values().filter(is_answered).count(),
            settled,
            simulated: self.now,
        })
    }

    /// Has every host run for a while.
    fn step(&mut self) {
        let until = self.now + self.plan.step;
        self.counted(|simulation| {
            for host in &mut simulation.hosts {
                host.machine.step(simulation.now, until);
            }
        });
        self.now = until;
    }

    /// Does something that takes no simulated time or one step, and counts the memory that it takes.
    fn counted(&mut self, act: impl FnOnce(&mut Self)) {
        let counted = measure(|| act(self));
        let load = self.load();
        let hosts = &self.hosts;
        let queued = || hosts.iter().map(Host::queued_bytes).sum();
        if let Some((taken, allowed)) = self.memory.count(counted, load, queued) {
            self.ledger.violation(format!(
                "{taken} bytes were held at {} ms, not {allowed} at the most, with {load:?}",
                self.now
            ));
        }
    }

    fn load(&self) -> Load {
        let is_running = |host: &&Host| host.machine.is_running();
        let mut book = self.ledger.book();
        Load {
            nodes: self.hosts.iter().filter(is_running).count(),
            connections: self.net.open_connections(),
            network_bytes: self.net.held_bytes(),
            calls: book.calls.len(),
            at_work: book.most_at_work(),
        }
    }

    /// Goes on until something holds, or a time is over; tells whether it does.
    fn step_until(&mut self, most: Millis, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + most;
        loop {
            if holds(self) {
                return true;
            }
            if self.now >= end {
                return false;
            }
            self.steps();
        }
    }

    /// Some steps, after which to look at what there is, which takes longer than a step.
    fn steps(&mut self) {
        for _ in 0..10 {
            self.step();
        }
    }

    /// Starts the nodes of a kind that do not run.
    fn start_those(&mut self, are_meant: impl Fn(&NodePlan) -> bool) {
        let plan = Arc::clone(&self.plan);
        for (host, node) in plan.nodes.iter().enumerate() {
            if are_meant(node) {
                self.start(host);
            }
        }
    }

    fn start(&mut self, host: HostId) {
        let starting = &mut self.hosts[host];
        if starting.machine.is_running() && !starting.program.state().has_ended {
            return;
        }
        starting.lives += 1;
        let life = starting.life(host);
        let program = Program::default();
        starting.program = program.clone();
        let (plan, ledger) = (Arc::clone(&self.plan), self.ledger.clone());
        let seed = self.plan.network.seed ^ (host as u64) << 32 ^ u64::from(life.number);
        let running = program.run(plan, life, ledger);
        starting.machine.start(self.now, seed, running);
    }

    /// Makes everything well.
    fn heal(&mut self) {
        for (from, to) in self.net.blocked() {
            self.net.unblock(from, to);
        }
        let count = self.hosts.len();
        for host in 0..count {
            for other in 0..host {
                self.net.set_delay(host, other, None);
            }
            self.resume(host);
        }
        let plan = Arc::clone(&self.plan);
        for (host, node) in plan.nodes.iter().enumerate() {
            if !node.stays {
                self.hosts[host].program.shut_down();
            }
        }
        self.start_those_that_stay();
    }

    /// Starts the nodes that are to be there and are not, but for those that are still shutting down.
    fn start_those_that_stay(&mut self) {
        self.counted(|simulation| simulation.start_those(|node| node.stays));
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        write!(f, "{}", self.plan)
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let silent = match self.settled.silent {
            Some(after) => format!(" ({after} ms on those without power)"),
            None => String::new(),
        };
        write!(
            f,
            "{} nodes, {} calls, {} answered, agreed after {} ms{}, {} ms in all, {} packets, trace {:016x}",
            self.nodes,
            self.calls,
            self.answered,
            self.settled.reachable,
            silent,
            self.simulated,
            self.packets,
            self.hash,
        )
    }
}
