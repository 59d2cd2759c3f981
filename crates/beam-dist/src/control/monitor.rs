//! Monitors: watching a process for its end.

use beam_term::{Atom, Kind, Pid, Reader, Reference, Writer};

use super::{ControlDecodeError, operation};
use crate::Flags;

/// A process, by its identifier or by the name that it is registered under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The process itself.
    Pid(Pid),
    /// Whoever has the name when the message arrives.
    Name(Atom),
}

/// Watches a process: its end is reported with [`MonitorExit`], at once if it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// The process that watches.
    pub from: Pid,
    /// The process that is watched.
    pub to: Target,
    /// Identifies the monitor.
    pub reference: Reference,
}

/// Takes a monitor away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demonitor {
    /// The process that watched.
    pub from: Pid,
    /// The process that was watched, as in the [`Monitor`].
    pub to: Target,
    /// Identifies the monitor.
    pub reference: Reference,
}

/// A watched process came to its end. The payload is the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorExit {
    /// The process that came to its end, as in the [`Monitor`]: a name if it was watched by name.
    pub from: Target,
    /// The process that watched.
    pub to: Pid,
    /// Identifies the monitor.
    pub reference: Reference,
}

impl Target {
    #[inline]
    fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        match reader.peek_kind()? {
            Kind::Pid => Ok(Self::Pid(reader.pid()?)),
            Kind::Atom => Ok(Self::Name(reader.atom()?)),
            _ => Err(ControlDecodeError::Value {
                operation,
                element: "process",
            }),
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Pid(pid) => writer.pid(pid),
            Self::Name(name) => writer.atom(name),
        }
    }
}

impl Monitor {
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        Ok(Self {
            from: reader.pid()?,
            to: Target::decode(operation, reader)?,
            reference: reader.reference()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.tuple(4);
        writer.integer(operation::MONITOR_P);
        writer.pid(&self.from);
        self.to.encode(writer);
        writer.reference(&self.reference);
    }
}

impl Demonitor {
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        Ok(Self {
            from: reader.pid()?,
            to: Target::decode(operation, reader)?,
            reference: reader.reference()?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.tuple(4);
        writer.integer(operation::DEMONITOR_P);
        writer.pid(&self.from);
        self.to.encode(writer);
        writer.reference(&self.reference);
    }
}

impl MonitorExit {
    #[inline]
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        Ok(Self {
            from: Target::decode(operation, reader)?,
            to: reader.pid()?,
            reference: reader.reference()?,
        })
    }

    pub(super) fn encode(&self, flags: Flags, writer: &mut Writer<'_>) {
        if flags.contains(Flags::EXIT_PAYLOAD) {
            writer.tuple(4);
            writer.integer(operation::PAYLOAD_MONITOR_P_EXIT);
        } else {
            writer.tuple(5);
            writer.integer(operation::MONITOR_P_EXIT);
        }
        self.from.encode(writer);
        writer.pid(&self.to);
        writer.reference(&self.reference);
    }
}
