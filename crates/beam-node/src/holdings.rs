//! What a node holds, for simulations to find that it is no more than it should be. Only in builds
//! with `--cfg rlb_simulation`.

use std::sync::Arc;

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
    /// Links that something still refers to, those that have ended among them, and calls of this node to
    /// itself.
    pub kept_links: usize,
    /// Requests to all peers that were not answered: calls and monitors.
    pub requests: usize,
    /// Requests that only prove peers alive.
    pub probes: usize,
    /// Bytes that wait to be sent, or are owed, to all peers.
    pub queued_bytes: usize,
    /// Monitors of its scope on those of its peers.
    pub scope_monitors: usize,
    /// Names of nodes that it knows of.
    pub names: usize,
    /// Monitors and links that peers hold on its processes.
    pub watchers: usize,
    /// Bytes of calls that it serves.
    pub served_bytes: usize,
    /// Connections whose handshake is under way.
    pub strangers: usize,
}

impl Node {
    /// What it holds at the moment.
    pub fn holdings(&self) -> Holdings {
        let state = self.state();
        let links = state.links.all();
        let processes = state.processes.all();
        let unanswered = || links.iter().map(|link| link.unanswered());
        Holdings {
            tasks: state.tasks(),
            processes: processes.len(),
            links: links.len(),
            // The other one is that of the node itself.
            kept_links: Arc::strong_count(&state.identity) - 1,
            requests: unanswered().map(|(requests, _)| requests).sum(),
            probes: unanswered().map(|(_, probes)| probes).sum(),
            queued_bytes: links.iter().map(|link| link.queued_bytes()).sum(),
            scope_monitors: state.groups.monitors(),
            names: state.names(),
            watchers: processes.iter().map(|process| process.watched_by()).sum(),
            served_bytes: state.identity.serving.bytes(),
            strangers: state.unauthenticated.count(),
        }
    }
}
