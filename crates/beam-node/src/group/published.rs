//! A value that this node publishes.

use std::sync::Arc;

use beam_term::{Pid, Term};

use super::{InvalidGroup, NotJoined, features, message::GROUP_NAME_BYTES};
use crate::{
    atoms,
    error::Error,
    process::{Process, Role},
    state::NodeState,
};

/// A value that this node publishes under a key; dropping it withdraws the value.
///
/// Where a node publishes more than one under the same key, the one that was published or set last
/// counts.
#[derive(Debug)]
pub struct Published {
    node: Arc<NodeState>,
    process: Arc<Process>,
    key: Term,
    /// The name of the group that carries the value.
    group: Term,
}

impl Published {
    pub(crate) fn publish(node: &Arc<NodeState>, key: Term, value: Term) -> Result<Self, Error> {
        if features::is_reserved(&key) {
            return Err(Error::bad_request(format!(
                "nothing can be published under the key {key}, under which nodes speak of themselves; \
                 choose another key"
            )));
        }
        let process = node.processes.spawn(Role::Member, []);
        match node.groups.publish(&key, value, &process.pid, None) {
            Ok(group) => Ok(Self {
                node: Arc::clone(node),
                process,
                key,
                group,
            }),
            Err(error) => {
                node.end_process(&process, &Term::Atom(atoms::NORMAL));
                Err(refused(&key, &error))
            }
        }
    }

    /// Publishes another value in the place of this one. No peer sees a moment without any.
    ///
    /// # Errors
    ///
    /// As [`Node::publish`](crate::Node::publish); the value that there was stays.
    pub fn set(&mut self, value: impl Into<Term>) -> Result<(), Error> {
        let groups = &self.node.groups;
        self.group = groups
            .publish(
                &self.key,
                value.into(),
                &self.process.pid,
                Some(&self.group),
            )
            .map_err(|error| refused(&self.key, &error))?;
        Ok(())
    }

    /// The key.
    pub fn key(&self) -> &Term {
        &self.key
    }

    /// The pid of the process that publishes the value.
    pub fn pid(&self) -> &Pid {
        &self.process.pid
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.node.groups.leave(&self.process.pid);
        self.node
            .end_process(&self.process, &Term::Atom(atoms::NORMAL));
    }
}

fn refused(key: &Term, error: &NotJoined) -> Error {
    Error::bad_request(match error {
        NotJoined::Closed => return Error::shut_down(),
        NotJoined::Invalid(InvalidGroup::TooLong { bytes }) => format!(
            "the value to be published under {key} is too large: with its key it takes {bytes} \
             bytes when encoded, at most {GROUP_NAME_BYTES} are allowed"
        ),
        NotJoined::Invalid(InvalidGroup::Encode(error)) => {
            format!("the value to be published under {key} has no encoding: {error}")
        }
    })
}
