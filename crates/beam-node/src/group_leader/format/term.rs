//! Terms as `~w`, `~p` and `~tp` print them, on one line.

use std::fmt::Write;

use beam_term::{RawTerm, Term};

use crate::group_leader::text::{Stop, Text};

/// What lists of characters and binaries of text look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group_leader) enum Style {
    /// Like all lists and binaries: `[104,105]`, `<<104,105>>`.
    Plain,
    /// Like text, if all characters are Latin-1 and can be printed: `"hi"`, `<<"hi">>`.
    Latin1,
    /// Like text, if all characters can be printed.
    Unicode,
}

/// Appends a term. One that is much longer than the text may be is not even looked at.
pub(super) fn write(raw: &RawTerm, style: Style, out: &mut Text) -> Result<(), Stop> {
    if raw.encoded_len() > ENCODED_BYTES_PER_BYTE.saturating_mul(out.limit()) {
        out.push("...")?;
        return Err(out.cut());
    }
    let term = raw.decode().map_err(|_| Stop::Invalid)?;
    write_term(&term, style, out)
}

/// An encoding is shorter than that many times the text of its term; short integers in four bytes
/// come closest.
const ENCODED_BYTES_PER_BYTE: usize = 4;

/// Recursion is bounded by the depth that was allowed when the term was received.
fn write_term(term: &Term, style: Style, out: &mut Text) -> Result<(), Stop> {
    if style == Style::Unicode {
        return Ok(write!(out, "{term}")?);
    }
    match term {
        Term::Tuple(elements) => {
            out.push("{")?;
            write_elements(elements, style, out)?;
            out.push("}")
        }
        Term::List(elements) => {
            if let (Style::Latin1, Some(text)) = (style, latin1(elements)) {
                return Ok(write!(out, "{}", Term::charlist(&text))?);
            }
            out.push("[")?;
            write_elements(elements, style, out)?;
            out.push("]")
        }
        Term::ImproperList(list) => {
            out.push("[")?;
            write_elements(list.elements(), style, out)?;
            out.push("|")?;
            write_term(list.tail(), style, out)?;
            out.push("]")
        }
        Term::Map(map) => {
            out.push("#{")?;
            for (at, (key, value)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(",")?;
                }
                write_term(key, style, out)?;
                out.push(" => ")?;
                write_term(value, style, out)?;
            }
            out.push("}")
        }
        Term::Binary(bytes) => {
            let text: String = bytes.iter().copied().map(char::from).collect();
            if style == Style::Latin1 && !text.is_empty() && text.chars().all(is_printable) {
                return Ok(write!(out, "<<{}>>", Term::charlist(&text))?);
            }
            out.push("<<")?;
            for (at, byte) in bytes.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                write!(out, "{comma}{byte}")?;
            }
            out.push(">>")
        }
        leaf => Ok(write!(out, "{leaf}")?),
    }
}

fn write_elements(elements: &[Term], style: Style, out: &mut Text) -> Result<(), Stop> {
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.push(",")?;
        }
        write_term(element, style, out)?;
    }
    Ok(())
}

/// The text, if the elements are printable characters of Latin-1.
fn latin1(elements: &[Term]) -> Option<String> {
    let character = |term: &Term| {
        let character = char::from(u8::try_from(term.as_i64()?).ok()?);
        is_printable(character).then_some(character)
    };
    match elements {
        [] => None,
        _ => elements.iter().map(character).collect(),
    }
}

/// As `io_lib:printable_latin1_list/1` sees it.
fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~' | '\u{A0}'..='\u{FF}' | '\u{8}'..='\r' | '\u{1B}')
}
