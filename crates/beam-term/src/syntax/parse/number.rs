//! Integers and floats.

use std::borrow::Cow;

use num_bigint::BigInt;

use super::{cursor::Cursor, text};
use crate::{
    Float, Integer, Term,
    syntax::{ParseError, name},
};

/// The most digits that an integer may have in a base other than 2, 4, 8, 16 and 32: conversion takes time that grows with
/// the square of their number.
pub const MAX_DIGITS: usize = 65_536;

/// Reads an integer or a float, with an optional sign.
pub(super) fn number(cursor: &mut Cursor<'_>) -> Result<Term, ParseError> {
    let start = cursor.offset();
    let negative = sign(cursor);
    let whole = digits(cursor, 10)?;
    let number = match fraction(cursor)? {
        Some(fraction) => float(cursor, start, negative, &format!("{whole}.{fraction}"))?.into(),
        None => integer(cursor, start, negative, &whole)?.into(),
    };
    end(cursor)?;
    Ok(number)
}

/// Reads an integer or a character, with an optional sign.
pub(super) fn integer_or_character(cursor: &mut Cursor<'_>) -> Result<Integer, ParseError> {
    let start = cursor.offset();
    if cursor.peek() == Some('$') {
        return text::character(cursor).map(|c| u32::from(c).into());
    }
    let negative = sign(cursor);
    let whole = digits(cursor, 10)?;
    let integer = integer(cursor, start, negative, &whole)?;
    end(cursor)?;
    Ok(integer)
}

fn sign(cursor: &mut Cursor<'_>) -> bool {
    let negative = cursor.eat("-");
    if !negative {
        cursor.eat("+");
    }
    negative
}

/// Goes on after the first digits: they are the integer, or its base.
fn integer(
    cursor: &mut Cursor<'_>,
    start: usize,
    negative: bool,
    whole: &str,
) -> Result<Integer, ParseError> {
    let (base, digits) = if cursor.eat("#") {
        let base = whole.parse().ok().filter(|base| (2..=36).contains(base));
        let base =
            base.ok_or_else(|| cursor.error_at(start, "the base of an integer is 2 to 36"))?;
        (base, self::digits(cursor, base)?)
    } else {
        (10, Cow::Borrowed(whole))
    };
    if digits.len() > MAX_DIGITS && !base.is_power_of_two() {
        return Err(cursor.error_at_hinted(
            start,
            "the integer has more than 65,536 digits",
            "in base 16 it may be of any length",
        ));
    }
    if let Ok(small) = i64::from_str_radix(&digits, base) {
        return Ok(Integer::from(if negative { -small } else { small }));
    }
    let magnitude = BigInt::parse_bytes(digits.as_bytes(), base).unwrap_or_default();
    Ok(Integer::from(if negative { -magnitude } else { magnitude }))
}

fn float(
    cursor: &Cursor<'_>,
    start: usize,
    negative: bool,
    text: &str,
) -> Result<Float, ParseError> {
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    let value = Float::try_from(if negative { -value } else { value });
    value.map_err(|_| {
        cursor.error_at(
            start,
            "the float is too large: at most 1.7976931348623157e308",
        )
    })
}

/// Reads what comes after the point, with the exponent, if a point and a digit are next.
fn fraction<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, str>>, ParseError> {
    let mut next = cursor.rest().chars();
    if next.next() != Some('.') || !next.next().is_some_and(|c| c.is_ascii_digit()) {
        return Ok(None);
    }
    cursor.bump();
    let mut fraction = digits(cursor, 10)?;
    if cursor.eat("e") || cursor.eat("E") {
        let sign = if sign(cursor) { "e-" } else { "e" };
        fraction = fraction + sign + digits(cursor, 10)?;
    }
    Ok(Some(fraction))
}

/// Reads one digit or more, and leaves out single underscores between them.
fn digits<'a>(cursor: &mut Cursor<'a>, base: u32) -> Result<Cow<'a, str>, ParseError> {
    let mut digits = Cow::Borrowed("");
    loop {
        let run = cursor.take_while(|c| c.is_digit(base));
        if run.is_empty() {
            return Err(cursor.expected(&format!("a digit of base {base}")));
        }
        digits += run;
        let mut next = cursor.rest().chars();
        if next.next() != Some('_') || !next.next().is_some_and(|c| c.is_digit(base)) {
            return Ok(digits);
        }
        cursor.bump();
    }
}

/// A number does not run into a word.
fn end(cursor: &Cursor<'_>) -> Result<(), ParseError> {
    match cursor.peek() {
        Some(c) if name::is_part(c) || c == '#' => Err(cursor.expected_hinted(
            "the end of the number",
            "a float has a point, 1.0e10; an integer in another base is written 16#ff",
        )),
        _ => Ok(()),
    }
}
