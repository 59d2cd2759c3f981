//! Messages to processes, in all forms that they were sent over the years.

use beam_term::{Atom, Pid, Reader, Reference, Term, Writer};

use super::{
    ControlDecodeError, ControlEncodeError,
    altact::{self, Action},
    operation, token,
};
use crate::Flags;

/// Whom a message, or an exit of `exit/2`, is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// A process.
    Pid(Pid),
    /// Whoever has the name when the message arrives.
    Name(Atom),
    /// The process that made the alias, if it is still active.
    Alias(Reference),
}

/// A message to a process. The payload is the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendTo {
    /// The process that sends. Only a send to a pid can do without: in its oldest form, which OTP
    /// still uses for what it encoded before the link was up.
    pub from: Option<Pid>,
    /// Whom it is for.
    pub to: Recipient,
    /// Whether it overtakes what waits at the receiver. Lost without `ALTACT_SIG`.
    pub priority: bool,
    /// The trace token, if this is traced.
    pub token: Option<Term>,
}

impl Recipient {
    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Pid(pid) => writer.pid(pid),
            Self::Name(name) => writer.atom(name),
            Self::Alias(alias) => writer.reference(alias),
        }
    }
}

impl SendTo {
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        use operation::{
            ALIAS_SEND, ALIAS_SEND_TT, REG_SEND, REG_SEND_TT, SEND, SEND_SENDER_TT, SEND_TT,
        };

        let from = match operation {
            SEND | SEND_TT => {
                reader.skip()?;
                None
            }
            _ => Some(reader.pid()?),
        };
        let to = match operation {
            REG_SEND | REG_SEND_TT => {
                reader.skip()?;
                Recipient::Name(reader.atom()?)
            }
            ALIAS_SEND | ALIAS_SEND_TT => Recipient::Alias(reader.reference()?),
            _ => Recipient::Pid(reader.pid()?),
        };
        let traced = matches!(
            operation,
            SEND_TT | REG_SEND_TT | SEND_SENDER_TT | ALIAS_SEND_TT
        );
        Ok(Self {
            from,
            to,
            priority: false,
            token: token::decode(traced, reader)?,
        })
    }

    pub(super) fn encode(
        &self,
        flags: Flags,
        writer: &mut Writer<'_>,
    ) -> Result<(), ControlEncodeError> {
        let Self {
            from,
            to,
            priority,
            token,
        } = self;
        let (from, token) = (from.as_ref(), token.as_ref());
        let traced = |plain, traced| if token.is_some() { traced } else { plain };
        let extra = usize::from(token.is_some());
        let altact = *priority || matches!(to, Recipient::Alias(_));

        match (from, to) {
            (Some(from), to) if altact && flags.contains(Flags::ALTACT_SIG) => {
                return altact::encode(Action::Message, from, to, *priority, token, writer);
            }
            (Some(from), Recipient::Pid(to)) if flags.contains(Flags::SEND_SENDER) => {
                writer.tuple(3 + extra);
                writer.integer(traced(operation::SEND_SENDER, operation::SEND_SENDER_TT));
                writer.pid(from);
                writer.pid(to);
            }
            (_, Recipient::Pid(to)) => {
                writer.tuple(3 + extra);
                writer.integer(traced(operation::SEND, operation::SEND_TT));
                writer.atom(&UNUSED);
                writer.pid(to);
            }
            (Some(from), Recipient::Name(to)) => {
                writer.tuple(4 + extra);
                writer.integer(traced(operation::REG_SEND, operation::REG_SEND_TT));
                writer.pid(from);
                writer.atom(&UNUSED);
                writer.atom(to);
            }
            (Some(from), Recipient::Alias(to)) => {
                writer.tuple(3 + extra);
                writer.integer(traced(operation::ALIAS_SEND, operation::ALIAS_SEND_TT));
                writer.pid(from);
                writer.reference(to);
            }
            (None, Recipient::Name(_) | Recipient::Alias(_)) => {
                return Err(ControlEncodeError::NoSender);
            }
        }
        Ok(token::encode(token, writer)?)
    }
}

/// Where a cookie was, long ago.
const UNUSED: Atom = Atom::from_static("");
