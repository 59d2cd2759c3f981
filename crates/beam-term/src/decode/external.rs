//! What stands around a term in the external format: the version byte, and compression.

use std::io::Read;

use bytes::{Buf, Bytes};
use flate2::read::ZlibDecoder;

use crate::{DecodeError, DecodeErrorKind, Limits, Reader, Term, tag};

impl Term {
    /// Decodes a term in the external format, as `term_to_binary` makes it, within the default [`Limits`].
    ///
    /// ```
    /// use beam_term::Term;
    ///
    /// assert_eq!(Term::from_bytes(b"\x83w\x02ok".as_slice())?, Term::atom("ok"));
    /// # Ok::<(), beam_term::DecodeError>(())
    /// ```
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, DecodeError> {
        let mut reader = Reader::external(bytes, Limits::default())?;
        let term = reader.term()?;
        reader.finish()?;
        Ok(term)
    }
}

/// The encoded term inside, inflated if need be.
pub(super) fn open(mut bytes: Bytes, limits: &Limits) -> Result<Bytes, DecodeError> {
    match bytes.try_get_u8() {
        Ok(tag::VERSION) => {}
        Ok(found) => return Err(DecodeErrorKind::Version { found }.into()),
        Err(_) => return Err(DecodeErrorKind::Truncated { offset: 0 }.into()),
    }
    if bytes.first() != Some(&tag::COMPRESSED) {
        return Ok(bytes);
    }
    bytes.advance(1);
    let claimed = bytes
        .try_get_u32()
        .map_err(|_| DecodeErrorKind::Truncated { offset: 0 })?;
    inflate(&bytes, claimed as usize, limits)
}

fn inflate(compressed: &[u8], claimed: usize, limits: &Limits) -> Result<Bytes, DecodeError> {
    if claimed > limits.inflated_bytes {
        return Err(DecodeErrorKind::InflatesTooFar { bytes: claimed }.into());
    }
    let malformed = |reason| DecodeErrorKind::Malformed { reason, offset: 0 }.into();
    let mut inflated = Vec::new();
    // One byte more than claimed is enough to see that the claim is wrong.
    let mut decoder = ZlibDecoder::new(compressed).take(claimed as u64 + 1);
    decoder
        .read_to_end(&mut inflated)
        .map_err(|_| malformed("a compressed term that does not inflate"))?;
    let consumed = decoder.get_ref().total_in();
    if inflated.len() != claimed {
        return Err(malformed(
            "a compressed term of another size than it claims",
        ));
    }
    match compressed.len() as u64 - consumed {
        0 => Ok(inflated.into()),
        count => Err(DecodeErrorKind::TrailingBytes {
            count: count as usize,
        }
        .into()),
    }
}
