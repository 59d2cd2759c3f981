//! One directive of a format: `~F.P.PadModC`.

use std::str::Chars;

use super::Arguments;
use crate::group_leader::text::Stop;

/// What stands between a `~` and its letter, and the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) width: Option<usize>,
    /// Whether the padding goes to the right of the text.
    pub(super) is_left: bool,
    pub(super) precision: Option<usize>,
    pub(super) pad: char,
    /// `t`: characters beyond Latin-1 may be there.
    pub(super) is_unicode: bool,
    /// Not `l`: lists of characters are shown as text.
    pub(super) shows_strings: bool,
    pub(super) letter: char,
}

impl Directive {
    /// Takes a directive off the start of a format; `*` takes a number off the arguments.
    pub(super) fn parse<'f>(
        format: &'f str,
        arguments: &mut Arguments<'_>,
    ) -> Result<(Self, &'f str), Stop> {
        let mut rest = format.chars();
        let is_negated = take(&mut rest, '-');
        let width =
            number(&mut rest, arguments)?.map(|n| if is_negated { n.saturating_neg() } else { n });
        if is_negated && width.is_none() {
            return Err(Stop::Invalid);
        }
        let precision = match take(&mut rest, '.') {
            true => number(&mut rest, arguments)?,
            false => None,
        };
        let mut directive = Self {
            width: width.map(magnitude).transpose()?,
            is_left: width.is_some_and(|width| width < 0),
            precision: precision
                .map(|n| usize::try_from(n).map_err(|_| Stop::Invalid))
                .transpose()?,
            pad: match take(&mut rest, '.') {
                true => pad(&mut rest, arguments)?,
                false => ' ',
            },
            is_unicode: false,
            shows_strings: true,
            letter: ' ',
        };
        loop {
            match rest.next().ok_or(Stop::Invalid)? {
                't' => directive.is_unicode = true,
                'l' => directive.shows_strings = false,
                // The order of maps, which is always that of their keys here.
                'k' => {}
                'K' => {
                    arguments.next()?;
                }
                letter => {
                    directive.letter = letter;
                    return Ok((directive, rest.as_str()));
                }
            }
        }
    }
}

fn take(rest: &mut Chars<'_>, character: char) -> bool {
    let mut ahead = rest.clone();
    let found = ahead.next() == Some(character);
    if found {
        *rest = ahead;
    }
    found
}

/// Decimal digits, or `*` for the next argument; none for anything else.
fn number(rest: &mut Chars<'_>, arguments: &mut Arguments<'_>) -> Result<Option<i64>, Stop> {
    if take(rest, '*') {
        let argument = arguments.next()?.reader().integer();
        return argument.map(Some).map_err(|_| Stop::Invalid);
    }
    let mut number = None;
    while let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(10)) {
        rest.next();
        let value = number.unwrap_or(0_i64);
        number = Some(value.saturating_mul(10).saturating_add(digit.into()));
    }
    Ok(number)
}

fn magnitude(number: i64) -> Result<usize, Stop> {
    usize::try_from(number.unsigned_abs()).map_err(|_| Stop::Invalid)
}

fn pad(rest: &mut Chars<'_>, arguments: &mut Arguments<'_>) -> Result<char, Stop> {
    if take(rest, '*') {
        let code = arguments.next()?.reader().integer::<u32>();
        return code.ok().and_then(char::from_u32).ok_or(Stop::Invalid);
    }
    rest.next().ok_or(Stop::Invalid)
}
