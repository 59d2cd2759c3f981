//! ALTACT_SIG_SEND, 37: messages and exits to aliases, and whatever has priority. Since OTP 28.
//!
//! `{37, Flags, From, To}`, with the trace token as a fifth element if the flags say so. Flags that
//! are not known here are to be ignored, and so are further elements.

use beam_term::{Integer, Pid, Reader, Term, Token, Writer};

use super::{
    Control, ControlDecodeError, ControlEncodeError, Exit2, Recipient, SendTo, operation, token,
};

/// It overtakes what waits at the receiver.
const PRIORITY: u8 = 1 << 0;
/// There is a trace token.
const TOKEN: u8 = 1 << 1;
/// The receiver is an alias.
const ALIAS: u8 = 1 << 2;
/// The receiver is a registered name. With neither this nor [`ALIAS`] it is a pid.
const NAME: u8 = 1 << 3;
/// It is an exit. Without it, it is a message.
const EXIT: u8 = 1 << 4;

const OPERATION: i64 = operation::ALTACT_SIG_SEND;

/// Reads what follows the operation, in a tuple of so many elements.
pub(super) fn decode(elements: usize, reader: &mut Reader) -> Result<Control, ControlDecodeError> {
    let flags = flags(reader)?;
    let from = reader.pid()?;
    let to = match flags & (ALIAS | NAME) {
        0 => Recipient::Pid(reader.pid()?),
        NAME => Recipient::Name(reader.atom()?),
        ALIAS => Recipient::Alias(reader.reference()?),
        _ => return Err(invalid("flags")),
    };
    let priority = flags & PRIORITY != 0;
    let traced = flags & TOKEN != 0;
    let known = 4 + usize::from(traced);
    if elements < known {
        return Err(ControlDecodeError::Elements {
            operation: OPERATION,
            elements,
        });
    }
    let token = token::decode(traced, reader)?;
    for _ in known..elements {
        reader.skip()?;
    }
    Ok(if flags & EXIT != 0 {
        Control::Exit2(Exit2 {
            from,
            to,
            priority,
            token,
        })
    } else {
        Control::Send(SendTo {
            from: Some(from),
            to,
            priority,
            token,
        })
    })
}

/// What is sent to a [`Recipient`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Message,
    Exit,
}

pub(super) fn encode(
    action: Action,
    from: &Pid,
    to: &Recipient,
    priority: bool,
    token: Option<&Term>,
    writer: &mut Writer<'_>,
) -> Result<(), ControlEncodeError> {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let flags = flag(priority, PRIORITY)
        | flag(token.is_some(), TOKEN)
        | flag(matches!(to, Recipient::Alias(_)), ALIAS)
        | flag(matches!(to, Recipient::Name(_)), NAME)
        | flag(action == Action::Exit, EXIT);
    writer.tuple(4 + usize::from(token.is_some()));
    writer.integer(OPERATION);
    writer.integer(flags);
    writer.pid(from);
    to.encode(writer);
    Ok(token::encode(token, writer)?)
}

/// The flags that are known, of an integer of any size.
fn flags(reader: &mut Reader) -> Result<u8, ControlDecodeError> {
    match reader.token()? {
        Token::Integer(flags) if flags >= Integer::from(0) => {
            let (_, bytes) = flags.to_bigint().to_bytes_le();
            bytes.first().copied().ok_or(invalid("flags"))
        }
        _ => Err(invalid("flags")),
    }
}

fn invalid(element: &'static str) -> ControlDecodeError {
    ControlDecodeError::Value {
        operation: OPERATION,
        element,
    }
}
