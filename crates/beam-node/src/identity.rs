//! What never changes about a running node, and what all its links count together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use beam_dist::{Creation, NodeName};
use beam_term::{Atom, Pid, Reference};
use tokio::sync::Notify;

use crate::{
    Limits, atoms,
    call::stray_reference,
    process::{Processes, Role},
    serve::Load,
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
    pub(crate) calling: Gauge,
    /// Calls received from all peers and not answered.
    pub(crate) serving: Load,
    /// Calls received from all peers in all, but for those of functions that every node exports.
    pub(crate) served: AtomicU64,
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
            limits,
            calling: Gauge::default(),
            serving: Load::default(),
            served: AtomicU64::new(0),
        })
    }

    /// A reference that stands for no request of any link.
    pub(crate) fn stray_reference(&self) -> Reference {
        stray_reference(&self.atom, self.creation.get())
    }
}

/// A count with a bound, and with those who wait for it to become zero.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    count: AtomicUsize,
    emptied: Notify,
}

impl Gauge {
    /// Adds one, unless `limit` is reached.
    pub(crate) fn enter(&self, limit: usize) -> bool {
        if self.count.fetch_add(1, Ordering::Relaxed) < limit {
            return true;
        }
        self.leave();
        false
    }

    /// Takes one away.
    pub(crate) fn leave(&self) {
        let before = self.count.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before > 0, "a gauge was left more often than entered");
        if before == 1 {
            self.emptied.notify_waiters();
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until the count is zero.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
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
        assert_eq!(gauge.count(), 2);
        gauge.leave();
        assert!(gauge.enter(2));
    }
}
