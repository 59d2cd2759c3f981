//! Doing what a plan says.

use super::Simulation;
use crate::{
    clock::HostId,
    plan::{CallerPlan, Fault},
    program::{Program, club, node_name},
};

impl Simulation {
    pub(super) fn apply(&mut self, fault: &Fault) {
        tracing::info!(at = self.now, ?fault, "a fault");
        match fault {
            Fault::Start(host) => self.start(*host),
            Fault::Kill(host) => {
                self.hosts[*host].machine.kill(self.now);
                self.forget(*host);
            }
            Fault::PowerOff(host) => {
                self.hosts[*host].machine.power_off(self.now);
                self.forget(*host);
            }
            Fault::ShutDown(host) => self.hosts[*host].program.shut_down(),
            Fault::Hang(host) => self.hosts[*host].machine.hang(self.now),
            Fault::Resume(host) => self.resume(*host),
            Fault::Block(some, others) => {
                for (from, to) in pairs(some, others) {
                    self.net.block(from, to);
                }
            }
            Fault::Unblock(some, others) => {
                for (from, to) in pairs(some, others) {
                    self.net.unblock(from, to);
                }
            }
            Fault::Burst(host, other) => self.burst(*host, *other),
            Fault::Delay(one, other, delay) => self.net.set_delay(*one, *other, *delay),
            Fault::Disconnect(host, other) => self.within(*host, |program| {
                if let Some((node, _)) = &program.state().node {
                    node.disconnect(node_name(*other));
                }
            }),
            Fault::Join(host) => self.within(*host, |program| {
                let mut state = program.state();
                if let Some((node, _)) = &state.node
                    && !state.is_leaving
                    && let Ok(membership) = node.join(club())
                {
                    state.memberships.push(membership);
                }
            }),
            Fault::Leave(host) => self.within(*host, |program| {
                let left = std::mem::take(&mut program.state().memberships);
                drop(left);
            }),
        }
    }
}

/// The steps of faults.
impl Simulation {
    /// Lets a host go on that hangs, and notes from when to when it did.
    pub(super) fn resume(&mut self, host: HostId) {
        let machine = &mut self.hosts[host].machine;
        if let Some(since) = machine.hangs_since() {
            let mut book = self.ledger.book();
            book.hung.entry(host).or_default().push((since, self.now));
        }
        machine.resume(self.now);
    }

    /// Has a node make many calls of another.
    fn burst(&self, host: HostId, other: HostId) {
        let (plan, ledger) = (&self.plan, &self.ledger);
        let life = self.hosts[host].life(host);
        let seed = plan.seed ^ self.now;
        self.within(host, |program| {
            let own = CallerPlan::burst(seed);
            if let Some(mut caller) = program.caller(&own, plan, life, ledger) {
                program.spawn(async move { caller.many(node_name(other)).await });
            }
        });
    }

    /// Forgets a program that has no machine any more.
    fn forget(&mut self, host: HostId) {
        self.hosts[host].program = Program::default();
        self.ledger
            .book()
            .running
            .retain(|life, _| life.host != host);
    }

    /// Does something as if the program of a host did, unless that does not run.
    fn within(&self, host: HostId, act: impl FnOnce(&Program)) {
        let host = &self.hosts[host];
        if host.machine.hangs_since().is_none() {
            host.machine.within(|| act(&host.program));
        }
    }
}

fn pairs(some: &[HostId], others: &[HostId]) -> impl Iterator<Item = (HostId, HostId)> {
    let pairs = some
        .iter()
        .flat_map(|&one| others.iter().map(move |&other| (one, other)));
    pairs.filter(|(one, other)| one != other)
}
