//! The terms of a message: a control message, and perhaps a payload.

use beam_term::{AtomRefs, DecodeErrorKind, Limits, Reader};
use bytes::Bytes;

use super::{Event, FrameDecodeError, layout};
use crate::{
    Message,
    control::{Control, Head},
};

/// Takes a whole message apart. `versioned`: each term begins with its version. The limits are those
/// of the payload; control messages are short and flat. What they name is often kept for long, so they
/// never hold on to the buffer that they came in.
///
/// The payload is checked here, by passing over it, and not when someone decodes it: a peer that
/// sends what is no term is found out at once, and whoever decodes a payload can rely on its form.
pub(super) fn decode(
    terms: Bytes,
    atoms: AtomRefs,
    versioned: bool,
    limits: Limits,
) -> Result<Event, FrameDecodeError> {
    let (mut reader, terms) = if versioned {
        (after_version(terms.clone())?, Some(terms))
    } else {
        (Reader::new(terms).with_atoms(atoms), None)
    };
    reader = reader
        .with_limits(control_limits())
        .with_detached_atoms(true);
    let head = Head::decode(&mut reader)?;
    let reason_inside = head.has_reason_inside();
    let control = Control::decode(head, &mut reader)?;

    let has_payload = match control.carries_payload() {
        Some(carries_payload) => carries_payload,
        None => !reader.is_empty(),
    };
    if !has_payload {
        return match reader.remaining() {
            0 => Ok(Event::Message(Message {
                control,
                payload: None,
            })),
            bytes => Err(FrameDecodeError::Surplus { bytes }),
        };
    }
    if !reason_inside {
        if reader.is_empty() {
            return Err(FrameDecodeError::MissingPayload);
        }
        if let Some(terms) = terms {
            reader = after_version(terms.slice(terms.len() - reader.remaining()..))?;
        }
    }
    match reader
        .with_limits(limits)
        .with_detached_atoms(false)
        .into_raw()
    {
        Ok(payload) => Ok(Event::Message(Message {
            control,
            payload: Some(payload),
        })),
        Err(error) => match error.kind() {
            DecodeErrorKind::TooDeep { .. }
            | DecodeErrorKind::TooManyElements { .. }
            | DecodeErrorKind::IntegerTooLarge { .. } => Ok(Event::Refused { control, error }),
            DecodeErrorKind::TrailingBytes { count } => {
                Err(FrameDecodeError::Surplus { bytes: *count })
            }
            _ => Err(FrameDecodeError::Payload(error)),
        },
    }
}

/// More than any control message needs: its own elements, a few options of a spawn request, a trace token.
fn control_limits() -> Limits {
    let mut limits = Limits::default();
    limits.depth = 64;
    limits.elements = 4_096;
    limits
}

/// A reader of what follows a version byte.
fn after_version(terms: Bytes) -> Result<Reader, FrameDecodeError> {
    match terms.first() {
        Some(&layout::VERSION) => Ok(Reader::new(terms.slice(1..))),
        Some(&found) => Err(FrameDecodeError::Form { found }),
        None => Err(FrameDecodeError::TruncatedHeader),
    }
}
