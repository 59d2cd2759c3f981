//! Integers and floats.

use std::{ops::Range, str};

use num_bigint::{BigInt, Sign};

use super::{common, input::malformed};
use crate::{DecodeError, DecodeErrorKind, Float, Integer, IntegerOutOfRange, Reader, tag};

/// An integer as it is encoded.
pub(crate) enum Number {
    Small(i64),
    /// Does not fit 64 bits, or has more digits than it needs.
    Big {
        negative: bool,
        /// Where its magnitude is, the least byte first.
        digits: Range<usize>,
    },
}

impl Reader {
    /// Reads an integer into a type that it fits.
    ///
    /// ```
    /// # use beam_term::{DecodeErrorKind, Reader};
    /// let mut reader = Reader::new(b"b\x00\x00\x01\x00a\x01".as_slice());
    /// assert_eq!(reader.integer::<u8>(), Err(DecodeErrorKind::IntegerOutOfRange { offset: 0 }.into()));
    /// assert_eq!(reader.integer::<u8>(), Ok(1));
    /// ```
    #[inline]
    pub fn integer<T>(&mut self) -> Result<T, DecodeError>
    where
        T: TryFrom<Integer, Error = IntegerOutOfRange>,
    {
        let offset = self.position;
        let value: Integer = common::read!(self, integer => |small| small.into(), any_integer)?;
        T::try_from(value).map_err(|_| DecodeErrorKind::IntegerOutOfRange { offset }.into())
    }

    #[inline(never)]
    fn any_integer(&mut self) -> Result<Integer, DecodeError> {
        let number = self.any_number()?;
        Ok(self.resolve(&number))
    }

    /// Reads an integer as it is encoded.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<Number, DecodeError> {
        common::read!(self, integer => |small| Number::Small(small.into()), any_number)
    }

    #[inline(never)]
    fn any_number(&mut self) -> Result<Number, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        self.number_after(tag, start)
    }

    #[inline(always)]
    pub(super) fn number_after(&mut self, tag: u8, start: usize) -> Result<Number, DecodeError> {
        match tag {
            tag::SMALL_INTEGER_EXT => Ok(Number::Small(self.byte()?.into())),
            tag::INTEGER_EXT => Ok(Number::Small(i32::from_be_bytes(self.array()?).into())),
            tag::SMALL_BIG_EXT => {
                let len = self.byte()?.into();
                self.big(len, start)
            }
            tag::LARGE_BIG_EXT => {
                let len = self.length()?;
                self.big(len, start)
            }
            _ => Err(self.unexpected("an integer", start)),
        }
    }

    /// The value of an integer.
    #[inline]
    pub(crate) fn resolve(&self, number: &Number) -> Integer {
        match number {
            Number::Small(value) => (*value).into(),
            Number::Big { negative, digits } => {
                let sign = if *negative { Sign::Minus } else { Sign::Plus };
                BigInt::from_bytes_le(sign, &self.bytes[digits.clone()]).into()
            }
        }
    }

    /// Reads a float.
    pub fn float(&mut self) -> Result<Float, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        self.float_after(tag, start)
    }

    pub(super) fn float_after(&mut self, tag: u8, start: usize) -> Result<Float, DecodeError> {
        let value = match tag {
            tag::NEW_FLOAT_EXT => f64::from_be_bytes(self.array()?),
            tag::FLOAT_EXT => {
                let text = self.take(FLOAT_TEXT_BYTES)?;
                parse_float(&self.bytes[text])
                    .ok_or_else(|| malformed("a float that is not a number", start))?
            }
            _ => return Err(self.unexpected("a float", start)),
        };
        Float::try_from(value).map_err(|_| malformed("a float that is not finite", start))
    }

    fn big(&mut self, len: usize, start: usize) -> Result<Number, DecodeError> {
        let negative = self.byte()? != 0;
        let digits = self.take(len)?;
        if len > self.limits.integer_bytes {
            return Err(DecodeErrorKind::IntegerTooLarge {
                bytes: len,
                offset: start,
            }
            .into());
        }
        let small = small(negative, &self.bytes[digits.clone()]);
        Ok(small.map_or(Number::Big { negative, digits }, Number::Small))
    }
}

/// The value of an integer of up to 64 bits.
fn small(negative: bool, digits: &[u8]) -> Option<i64> {
    let mut magnitude = [0; 8];
    magnitude.get_mut(..digits.len())?.copy_from_slice(digits);
    let magnitude = u64::from_le_bytes(magnitude);
    if negative {
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        0_i64.checked_add_unsigned(magnitude)
    }
}

/// The value of an obsolete float, which is text padded with zeros.
fn parse_float(padded: &[u8]) -> Option<f64> {
    let text = padded.split(|&byte| byte == 0).next()?;
    str::from_utf8(text).ok()?.parse().ok()
}

const FLOAT_TEXT_BYTES: usize = 31;
