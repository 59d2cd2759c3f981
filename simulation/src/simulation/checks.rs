//! What must hold once all is well.

use rpc_load_balancer::beam_node::Holdings;

use super::{Host, Simulation};
use crate::{
    clock::Millis,
    network::Net,
    plan::{LONGEST_TIMEOUT, LONGEST_WORK},
};

/// How long a node may take to shut down: it drains for 15 s, and ends its tasks within 10 s.
pub(super) const SHUT_DOWN: Millis = 27_000;

/// How long it may take until nothing is under way any more, after the last call was made: no call
/// takes longer, what was asked of peers for other reasons is answered within 5 s, and a narrow
/// connection with much to carry takes a minute.
const QUIET: Millis = LONGEST_TIMEOUT + LONGEST_WORK + 66_000;

/// Processes that every node has.
const PROCESSES: usize = 5;

impl Host {
    /// Whether its node is shutting down.
    fn is_ending(&self) -> bool {
        let state = self.program.state();
        self.machine.is_running() && state.is_leaving && !state.has_ended
    }
}

impl Simulation {
    /// Waits until all nodes have ended that are shutting down.
    pub(super) fn await_ends(&mut self) {
        if !self.step_until(SHUT_DOWN, |simulation| simulation.ending() == 0) {
            self.tell_who_has_not_ended();
        }
    }

    /// How many nodes are shutting down.
    pub(super) fn ending(&self) -> usize {
        self.hosts.iter().filter(|host| host.is_ending()).count()
    }

    pub(super) fn tell_who_has_not_ended(&self) {
        for (number, host) in self.hosts.iter().enumerate() {
            if host.is_ending() {
                let host = Net::host_name(number);
                let what = format!(
                    "{host} has not shut down after {SHUT_DOWN} ms, at {} ms",
                    self.now
                );
                self.ledger.violation(what);
            }
        }
    }

    /// Has nobody call any more, and waits until nothing is under way.
    pub(super) fn quiet(&mut self) {
        for host in &self.hosts {
            host.program.be_quiet();
        }
        // A node that is gone without a word is asked until its silence is noticed.
        let most = QUIET + self.plan.noticed_within();
        if !self.step_until(most, |simulation| simulation.left_over().is_empty()) {
            for left_over in self.left_over() {
                let what = format!("{most} ms after the last call was made: {left_over}");
                self.ledger.violation(what);
            }
        }
    }

    /// Shuts all nodes down.
    pub(super) fn stop(&mut self) {
        for host in &self.hosts {
            host.program.shut_down();
        }
        self.await_ends();
        let nothing_left = |simulation: &Self| {
            let is_idle = |host: &Host| host.machine.tasks() == 0;
            simulation.hosts.iter().all(is_idle) && simulation.net.open_connections() == 0
        };
        if !self.step_until(SHUT_DOWN, nothing_left) {
            let tasks: Vec<_> = self.hosts.iter().map(|host| host.machine.tasks()).collect();
            let connections = self.net.open_connections();
            self.ledger.violation(format!(
                "after all nodes were shut down: {tasks:?} tasks and {connections} connections are left"
            ));
        }
    }

    /// What there is that must not be when nobody calls.
    fn left_over(&self) -> Vec<String> {
        let mut left_over = Vec::new();
        let book = self.ledger.book();
        for (number, host) in self.hosts.iter().enumerate() {
            let state = host.program.state();
            let Some((node, balancer)) = &state.node else {
                continue;
            };
            let name = node.name();
            let handlers: usize = book
                .running
                .iter()
                .filter(|(life, _)| life.host == number)
                .map(|(_, count)| count)
                .sum();
            let Holdings {
                processes,
                requests,
                probes,
                links,
                scope_monitors,
                ..
            } = node.holdings();
            let members = state.memberships.len() + usize::from(self.plan.nodes[number].is_member);
            for (what, count, expected) in [
                ("calls that have not ended", state.callers, 0),
                ("handlers", handlers, 0),
                ("calls in flight of the balancer", balancer.in_flight(), 0),
                ("calls in flight", node.calling(), 0),
                ("calls served", node.serving(), 0),
                ("processes", processes, PROCESSES + members),
                ("requests to peers", requests, scope_monitors),
            ] {
                if count != expected {
                    left_over.push(format!("{name} has {count} {what}, not {expected}"));
                }
            }
            if probes > links {
                left_over.push(format!("{name} has {probes} probes over {links} links"));
            }
            for peer in node.peers() {
                if peer.calling != 0 || peer.serving != 0 {
                    left_over.push(format!("{name} has calls with a peer: {peer:?}"));
                }
            }
        }
        left_over
    }
}
