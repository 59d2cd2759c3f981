//! What never changes about a running node, and what all its links count together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use beam_dist::{Creation, NodeName};
use beam_term::{Atom, Pid};

use crate::{
    Limits, atoms,
    process::{Processes, Role},
    quota::Quota,
    serve::Loads,
};

/// Who this node is.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: NodeName,
    /// The name as it stands in pids and references.
    pub(crate) atom: Atom,
    pub(crate) creation: Creation,
    /// The process in whose name calls are made.
    pub(crate) caller: Pid,
    /// The group leader of the functions that this node calls.
    pub(crate) group_leader: Pid,
    /// The scope of process groups.
    pub(crate) scope: Pid,
    pub(crate) limits: Limits,
    /// Calls sent to all peers and not answered.
    pub(crate) calling: Arc<Quota>,
    /// Calls received from all peers, and from this node itself.
    pub(crate) serving: Loads,
}

impl Identity {
    pub(crate) fn new(
        name: NodeName,
        creation: Creation,
        processes: &Processes,
        limits: Limits,
    ) -> Arc<Self> {
        let service = |role, names: &[Atom]| {
            let process = processes.spawn(role, []);
            for name in names {
                processes.register(name.clone(), &process);
            }
            process.pid.clone()
        };
        service(Role::NetKernel, &[atoms::NET_KERNEL]);
        service(Role::Rex, &[atoms::REX]);
        Arc::new(Self {
            atom: name.as_atom().clone(),
            name,
            creation,
            caller: service(Role::Caller, &[]),
            group_leader: service(Role::GroupLeader, &[]),
            scope: service(Role::Scope, &[atoms::SCOPE]),
            calling: Arc::new(Quota::new(limits.calls_per_node, CALLS_AHEAD)),
            serving: Loads::new(&limits),
            limits,
        })
    }
}

/// How many calls a link counts ahead.
pub(crate) const CALLS_AHEAD: usize = 64;

/// A count with a bound.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    /// Adds one, unless `limit` is reached.
    pub(crate) fn enter(&self, limit: usize) -> bool {
        if self.0.fetch_add(1, Ordering::Relaxed) < limit {
            return true;
        }
        self.leave();
        false
    }

    /// Takes one away.
    pub(crate) fn leave(&self) {
        let before = self.0.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a gauge was left more often than entered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_admits_up_to_its_limit() {
        let gauge = Gauge::default();
        assert!(gauge.enter(2));
        assert!(gauge.enter(2));
        assert!(!gauge.enter(2));
        gauge.leave();
        assert!(gauge.enter(2));
    }
}
