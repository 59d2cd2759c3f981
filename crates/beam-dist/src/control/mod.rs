//! Control messages: the signals between processes of connected nodes.
//!
//! One variant of [`Control`] is one signal, not one number on the wire. Several operations of the
//! protocol say the same in older and newer forms, or with a trace token added; which form is sent
//! follows from the [`Flags`] that the two nodes negotiated, and all forms are understood.
//!
//! | signal | operations |
//! |---|---|
//! | [`Link`], [`Unlink`], [`UnlinkAck`] | LINK 1, UNLINK 4, UNLINK_ID 35, UNLINK_ID_ACK 36 |
//! | [`Exit`] | EXIT 3, EXIT_TT 13, PAYLOAD_EXIT 24, PAYLOAD_EXIT_TT 25 |
//! | [`Exit2`] | EXIT2 8, EXIT2_TT 18, PAYLOAD_EXIT2 26, PAYLOAD_EXIT2_TT 27, ALTACT_SIG_SEND 37 |
//! | [`SendTo`] | SEND 2, REG_SEND 6, SEND_TT 12, REG_SEND_TT 16, SEND_SENDER 22, SEND_SENDER_TT 23, ALIAS_SEND 33, ALIAS_SEND_TT 34, ALTACT_SIG_SEND 37 |
//! | [`GroupLeader`] | GROUP_LEADER 7 |
//! | [`Monitor`], [`Demonitor`] | MONITOR_P 19, DEMONITOR_P 20 |
//! | [`MonitorExit`] | MONITOR_P_EXIT 21, PAYLOAD_MONITOR_P_EXIT 28 |
//! | [`SpawnRequest`], [`SpawnReply`] | SPAWN_REQUEST 29, SPAWN_REQUEST_TT 30, SPAWN_REPLY 31, SPAWN_REPLY_TT 32 |
//! | [`Control::NodeLink`] | NODE_LINK 5 |
//!
//! The reason of [`Exit`], [`Exit2`] and [`MonitorExit`] is the payload of the
//! [`Message`](crate::Message), also where the older forms carry it inside the control tuple.
//!
//! Source: "Protocol between Connected Nodes" in the chapter "Distribution Protocol" of the ERTS
//! user's guide.

mod altact;
mod error;
mod exit;
mod group_leader;
mod link;
mod monitor;
mod operation;
mod send;
mod spawn;
mod token;

use beam_term::{Reader, Writer};

use crate::Flags;

pub(crate) use self::operation::Head;
pub use self::{
    error::{ControlDecodeError, ControlEncodeError},
    exit::{Exit, Exit2},
    group_leader::GroupLeader,
    link::{Link, Unlink, UnlinkAck},
    monitor::{Demonitor, Monitor, MonitorExit, Target},
    send::{Recipient, SendTo},
    spawn::{SpawnOptions, SpawnReply, SpawnRequest},
};

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// Link two processes.
    Link(Link),
    /// Take a link away.
    Unlink(Unlink),
    /// The answer to [`Control::Unlink`].
    UnlinkAck(UnlinkAck),
    /// A linked process came to its end. The payload is the reason.
    Exit(Exit),
    /// A process called `exit/2`. The payload is the reason.
    Exit2(Exit2),
    /// A message to a process. The payload is the message.
    Send(SendTo),
    /// A process gets another group leader.
    GroupLeader(GroupLeader),
    /// Watch a process.
    Monitor(Monitor),
    /// Watch it no longer.
    Demonitor(Demonitor),
    /// A watched process came to its end. The payload is the reason.
    MonitorExit(MonitorExit),
    /// Start a process. The payload is the list of its arguments.
    SpawnRequest(SpawnRequest),
    /// The answer to [`Control::SpawnRequest`].
    SpawnReply(SpawnReply),
    /// What was once sent between nodes that watched each other. It says nothing any more.
    NodeLink,
    /// An operation that this crate does not know, by its number. It may have a payload. It cannot
    /// be encoded.
    Unknown(i64),
}

impl Control {
    /// Whether a payload comes with this control message; `None` where that is not known.
    pub fn carries_payload(&self) -> Option<bool> {
        match self {
            Self::Exit(_)
            | Self::Exit2(_)
            | Self::Send(_)
            | Self::MonitorExit(_)
            | Self::SpawnRequest(_) => Some(true),
            Self::Link(_)
            | Self::Unlink(_)
            | Self::UnlinkAck(_)
            | Self::GroupLeader(_)
            | Self::Monitor(_)
            | Self::Demonitor(_)
            | Self::SpawnReply(_)
            | Self::NodeLink => Some(false),
            Self::Unknown(_) => None,
        }
    }

    /// Reads what follows the head of a control message, all but the reason where that is inside.
    ///
    /// Each operation makes the whole result, so that what is large is not moved from hand to hand.
    #[inline(never)]
    pub(crate) fn decode(head: Head, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        use operation::*;

        let Head {
            operation,
            elements,
        } = head;
        match operation::elements(operation) {
            Some(_) if operation == ALTACT_SIG_SEND => return altact::decode(elements, reader),
            Some(expected) if elements != expected => {
                return Err(ControlDecodeError::Elements {
                    operation,
                    elements,
                });
            }
            Some(_) => {}
            None => {
                for _ in 1..elements {
                    reader.skip()?;
                }
            }
        }
        match operation {
            LINK => Link::decode(reader).map(Self::Link),
            UNLINK | UNLINK_ID => Unlink::decode(operation, reader).map(Self::Unlink),
            UNLINK_ID_ACK => UnlinkAck::decode(operation, reader).map(Self::UnlinkAck),
            EXIT | EXIT_TT | PAYLOAD_EXIT | PAYLOAD_EXIT_TT => {
                Exit::decode(operation, reader).map(Self::Exit)
            }
            EXIT2 | EXIT2_TT | PAYLOAD_EXIT2 | PAYLOAD_EXIT2_TT => {
                Exit2::decode(operation, reader).map(Self::Exit2)
            }
            SEND | REG_SEND | SEND_TT | REG_SEND_TT | SEND_SENDER | SEND_SENDER_TT | ALIAS_SEND
            | ALIAS_SEND_TT => SendTo::decode(operation, reader).map(Self::Send),
            GROUP_LEADER => GroupLeader::decode(reader).map(Self::GroupLeader),
            MONITOR_P => Monitor::decode(operation, reader).map(Self::Monitor),
            DEMONITOR_P => Demonitor::decode(operation, reader).map(Self::Demonitor),
            MONITOR_P_EXIT | PAYLOAD_MONITOR_P_EXIT => {
                MonitorExit::decode(operation, reader).map(Self::MonitorExit)
            }
            SPAWN_REQUEST | SPAWN_REQUEST_TT => {
                SpawnRequest::decode(operation, reader).map(Self::SpawnRequest)
            }
            SPAWN_REPLY | SPAWN_REPLY_TT => {
                SpawnReply::decode(operation, reader).map(Self::SpawnReply)
            }
            NODE_LINK => Ok(Self::NodeLink),
            _ => Ok(Self::Unknown(operation)),
        }
    }

    /// Writes a control message, all but the reason where that is inside, which has to be written
    /// next.
    pub(crate) fn encode(
        &self,
        flags: Flags,
        writer: &mut Writer<'_>,
    ) -> Result<(), ControlEncodeError> {
        match self {
            Self::Link(link) => link.encode(writer),
            Self::Unlink(unlink) => unlink.encode(writer),
            Self::UnlinkAck(ack) => ack.encode(writer),
            Self::Exit(exit) => exit.encode(flags, writer)?,
            Self::Exit2(exit) => exit.encode(flags, writer)?,
            Self::Send(send) => send.encode(flags, writer)?,
            Self::GroupLeader(leader) => leader.encode(writer),
            Self::Monitor(monitor) => monitor.encode(writer),
            Self::Demonitor(demonitor) => demonitor.encode(writer),
            Self::MonitorExit(exit) => exit.encode(flags, writer),
            Self::SpawnRequest(request) => request.encode(writer)?,
            Self::SpawnReply(reply) => reply.encode(writer)?,
            Self::NodeLink => {
                writer.tuple(1);
                writer.integer(operation::NODE_LINK);
            }
            Self::Unknown(operation) => {
                return Err(ControlEncodeError::UnknownOperation(*operation));
            }
        }
        Ok(())
    }

    /// Whether the form that the flags lead to has the reason inside.
    pub(crate) fn has_reason_inside(&self, flags: Flags) -> bool {
        match self {
            Self::Exit(_) | Self::MonitorExit(_) => !flags.contains(Flags::EXIT_PAYLOAD),
            Self::Exit2(exit) => !flags.contains(Flags::EXIT_PAYLOAD) && !exit.is_altact(flags),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
