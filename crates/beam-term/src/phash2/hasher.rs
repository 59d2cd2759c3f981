//! The state of a hash, and what each kind of scalar does to it.

use num_bigint::{BigInt, Sign};

use crate::Atom;

/// Hashes a term that is never built: feed its parts in the order in which they are written.
///
/// A compound term is announced with its size ([`tuple`](Self::tuple)) and its elements follow. The state is a single
/// word, so a common prefix is hashed once and copied:
///
/// ```
/// use beam_term::{Atom, Term, phash2::Hasher};
///
/// const NODE: Atom = Atom::from_static("app@host");
///
/// let mut node = Hasher::new();
/// node.tuple(2);
/// node.atom(&NODE);
/// for point in 1..=3 {
///     let mut hasher = node;
///     hasher.integer(point);
///     let tuple = Term::tuple([NODE.into(), point.into()]);
///     assert_eq!(hasher.finish(), tuple.phash2_full());
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Hasher {
    hash: u32,
}

impl Hasher {
    /// A state that has seen nothing.
    pub const fn new() -> Self {
        Self { hash: 0 }
    }

    /// Announces a tuple; its `arity` elements follow.
    pub fn tuple(&mut self, arity: usize) {
        // OTP's tuples have at most 2^24 - 1 elements, so nothing is cut off.
        self.mix(arity as u32, 0, TUPLE);
    }

    /// Hashes an atom.
    pub fn atom(&mut self, atom: &Atom) {
        let value = atom_value(atom);
        if self.hash == 0 {
            self.hash = value;
        } else {
            self.mix(value, 0, ATOM);
        }
    }

    /// Hashes an integer.
    pub fn integer(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(small) if (-SMALL..SMALL).contains(&small) => {
                if small < 0 {
                    self.mix(small.unsigned_abs(), 0, SMALL_INTEGER);
                }
                self.mix(small as u32, 0, SMALL_INTEGER);
            }
            _ => self.digit(value.unsigned_abs(), value < 0),
        }
    }

    /// Hashes a float. Both zeros have the same hash, although OTP 27 and later tell them apart.
    pub fn float(&mut self, value: f64) {
        let bits = if value == 0.0 { 0 } else { value.to_bits() };
        self.mix((bits >> 32) as u32, bits as u32, FLOAT);
    }

    /// Hashes a binary. As OTP does, of one of 4 GiB or more only the first bytes, as many as the lower 32 bits of its
    /// size say.
    pub fn binary(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len() & 0xffff_ffff];
        let initial = BINARY.wrapping_add(self.hash);
        self.hash = if bytes.is_empty() {
            initial
        } else {
            block_hash(bytes, initial)
        };
    }

    /// The hash of what was fed so far: the value of `erlang:phash2(Term, 1 bsl 32)`.
    pub const fn finish(self) -> u32 {
        self.hash
    }
}

/// What only whole terms need.
impl Hasher {
    /// Hashes the whole bytes of a bit string, then its `bits` last bits, given as a number.
    pub(super) fn bit_string(&mut self, whole: &[u8], bits: u8, last: u8) {
        self.hash = block_hash(whole, BINARY.wrapping_add(self.hash));
        self.mix(bits.into(), last.into(), BITS);
    }

    /// Hashes an integer beyond 64 bits.
    pub(super) fn big_integer(&mut self, value: &BigInt) {
        let negative = value.sign() == Sign::Minus;
        for digit in value.iter_u64_digits() {
            self.digit(digit, negative);
        }
    }

    pub(super) fn nil(&mut self) {
        if self.hash == 0 {
            self.hash = LONE_NIL;
        } else {
            self.mix(NIL_TAG, 0, NIL);
        }
    }

    /// Hashes up to four bytes that stand in a row in a list, the first of them highest.
    pub(super) fn packed_bytes(&mut self, bytes: u32) {
        self.mix(bytes, 0, LIST_BYTES);
    }

    /// Announces a map of `size` pairs. The hashes of its pairs, each hashed alone, are then folded in by
    /// [`map_pairs`](Self::map_pairs).
    pub(super) fn map(&mut self, size: usize) {
        self.mix(size as u32, 0, MAP);
    }

    pub(super) fn map_pairs(&mut self, xor_of_pairs: u32) {
        self.mix(xor_of_pairs, 0, MAP_PAIRS);
    }

    /// Hashes a process identifier: OTP looks at nothing but the number, not at the node nor the serial.
    pub(super) fn pid(&mut self, id: u32) {
        self.mix(id, 0, PID);
    }

    pub(super) fn port(&mut self, id: u64) {
        self.mix(id as u32, (id >> 32) as u32, PORT);
    }

    pub(super) fn reference(&mut self, first_id: u32) {
        self.mix(first_id, 0, REFERENCE);
    }

    pub(super) fn export(&mut self, module: &Atom, function: &Atom, arity: u8) {
        self.mix(arity.into(), atom_value(module), FUN);
        self.mix(atom_value(function), 0, FUNCTION);
    }

    /// Announces a closure; its `free` free variables follow.
    pub(super) fn closure(&mut self, module: &Atom, index: u32, uniq: u32, free: u32) {
        self.mix(free, atom_value(module), FUN);
        self.mix(index, uniq, FUN);
    }

    /// Hashes 64 bits of the absolute value of an integer beyond 28 bits.
    fn digit(&mut self, digit: u64, negative: bool) {
        let constant = if negative { NEGATIVE } else { POSITIVE };
        self.mix(digit as u32, (digit >> 32) as u32, constant);
    }

    fn mix(&mut self, first: u32, second: u32, constant: u32) {
        let mut a = constant.wrapping_add(first);
        let mut b = constant.wrapping_add(second);
        mix(&mut a, &mut b, &mut self.hash);
    }
}

/// Integers in `-SMALL..SMALL` are those that fitted in one word of the first emulators.
const SMALL: i32 = 1 << 27;

/// The golden ratio. What is hashed decides on the multiple of it that goes into the mixture.
const GOLDEN_RATIO: u32 = 0x9e37_79b9;

const SMALL_INTEGER: u32 = golden(1);
const FUN: u32 = golden(1);
const NIL: u32 = golden(2);
const ATOM: u32 = golden(3);
const LIST_BYTES: u32 = golden(4);
const PID: u32 = golden(5);
const PORT: u32 = golden(6);
const REFERENCE: u32 = golden(7);
const TUPLE: u32 = golden(9);
const NEGATIVE: u32 = golden(10);
const POSITIVE: u32 = golden(11);
const FLOAT: u32 = golden(12);
const BINARY: u32 = golden(13);
const FUNCTION: u32 = golden(14);
const BITS: u32 = golden(15);
const MAP: u32 = golden(16);
const MAP_PAIRS: u32 = golden(19);

/// The hash of `[]` where nothing was hashed before it.
const LONE_NIL: u32 = 3_468_870_702;

/// OTP's internal number for the type of `[]`.
const NIL_TAG: u32 = 2;

const fn golden(factor: u32) -> u32 {
    GOLDEN_RATIO.wrapping_mul(factor)
}

/// Bob Jenkins's reversible mixture of three words ("Hash Functions for Hash Table Lookup", 1996).
fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    for [first, second, third] in [[13, 8, 13], [12, 16, 5], [3, 10, 15]] {
        *a = a.wrapping_sub(*b).wrapping_sub(*c) ^ (*c >> first);
        *b = b.wrapping_sub(*c).wrapping_sub(*a) ^ (*a << second);
        *c = c.wrapping_sub(*a).wrapping_sub(*b) ^ (*b >> third);
    }
}

/// Jenkins's hash of a block of bytes, read in little-endian words, twelve bytes at a time.
fn block_hash(bytes: &[u8], initial: u32) -> u32 {
    let [mut a, mut b, mut c] = [GOLDEN_RATIO, GOLDEN_RATIO, initial];
    let (blocks, rest) = bytes.as_chunks::<12>();
    for block in blocks {
        let [x, y, z] = words(block);
        a = a.wrapping_add(x);
        b = b.wrapping_add(y);
        c = c.wrapping_add(z);
        mix(&mut a, &mut b, &mut c);
    }
    let mut last = [0; 12];
    last[..rest.len()].copy_from_slice(rest);
    let [x, y, z] = words(&last);
    a = a.wrapping_add(x);
    b = b.wrapping_add(y);
    // The lowest byte of the last word makes room for the length, of which OTP takes 32 bits.
    c = c.wrapping_add(z << 8).wrapping_add(bytes.len() as u32);
    mix(&mut a, &mut b, &mut c);
    c
}

fn words(block: &[u8; 12]) -> [u32; 3] {
    let (words, _) = block.as_chunks::<4>();
    [
        u32::from_le_bytes(words[0]),
        u32::from_le_bytes(words[1]),
        u32::from_le_bytes(words[2]),
    ]
}

/// P. J. Weinberger's hash of the text of an atom, as OTP keeps it in its atom table.
///
/// It runs over bytes of UTF-8, but over Latin-1 for the characters that have it, so that atoms hash as they did before
/// they could hold anything else.
fn atom_value(atom: &Atom) -> u32 {
    let mut hash = 0u32;
    let mut bytes = atom.as_bytes().iter().copied();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            0xc2 | 0xc3 => (byte << 6) | (bytes.next().unwrap_or_default() & 0x3f),
            byte => byte,
        };
        hash = (hash << 4).wrapping_add(byte.into());
        let overflow = hash & 0xf000_0000;
        hash ^= overflow >> 24;
        hash ^= overflow;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_term_follow_one_another() {
        let mut hasher = Hasher::new();
        hasher.tuple(3);
        hasher.atom(&Atom::from_static("app@host"));
        hasher.binary(b"key");
        hasher.float(-0.0);
        // erlang:phash2({app@host, <<"key">>, -0.0}, 1 bsl 32)
        assert_eq!(hasher.finish(), 44_060_016);
    }
}
