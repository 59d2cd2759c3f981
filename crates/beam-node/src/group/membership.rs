//! A process of this node in a group.

use std::sync::Arc;

use beam_term::{Pid, Term};

use crate::{
    atoms,
    error::Error,
    group::NotJoined,
    process::{Process, Role},
    state::NodeState,
};

/// A membership of this node in a process group; dropping it leaves the group.
///
/// Each membership is a process of its own, so a node can be in a group more than once.
#[derive(Debug)]
pub struct Membership {
    node: Arc<NodeState>,
    process: Arc<Process>,
    group: Term,
}

impl Membership {
    pub(crate) fn join(node: &Arc<NodeState>, group: Term) -> Result<Self, Error> {
        let process = node.processes.spawn(Role::Member, []);
        let membership = Self {
            node: Arc::clone(node),
            process,
            group,
        };
        node.groups
            .join(&membership.group, &membership.process.pid)
            .map_err(|error| match error {
                NotJoined::Invalid(error) => {
                    Error::bad_request(format!("wrong name of a group: {error}"))
                }
                NotJoined::Closed => Error::shut_down(),
            })?;
        Ok(membership)
    }

    /// The group.
    pub fn group(&self) -> &Term {
        &self.group
    }

    /// The pid of the member.
    pub fn pid(&self) -> &Pid {
        &self.process.pid
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.node.groups.leave(&self.process.pid);
        self.node
            .end_process(&self.process, &Term::Atom(atoms::NORMAL));
    }
}
