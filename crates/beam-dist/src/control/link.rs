//! Links between processes: setting up and taking away.
//!
//! The end of a linked process is in [`exit`](super::exit).

use std::num::NonZeroU64;

use beam_term::{Pid, Reader, Writer};

use super::{ControlDecodeError, operation};

/// Links two processes: if one comes to its end, the other hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The process that links.
    pub from: Pid,
    /// The process that is linked to.
    pub to: Pid,
}

/// Takes a link away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlink {
    /// Identifies this message among those from `from` to `to` that are not yet acknowledged.
    /// `None` is the obsolete form, which nodes from OTP 26 on refuse.
    pub id: Option<NonZeroU64>,
    /// The process that unlinks.
    pub from: Pid,
    /// The process that it was linked to.
    pub to: Pid,
}

/// Acknowledges an [`Unlink`]. It must be sent before any other signal to the process that
/// unlinked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnlinkAck {
    /// The one of the [`Unlink`].
    pub id: NonZeroU64,
    /// The process that was unlinked.
    pub from: Pid,
    /// The process that unlinked.
    pub to: Pid,
}

impl Link {
    pub(super) fn decode(reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        Ok(Self {
            from: reader.pid()?,
            to: reader.pid()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.tuple(3);
        writer.integer(operation::LINK);
        writer.pid(&self.from);
        writer.pid(&self.to);
    }
}

impl Unlink {
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        Ok(Self {
            id: match operation {
                operation::UNLINK_ID => Some(id(operation, reader)?),
                _ => None,
            },
            from: reader.pid()?,
            to: reader.pid()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        match self.id {
            Some(id) => {
                writer.tuple(4);
                writer.integer(operation::UNLINK_ID);
                writer.integer(id.get());
            }
            None => {
                writer.tuple(3);
                writer.integer(operation::UNLINK);
            }
        }
        writer.pid(&self.from);
        writer.pid(&self.to);
    }
}

impl UnlinkAck {
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        Ok(Self {
            id: id(operation, reader)?,
            from: reader.pid()?,
            to: reader.pid()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.tuple(4);
        writer.integer(operation::UNLINK_ID_ACK);
        writer.integer(self.id.get());
        writer.pid(&self.from);
        writer.pid(&self.to);
    }
}

fn id(operation: i64, reader: &mut Reader) -> Result<NonZeroU64, ControlDecodeError> {
    NonZeroU64::new(reader.integer()?).ok_or(ControlDecodeError::Value {
        operation,
        element: "identifier",
    })
}
