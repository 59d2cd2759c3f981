//! Whether all nodes come to see the cluster as it is, and how soon.

use std::collections::{BTreeMap, BTreeSet};

use rpc_load_balancer::{Balancer, Node};

use super::{Settled, Simulation, checks::SHUT_DOWN};
use crate::{
    clock::Millis,
    network::Net,
    program::{club, node_name, pool_group},
};

/// How soon all nodes agree on those that can be reached, once all is well.
const AGREED: Millis = 5_000;

/// How much later than everything was well the last packet of a host may come that is gone for good, if a cut
/// kept it.
const LATE: Millis = 2_000;

/// The cluster as it is, for all who are in it to see.
struct Cluster {
    /// Nodes whose balancer is a member.
    pool: BTreeSet<String>,
    /// How many processes of which nodes are in the group that is joined and left.
    club: BTreeMap<String, usize>,
}

impl Simulation {
    /// Waits until every node sees what is so, and tells how long that took.
    pub(super) fn settle(&mut self) -> Settled {
        let healed = self.now;
        let silent = self.silent();
        let (mut changed, mut is_agreed) = (healed, false);
        let mut reachable = 0;
        let mut ending = self.ending();
        loop {
            let disagreements = self.disagreements(&silent);
            if disagreements.is_empty() {
                if !is_agreed {
                    reachable = reachable.max(self.now - changed);
                    is_agreed = true;
                }
                if ending == 0 {
                    break;
                }
            } else if self.now > changed + AGREED {
                self.tell(AGREED, disagreements);
                break;
            }
            if ending > 0 && self.now > healed + SHUT_DOWN {
                self.tell_who_has_not_ended();
                break;
            }
            self.steps();
            let still = self.ending();
            if still != ending {
                // Those of them that are to be there come back.
                self.start_those_that_stay();
                (ending, changed, is_agreed) = (still, self.now, false);
            }
        }
        let noticed = (!silent.is_empty()).then(|| self.notice(healed));
        Settled {
            reachable,
            silent: noticed,
        }
    }

    /// Waits until every node has given up those that are silent for good.
    fn notice(&mut self, healed: Millis) -> Millis {
        let most = LATE + self.plan.noticed_within();
        let nobody = BTreeSet::new();
        let left = (healed + most).saturating_sub(self.now);
        if !self.step_until(left, |simulation| {
            simulation.disagreements(&nobody).is_empty()
        }) {
            self.tell(most, self.disagreements(&nobody));
        }
        self.now - healed
    }

    fn tell(&self, after: Millis, disagreements: Vec<String>) {
        for what in disagreements {
            let at = self.now;
            self.ledger
                .violation(format!("{after} ms after all was well, at {at} ms: {what}"));
        }
    }

    /// Nodes that lost power and do not come back, of which nobody heard.
    fn silent(&self) -> BTreeSet<String> {
        let hosts = 0..self.hosts.len();
        let silent = hosts.filter(|&host| !self.net.is_on(host));
        silent.map(node_name).collect()
    }

    fn cluster(&self) -> Cluster {
        let mut cluster = Cluster {
            pool: BTreeSet::new(),
            club: BTreeMap::new(),
        };
        for (number, host) in self.hosts.iter().enumerate() {
            let state = host.program.state();
            if state.node.is_none() || state.is_leaving {
                continue;
            }
            if self.plan.nodes[number].is_member {
                cluster.pool.insert(node_name(number));
            }
            if !state.memberships.is_empty() {
                let processes = state.memberships.len();
                cluster.club.insert(node_name(number), processes);
            }
        }
        cluster
    }

    /// How nodes see the cluster otherwise than it is, but for what they make of some who are not there.
    fn disagreements(&self, but_for: &BTreeSet<String>) -> Vec<String> {
        let cluster = self.cluster();
        let mut disagreements = Vec::new();
        for (number, host) in self.hosts.iter().enumerate() {
            let state = host.program.state();
            match &state.node {
                _ if state.is_leaving => {}
                Some((node, balancer)) => {
                    disagreements.extend(cluster.disagreements(node, balancer, but_for));
                }
                None if self.plan.nodes[number].stays => {
                    disagreements.push(format!("{} does not run", Net::host_name(number)));
                }
                None => {}
            }
        }
        disagreements
    }
}

impl Cluster {
    fn disagreements(
        &self,
        node: &Node,
        balancer: &Balancer,
        but_for: &BTreeSet<String>,
    ) -> Vec<String> {
        let mut disagreements = Vec::new();
        let name = node.name();
        let counts = |member: &String| !but_for.contains(member);
        let members = balancer.members().unwrap_or_default();
        let members: BTreeSet<_> = members.iter().map(ToString::to_string).collect();
        let seen: BTreeSet<_> = members.into_iter().filter(counts).collect();
        if seen != self.pool {
            let pool = &self.pool;
            disagreements.push(format!("{name} has the members {seen:?}, not {pool:?}"));
        }
        let suspects: Vec<_> = node.suspects().keys().map(ToString::to_string).collect();
        let suspects: Vec<_> = suspects.into_iter().filter(counts).collect();
        if !suspects.is_empty() {
            disagreements.push(format!("{name} suspects {suspects:?}"));
        }
        let once = self.pool.iter().map(|name| (name.clone(), 1)).collect();
        for (group, processes) in [(pool_group(), &once), (club(), &self.club)] {
            let members = node.members(&group);
            let seen = members
                .iter()
                .map(|member| (member.node().to_string(), member.pids().len()));
            // The processes of an earlier life of a node would be counted as well.
            let seen: BTreeMap<_, _> = seen.filter(|(member, _)| counts(member)).collect();
            if seen != *processes {
                disagreements.push(format!(
                    "{name} sees the group {group} as {seen:?}, not {processes:?}"
                ));
            }
        }
        disagreements
    }
}
