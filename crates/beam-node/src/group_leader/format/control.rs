//! What each letter of a directive prints.

use beam_term::{Integer, RawTerm, Term};

use super::{Arguments, directive::Directive, float, term, term::Style};
use crate::group_leader::{
    chars::{self, Charset},
    text::{Stop, Text},
};

/// Appends what a directive makes of its arguments.
pub(super) fn write(
    directive: &Directive,
    arguments: &mut Arguments<'_>,
    out: &mut Text,
) -> Result<(), Stop> {
    match directive.letter {
        '~' => character('~', directive, out),
        'n' => out.repeat('\n', directive.width.unwrap_or(1)),
        'i' => arguments.next().map(drop),
        'c' => {
            let code = arguments.next()?.reader().integer::<i64>();
            let mut code = code.map_err(|_| Stop::Invalid)?;
            if !directive.is_unicode {
                code &= 0xFF;
            }
            let code = u32::try_from(code).ok().and_then(char::from_u32);
            character(code.ok_or(Stop::Invalid)?, directive, out)
        }
        's' => string(arguments.next()?, directive, out),
        letter @ ('w' | 'p' | 'W' | 'P') => {
            let argument = arguments.next()?;
            if letter.is_uppercase() {
                // The depth.
                arguments.next()?;
            }
            let is_plain = matches!(letter, 'w' | 'W') || !directive.shows_strings;
            let style = match directive.is_unicode {
                _ if is_plain => Style::Plain,
                true => Style::Unicode,
                false => Style::Latin1,
            };
            // For `~p` they are the line's length and the column, for terms that take several lines.
            let (width, precision) = match letter {
                'w' | 'W' => (directive.width, directive.precision),
                _ => (None, None),
            };
            let directive = Directive {
                width,
                precision,
                ..*directive
            };
            field(&directive, out, |content| {
                term::write(argument, style, content)
            })
        }
        'f' | 'e' | 'g' => {
            let Ok(Term::Float(value)) = arguments.next()?.decode() else {
                return Err(Stop::Invalid);
            };
            let text = float::format(
                value.get(),
                directive.letter,
                directive.precision,
                out.room(),
            )
            .ok_or(Stop::Invalid)?;
            number(&text, directive, out)
        }
        'b' | 'B' => {
            let (sign, digits) = integer(arguments.next()?, directive)?;
            number(&format!("{sign}{digits}"), directive, out)
        }
        '+' | '#' => {
            let (sign, digits) = integer(arguments.next()?, directive)?;
            let base = directive.precision.unwrap_or(10);
            number(&format!("{sign}{base}#{digits}"), directive, out)
        }
        'x' | 'X' => {
            let (sign, digits) = integer(arguments.next()?, directive)?;
            let mut prefix = Text::new(out.limit());
            text(arguments.next()?, Charset::Lenient, &mut prefix)?;
            let prefix = prefix.as_str();
            number(&format!("{sign}{prefix}{digits}"), directive, out)
        }
        _ => Err(Stop::Invalid),
    }
}

/// A character, as often as the precision says, or else the width.
fn character(character: char, directive: &Directive, out: &mut Text) -> Result<(), Stop> {
    let times = directive.precision.or(directive.width).unwrap_or(1);
    let padding = match directive.width.unwrap_or(times).checked_sub(times) {
        Some(padding) => padding,
        None => return Err(Stop::Invalid),
    };
    pad(directive, padding, out, |out| out.repeat(character, times))
}

/// Text in a field: cut to the precision, filled up to it, and then to the width.
fn string(argument: &RawTerm, directive: &Directive, out: &mut Text) -> Result<(), Stop> {
    let charset = match directive.is_unicode {
        true => Charset::Lenient,
        false => Charset::Latin1,
    };
    if (directive.width, directive.precision) == (None, None) {
        return text(argument, charset, out);
    }
    let mut content = Text::new(out.limit());
    match text(argument, charset, &mut content) {
        // What was cut off may be cut off by the field as well.
        Ok(()) | Err(Stop::Full) => {}
        Err(Stop::Invalid) => return Err(Stop::Invalid),
    }
    let (is_left, precision) = match (directive.width, directive.precision) {
        (Some(width), Some(precision)) if width > precision => (true, precision),
        (Some(width), Some(precision)) if width < precision => return Err(Stop::Invalid),
        (None, Some(precision)) => (true, precision),
        (width, _) => (directive.is_left, width.unwrap_or_default()),
    };
    let cut = match content.as_str().char_indices().nth(precision) {
        Some((end, _)) => &content.as_str()[..end],
        None => content.as_str(),
    };
    let filling = precision - cut.chars().count().min(precision);
    let padding = directive.width.unwrap_or(precision) - precision;
    let inner = Directive {
        is_left,
        ..*directive
    };
    pad(directive, padding, out, |out| {
        pad(&inner, filling, out, |out| out.push(cut))
    })
}

/// A number in a field of the width; the precision meant something else.
fn number(text: &str, directive: &Directive, out: &mut Text) -> Result<(), Stop> {
    let directive = Directive {
        precision: None,
        ..*directive
    };
    field(&directive, out, |content| content.push(text))
}

/// Something in a field of the width; asterisks if it is longer than the precision, or else than
/// the width.
fn field(
    directive: &Directive,
    out: &mut Text,
    write: impl FnOnce(&mut Text) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let Some(width) = directive.width.or(directive.precision) else {
        return write(out);
    };
    let mut content = Text::new(out.limit());
    write(&mut content)?;
    let room = directive.precision.unwrap_or(width).min(width);
    let len = content.as_str().chars().count();
    if len > room {
        pad(directive, width - room, out, |out| out.repeat('*', room))
    } else {
        pad(directive, width - len, out, |out| {
            out.push(content.as_str())
        })
    }
}

/// Something with padding before or after it.
fn pad(
    directive: &Directive,
    padding: usize,
    out: &mut Text,
    write: impl FnOnce(&mut Text) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if directive.is_left {
        write(out)?;
        out.repeat(directive.pad, padding)
    } else {
        out.repeat(directive.pad, padding)?;
        write(out)
    }
}

/// An atom or text.
fn text(argument: &RawTerm, charset: Charset, out: &mut Text) -> Result<(), Stop> {
    match argument.reader().atom() {
        Ok(atom) if charset == Charset::Latin1 && atom.chars().any(|c| c > '\u{FF}') => {
            Err(Stop::Invalid)
        }
        Ok(atom) => out.push(&atom),
        Err(_) => chars::write(argument, charset, out),
    }
}

/// The sign and the digits of an integer, in the base that the precision names.
fn integer(argument: &RawTerm, directive: &Directive) -> Result<(&'static str, String), Stop> {
    let Ok(Term::Integer(integer)) = argument.decode() else {
        return Err(Stop::Invalid);
    };
    let base = match directive.precision.unwrap_or(10) {
        base @ 2..=36 => base as u32,
        _ => return Err(Stop::Invalid),
    };
    let value = integer.to_bigint();
    if value.bits() > LONGEST_INTEGER_BITS && !base.is_power_of_two() {
        return Err(Stop::Invalid);
    }
    let mut digits = value.magnitude().to_str_radix(base);
    if matches!(directive.letter, 'B' | 'X' | '#') {
        digits.make_ascii_uppercase();
    }
    let sign = if integer < Integer::from(0) { "-" } else { "" };
    Ok((sign, digits))
}

/// The longest integer that is converted to a base that is no power of two; the time for that grows
/// with the square of its length.
const LONGEST_INTEGER_BITS: u64 = 16_384;
