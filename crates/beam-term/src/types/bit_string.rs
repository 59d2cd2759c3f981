//! Binaries whose last byte is not full.

use std::cmp::Ordering;

use bytes::{Bytes, BytesMut};

/// A string of bits whose number is not a multiple of eight; what is, is a [`Term::Binary`](crate::Term::Binary).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BitString {
    bytes: Bytes,
    last_bits: u8,
}

impl BitString {
    /// The bits of `bytes`, of whose last byte only the `last_bits` (1 to 7) highest count; the others are set to zero.
    ///
    /// `None` if there is no byte, or `last_bits` is out of range.
    pub fn new(bytes: impl Into<Bytes>, last_bits: u8) -> Option<Self> {
        let mut bytes = bytes.into();
        if !(1..=7).contains(&last_bits) {
            return None;
        }
        let (&last, rest) = bytes.split_last()?;
        let masked = last & (0xFF << (8 - last_bits));
        if masked != last {
            let mut copy = BytesMut::from(rest);
            copy.extend_from_slice(&[masked]);
            bytes = copy.freeze();
        }
        Some(Self { bytes, last_bits })
    }

    /// The bytes; the unused bits of the last one are zero.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many bits of the last byte count: 1 to 7, the highest ones.
    pub fn last_bits(&self) -> u8 {
        self.last_bits
    }

    /// How many bits there are.
    pub fn bit_len(&self) -> usize {
        (self.bytes.len() - 1) * 8 + usize::from(self.last_bits)
    }
}

impl Ord for BitString {
    fn cmp(&self, other: &Self) -> Ordering {
        // Unused bits are zero, so a difference in bytes is a difference in bits or in length.
        let key = |bits: &Self| bits.bit_len();
        self.bytes
            .cmp(&other.bytes)
            .then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for BitString {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_bits_are_cleared() {
        let bits = BitString::new(vec![0xFF, 0xFF], 3).unwrap();
        assert_eq!(bits.as_bytes().as_ref(), [0xFF, 0xE0]);
        assert_eq!(bits.bit_len(), 11);
        assert_eq!(bits, BitString::new(vec![0xFF, 0xE1], 3).unwrap());
    }

    #[test]
    fn full_or_missing_bytes_are_not_bit_strings() {
        assert_eq!(BitString::new(vec![1], 0), None);
        assert_eq!(BitString::new(vec![1], 8), None);
        assert_eq!(BitString::new(vec![], 3), None);
    }
}
