//! Terms that are carried, not understood.

use bytes::Bytes;

/// A term that only its sender understands, kept as its encoding: one in a local external format (tag 121), or a native
/// record of OTP 29 (tag 67).
///
/// Opaque terms are equal when their encodings are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Opaque(Bytes);

impl Opaque {
    /// Takes an encoding that starts with its tag and needs no atom cache.
    pub(crate) fn new(encoded: Bytes) -> Self {
        Self(encoded)
    }

    /// The encoding, from its tag on, without a version byte.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}
