//! Binaries and bit strings.

use bytes::Bytes;
use num_bigint::{BigInt, Sign};

use super::{cursor::Cursor, number, text};
use crate::{BitString, Integer, Term, syntax::ParseError};

/// The most bits that the size of a segment of a binary may ask for.
pub const MAX_SEGMENT_BITS: usize = 256;

/// Reads the segments of a binary that starts at `start`, after its `<<`, and its `>>`.
pub(super) fn segments(cursor: &mut Cursor<'_>, start: usize) -> Result<Term, ParseError> {
    let mut bits = Bits::default();
    cursor.skip_blank();
    if cursor.eat(">>") {
        return Ok(bits.into_term());
    }
    loop {
        cursor.skip_blank();
        segment(cursor, &mut bits)?;
        cursor.skip_blank();
        if cursor.eat(">>") {
            return Ok(bits.into_term());
        }
        if !cursor.eat(",") {
            return Err(cursor.expected_in("`,` or `>>`", "binary", start));
        }
    }
}

fn segment(cursor: &mut Cursor<'_>, bits: &mut Bits) -> Result<(), ParseError> {
    let start = cursor.offset();
    match cursor.peek() {
        Some('"') => {
            let text = text::string(cursor)?;
            if is_utf8(cursor)? {
                text.bytes().for_each(|byte| bits.push(byte));
                return Ok(());
            }
            for c in text.chars() {
                let byte = u8::try_from(c).map_err(|_| {
                    let message = format!("`{c}` does not fit a byte");
                    cursor.error_at_hinted(start, message, "write <<\"text\"/utf8>>")
                })?;
                bits.push(byte);
            }
            Ok(())
        }
        Some('$' | '-' | '+' | '0'..='9') => {
            let value = number::integer_or_character(cursor)?;
            if let Some(size) = size(cursor)? {
                return bits
                    .push_integer(&value, size)
                    .ok_or_else(|| does_not_fit(cursor, start, size));
            }
            if is_utf8(cursor)? {
                let c = u32::try_from(&value).ok().and_then(char::from_u32);
                let c = c.ok_or_else(|| cursor.error_at(start, "no character has this number"))?;
                c.encode_utf8(&mut [0; 4])
                    .bytes()
                    .for_each(|byte| bits.push(byte));
                return Ok(());
            }
            bits.push_integer(&value, 8)
                .ok_or_else(|| does_not_fit(cursor, start, 8))
        }
        _ => Err(cursor.expected("a string, an integer or a character")),
    }
}

/// Reads `:Size`, if it is next.
fn size(cursor: &mut Cursor<'_>) -> Result<Option<usize>, ParseError> {
    cursor.skip_blank();
    if !cursor.eat(":") {
        return Ok(None);
    }
    cursor.skip_blank();
    let start = cursor.offset();
    let size = cursor.take_while(|c| c.is_ascii_digit()).parse().ok();
    let size = size.filter(|size| *size <= MAX_SEGMENT_BITS);
    size.map(Some).ok_or_else(|| {
        cursor.error_at(
            start,
            format!("expected a size of 0 to {MAX_SEGMENT_BITS} bits"),
        )
    })
}

/// Reads `/utf8`, if it is next.
fn is_utf8(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    cursor.skip_blank();
    if !cursor.eat("/") {
        return Ok(false);
    }
    cursor.skip_blank();
    let start = cursor.offset();
    match cursor.take_while(|c| c.is_ascii_alphanumeric()) {
        "utf8" => Ok(true),
        _ => Err(cursor.error_at_hinted(
            start,
            "expected `utf8`, the only type of a segment that is understood here",
            "write the bytes as integers",
        )),
    }
}

fn does_not_fit(cursor: &Cursor<'_>, start: usize, size: usize) -> ParseError {
    cursor.error_at_hinted(
        start,
        format!("the integer does not fit {size} bits"),
        "give it a size, <<1000:16>>",
    )
}

/// A growing row of bits.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are taken; 0 if all are.
    last_bits: u8,
}

impl Bits {
    fn push(&mut self, byte: u8) {
        match self.bytes.last_mut() {
            Some(last) if self.last_bits > 0 => {
                *last |= byte >> self.last_bits;
                self.bytes.push(byte << (8 - self.last_bits));
            }
            _ => self.bytes.push(byte),
        }
    }

    /// Appends the lowest `size` bits, the highest first. `None` if the value needs more.
    fn push_integer(&mut self, value: &Integer, size: usize) -> Option<()> {
        if let Some(byte) = value.as_i64().and_then(|value| u8::try_from(value).ok())
            && size == 8
        {
            self.push(byte);
            return Some(());
        }
        let value = value.to_bigint();
        if bits_needed(&value) > size as u64 {
            return None;
        }
        for bit in (0..size as u64).rev() {
            self.push_bit(value.bit(bit));
        }
        Some(())
    }

    fn push_bit(&mut self, bit: bool) {
        if self.last_bits == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.last_bits);
        }
        self.last_bits = (self.last_bits + 1) % 8;
    }

    fn into_term(self) -> Term {
        let bytes = Bytes::from(self.bytes);
        match BitString::new(bytes.clone(), self.last_bits) {
            Some(bits) => bits.into(),
            None => Term::Binary(bytes),
        }
    }
}

/// Bits of two's complement, without one for the sign of a positive number.
fn bits_needed(value: &BigInt) -> u64 {
    match value.sign() {
        Sign::Minus => (value + 1u8).bits() + 1,
        _ => value.bits(),
    }
}
