//! Characters: strings, quoted atoms, `$c`.

use super::cursor::Cursor;
use crate::{Atom, Term, syntax::ParseError};

/// Reads strings that stand next to each other, which are one.
pub(super) fn string(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let mut text = String::new();
    loop {
        if cursor.rest().starts_with("\"\"\"") {
            return Err(cursor.error_at_hinted(
                cursor.offset(),
                "triple-quoted strings are not understood here",
                "write \"line\\n\"",
            ));
        }
        quoted(cursor, '"', &mut text)?;
        let end = cursor.offset();
        cursor.skip_blank();
        if cursor.peek() != Some('"') {
            cursor.set_offset(end);
            return Ok(text);
        }
    }
}

/// Reads `~"text"`, a binary of UTF-8.
pub(super) fn sigil(cursor: &mut Cursor<'_>) -> Result<Term, ParseError> {
    let start = cursor.offset();
    cursor.bump();
    if cursor.peek() != Some('"') || cursor.rest().starts_with("\"\"\"") {
        return Err(cursor.error_at_hinted(
            start,
            "the only sigil that is understood here is ~\"text\"",
            "write a binary as <<\"text\"/utf8>> and a string as \"text\"",
        ));
    }
    let mut text = String::new();
    quoted(cursor, '"', &mut text)?;
    Ok(Term::binary(text))
}

/// Reads `$c`.
pub(super) fn character(cursor: &mut Cursor<'_>) -> Result<char, ParseError> {
    cursor.bump();
    let start = cursor.offset();
    match cursor.next() {
        Some('\\') => escape(cursor, start),
        Some(c) => Ok(c),
        None => Err(cursor.expected("a character after `$`")),
    }
}

/// Reads an atom in single quotes.
pub(super) fn quoted_atom(cursor: &mut Cursor<'_>) -> Result<Atom, ParseError> {
    let start = cursor.offset();
    let mut text = String::new();
    quoted(cursor, '\'', &mut text)?;
    atom(cursor, start, &text)
}

/// The atom of a text that was read from `start` on.
pub(super) fn atom(cursor: &Cursor<'_>, start: usize, text: &str) -> Result<Atom, ParseError> {
    Atom::try_from(text).map_err(|error| cursor.error_at(start, error.to_string()))
}

fn quoted(cursor: &mut Cursor<'_>, quote: char, text: &mut String) -> Result<(), ParseError> {
    let start = cursor.offset();
    cursor.bump();
    loop {
        text.push_str(cursor.take_while(|c| c != quote && c != '\\'));
        let at = cursor.offset();
        match cursor.next() {
            Some('\\') => text.push(escape(cursor, at)?),
            Some(_) => return Ok(()),
            None => {
                let message = format!("the {quote} that starts here is never closed");
                return Err(cursor.error_at(start, message));
            }
        }
    }
}

/// Reads what comes after a backslash, which is at `start`.
fn escape(cursor: &mut Cursor<'_>, start: usize) -> Result<char, ParseError> {
    let Some(c) = cursor.next() else {
        return Err(cursor.expected("a character after `\\`"));
    };
    let code = match c {
        'b' => 0x8,
        'd' => 0x7f,
        'e' => 0x1b,
        'f' => 0xc,
        'n' => 0xa,
        'r' => 0xd,
        's' => 0x20,
        't' => 0x9,
        'v' => 0xb,
        '^' => match cursor.next() {
            Some(c @ '@'..='_') => u32::from(c) - u32::from('@'),
            Some(c @ 'a'..='z') => u32::from(c) - u32::from('a') + 1,
            Some('?') => 0x7f,
            _ => return Err(cursor.error_at(start, "expected a control character such as \\^C")),
        },
        'x' => return hexadecimal(cursor, start),
        '0'..='7' => octal(cursor, u32::from(c) - u32::from('0')),
        c => u32::from(c),
    };
    char::from_u32(code).ok_or_else(|| no_character(cursor, start))
}

/// Up to two more octal digits.
fn octal(cursor: &mut Cursor<'_>, first: u32) -> u32 {
    let mut code = first;
    for _ in 0..2 {
        let Some(digit) = cursor.peek().and_then(|c| c.to_digit(8)) else {
            break;
        };
        code = code * 8 + digit;
        cursor.bump();
    }
    code
}

/// `\xHH` or `\x{H…}`, of which the `\x` was read.
fn hexadecimal(cursor: &mut Cursor<'_>, start: usize) -> Result<char, ParseError> {
    let digits = if cursor.eat("{") {
        let digits = cursor.take_while(|c| c.is_ascii_hexdigit());
        if !cursor.eat("}") {
            return Err(cursor.expected("hexadecimal digits and `}`"));
        }
        digits
    } else {
        let rest = cursor.rest();
        let digits = rest
            .get(..2)
            .filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        cursor.set_offset(cursor.offset() + digits.map_or(0, str::len));
        digits.unwrap_or_default()
    };
    let code = u32::from_str_radix(digits, 16)
        .ok()
        .and_then(char::from_u32);
    code.ok_or_else(|| no_character(cursor, start))
}

fn no_character(cursor: &Cursor<'_>, start: usize) -> ParseError {
    cursor.error_at_hinted(
        start,
        "no character has this number",
        "write \\xHH or \\x{H…}, at most \\x{10ffff} and none of \\x{d800} to \\x{dfff}",
    )
}
