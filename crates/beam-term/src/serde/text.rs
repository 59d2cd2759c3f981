//! Reading text.

use std::str;

use crate::{DecodeError, DecodeErrorKind, Reader};

/// The text that bytes are.
pub(super) fn utf8(bytes: &[u8], offset: usize) -> Result<&str, DecodeError> {
    str::from_utf8(bytes).map_err(|_| {
        DecodeErrorKind::Malformed {
            reason: "text that is not UTF-8",
            offset,
        }
        .into()
    })
}

/// Reads a list of characters.
pub(super) fn charlist(reader: &mut Reader) -> Result<String, DecodeError> {
    let mut text = String::new();
    reader.for_each(|reader| {
        let offset = reader.position();
        let character = char::from_u32(reader.integer()?);
        text.push(character.ok_or(DecodeErrorKind::IntegerOutOfRange { offset })?);
        Ok(())
    })?;
    Ok(text)
}
