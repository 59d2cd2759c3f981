//! Change of a group leader.

use beam_term::{Pid, Reader, Writer};

use super::{ControlDecodeError, operation};

/// Gives a process another group leader: the process that does its input and output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLeader {
    /// The new group leader.
    pub leader: Pid,
    /// The process that gets it.
    pub to: Pid,
}

impl GroupLeader {
    pub(super) fn decode(reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        Ok(Self {
            leader: reader.pid()?,
            to: reader.pid()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.tuple(3);
        writer.integer(operation::GROUP_LEADER);
        writer.pid(&self.leader);
        writer.pid(&self.to);
    }
}
