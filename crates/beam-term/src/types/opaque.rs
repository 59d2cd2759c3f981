//! Terms that are carried, not understood.

use bytes::Bytes;

use crate::tag;

/// A term that only its sender understands, kept as its encoding: one in a local external format (tag 121), or a native
/// record of OTP 29 (tag 67).
///
/// A native record can be sent to nodes that know such, those of OTP 29; one in a local format is a term by itself, which is
/// neither put into another nor sent.
///
/// Opaque terms are equal when their encodings are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Opaque(Bytes);

impl Opaque {
    /// Takes an encoding that starts with its tag and needs no atom cache.
    pub(crate) fn new(encoded: Bytes) -> Self {
        Self(encoded)
    }

    /// Whether it is in a local format, and no native record.
    pub(crate) fn is_local(&self) -> bool {
        self.0.first() == Some(&tag::LOCAL_EXT)
    }

    /// The encoding, from its tag on, without a version byte.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}
