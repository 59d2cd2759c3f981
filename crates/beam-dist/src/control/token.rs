//! Tokens of sequential tracing, which many control messages can carry.

use beam_term::{EncodeError, Reader, Term, Writer};

use super::ControlDecodeError;

/// Reads the token of an operation that has one.
pub(super) fn decode(
    traced: bool,
    reader: &mut Reader,
) -> Result<Option<Term>, ControlDecodeError> {
    match traced {
        true => Ok(Some(reader.term()?)),
        false => Ok(None),
    }
}

/// Writes the token, if there is one.
pub(super) fn encode(token: Option<&Term>, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    token.map_or(Ok(()), |token| writer.term(token))
}
