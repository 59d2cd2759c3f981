//! What a node holds, for simulations to find that it is no more than it should be. Only in builds
//! with `--cfg rlb_simulation`.

use crate::Node;

/// How much a node holds of what can grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Tasks that it has started.
    pub tasks: usize,
    /// Processes: those that every node has, memberships, mailboxes, and calls that it serves.
    pub processes: usize,
    /// Links that are alive.
    pub links: usize,
    /// Requests to all peers that were not answered: calls and monitors.
    pub requests: usize,
    /// Requests that only prove peers alive.
    pub probes: usize,
    /// Monitors of its scope on those of its peers.
    pub scope_monitors: usize,
    /// Names of nodes that it knows of.
    pub names: usize,
}

impl Node {
    /// What it holds at the moment.
    pub fn holdings(&self) -> Holdings {
        let state = self.state();
        let links = state.links.all();
        let unanswered = || links.iter().map(|link| link.unanswered());
        Holdings {
            tasks: state.tasks(),
            processes: state.processes.all().len(),
            links: links.len(),
            requests: unanswered().map(|(requests, _)| requests).sum(),
            probes: unanswered().map(|(_, probes)| probes).sum(),
            scope_monitors: state.groups.monitors(),
            names: state.names(),
        }
    }
}
