//! Binaries that are shared, not copied.

use std::ops::Deref;

use bytes::Bytes;

use crate::Term;

/// A binary of any size, as a type for serde: it is sent without a copy if it is large, and received as a slice of the message
/// that it came in.
///
/// serde itself hands on bytes as `&[u8]`, behind which their owner is out of sight. So [`Bytes`], `serde_bytes::ByteBuf` and
/// `String` are copied once on the way out and once on the way in. For large ones, use this in their place.
///
/// One that is kept keeps all of its message; [`Bytes::copy_from_slice`] makes a copy that does not. With other formats it is
/// bytes.
///
/// ```
/// use beam_term::Binary;
///
/// let encoded = beam_term::to_bytes(&Binary::from("picture"))?;
/// assert_eq!(encoded, b"\x83m\0\0\0\x07picture".as_slice());
///
/// let picture: Binary = beam_term::from_bytes(encoded.clone())?;
/// assert_eq!(picture.as_ptr(), encoded[6..].as_ptr());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binary(pub Bytes);

impl Deref for Binary {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl AsRef<[u8]> for Binary {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

macro_rules! from {
    ($($type:ty),*) => {$(
        impl From<$type> for Binary {
            fn from(bytes: $type) -> Self {
                Self(bytes.into())
            }
        }
    )*};
}

from!(
    Bytes,
    Vec<u8>,
    Box<[u8]>,
    String,
    &'static [u8],
    &'static str
);

impl From<Binary> for Term {
    fn from(binary: Binary) -> Self {
        Self::Binary(binary.0)
    }
}

impl From<Binary> for Bytes {
    fn from(binary: Binary) -> Self {
        binary.0
    }
}
