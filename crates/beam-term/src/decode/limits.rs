//! What a term may cost.

use crate::encode::MAX_INTEGER_BYTES;

/// What a term may cost before it is refused. Beyond these bounds, memory never exceeds a multiple of the input: some 40 bytes
/// for each byte of a tree, where the worst elements take one, and up to three times that while a list grows.
///
/// ```
/// use beam_term::Limits;
///
/// let mut limits = Limits::default();
/// limits.depth = 16;
/// assert_eq!(limits.elements, 16_777_216);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How deep containers may nest; 512 unless set. A [`Term`](crate::Term) never nests deeper than 1,024: it is dropped,
    /// compared and printed by recursion, for which a stack of 2 MiB has room.
    pub depth: usize,
    /// How deep containers may nest where they become a Rust type by serde, which takes up stack; 128 unless set, and never
    /// more than `depth`.
    pub recursion: usize,
    /// How many terms there may be in all, containers and elements alike; 16,777,216 unless set.
    pub elements: usize,
    /// How many bytes the magnitude of an integer may have; 524,280 unless set, the most that OTP 26 and later take
    /// and that can be written here.
    pub integer_bytes: usize,
    /// How many bytes a compressed term may inflate to; 64 MiB unless set.
    pub inflated_bytes: usize,
}

/// How deep a tree may nest, whatever the limit.
pub(super) const MAX_TREE_DEPTH: usize = 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 512,
            recursion: 128,
            elements: 16_777_216,
            integer_bytes: MAX_INTEGER_BYTES,
            inflated_bytes: 64 * 1024 * 1024,
        }
    }
}
