//! The end of a linked process, and `exit/2`.

use beam_term::{EncodeError, Pid, Reader, Term, Writer};

use super::{
    ControlDecodeError, ControlEncodeError, Recipient,
    altact::{self, Action},
    operation, token,
};
use crate::Flags;

/// A process came to its end, and the processes that were linked to it hear of it. The payload is
/// the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The process that came to its end.
    pub from: Pid,
    /// The process that was linked to it.
    pub to: Pid,
    /// The trace token, if this is traced.
    pub token: Option<Term>,
}

/// A process called `exit/2` on another. The payload is the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit2 {
    /// The process that called.
    pub from: Pid,
    /// The process that is to end. Only with `ALTACT_SIG` it can be other than a pid.
    pub to: Recipient,
    /// Whether it overtakes what waits at the receiver. Lost without `ALTACT_SIG`.
    pub priority: bool,
    /// The trace token, if this is traced.
    pub token: Option<Term>,
}

impl Exit {
    /// Reads what precedes the reason, where that is inside.
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        let traced = matches!(operation, operation::EXIT_TT | operation::PAYLOAD_EXIT_TT);
        Ok(Self {
            from: reader.pid()?,
            to: reader.pid()?,
            token: token::decode(traced, reader)?,
        })
    }

    /// Writes what precedes the reason, where that is inside.
    pub(super) fn encode(&self, flags: Flags, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        let payload = flags.contains(Flags::EXIT_PAYLOAD);
        let operation = match (payload, &self.token) {
            (true, None) => operation::PAYLOAD_EXIT,
            (true, Some(_)) => operation::PAYLOAD_EXIT_TT,
            (false, None) => operation::EXIT,
            (false, Some(_)) => operation::EXIT_TT,
        };
        writer.tuple(3 + usize::from(self.token.is_some()) + usize::from(!payload));
        writer.integer(operation);
        writer.pid(&self.from);
        writer.pid(&self.to);
        token::encode(self.token.as_ref(), writer)
    }
}

impl Exit2 {
    /// Reads what precedes the reason, where that is inside.
    pub(super) fn decode(operation: i64, reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        let traced = matches!(operation, operation::EXIT2_TT | operation::PAYLOAD_EXIT2_TT);
        Ok(Self {
            from: reader.pid()?,
            to: Recipient::Pid(reader.pid()?),
            priority: false,
            token: token::decode(traced, reader)?,
        })
    }

    /// Whether the form is the one of OTP 28, in which the reason is never inside.
    pub(super) fn is_altact(&self, flags: Flags) -> bool {
        flags.contains(Flags::ALTACT_SIG)
            && (self.priority || !matches!(self.to, Recipient::Pid(_)))
    }

    /// Writes what precedes the reason, where that is inside.
    pub(super) fn encode(
        &self,
        flags: Flags,
        writer: &mut Writer<'_>,
    ) -> Result<(), ControlEncodeError> {
        let token = self.token.as_ref();
        if self.is_altact(flags) {
            let Self { from, to, .. } = self;
            return altact::encode(Action::Exit, from, to, self.priority, token, writer);
        }
        let Recipient::Pid(to) = &self.to else {
            return Err(ControlEncodeError::NotNegotiated(Flags::ALTACT_SIG));
        };
        let payload = flags.contains(Flags::EXIT_PAYLOAD);
        let operation = match (payload, token) {
            (true, None) => operation::PAYLOAD_EXIT2,
            (true, Some(_)) => operation::PAYLOAD_EXIT2_TT,
            (false, None) => operation::EXIT2,
            (false, Some(_)) => operation::EXIT2_TT,
        };
        writer.tuple(3 + usize::from(token.is_some()) + usize::from(!payload));
        writer.integer(operation);
        writer.pid(&self.from);
        writer.pid(to);
        Ok(token::encode(token, writer)?)
    }
}
