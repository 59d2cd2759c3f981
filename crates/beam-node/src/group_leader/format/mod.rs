//! Text from a format and its arguments, as `io_lib:format/2` of OTP makes it.
//!
//! Terms print on one line, where OTP breaks lines at 80 characters, and in full, where OTP is asked
//! for a depth.

mod control;
mod directive;
mod float;
mod term;

use beam_term::RawTerm;

use self::directive::Directive;
use crate::group_leader::{
    chars::{self, Charset},
    text::{Stop, Text},
};

pub(super) use term::Style;

/// Appends a format with its arguments put in.
pub(super) fn format(format: &RawTerm, arguments: &[RawTerm], out: &mut Text) -> Result<(), Stop> {
    // A byte of an encoded list may be a character of two bytes.
    let mut text = Text::new(2 * format.encoded_len());
    match format.reader().atom() {
        Ok(atom) => text.push(&atom)?,
        Err(_) => chars::write(format, Charset::Unicode, &mut text)?,
    }
    let mut arguments = Arguments(arguments.iter());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('~') {
        out.push(before)?;
        let directive;
        (directive, rest) = Directive::parse(after, &mut arguments)?;
        control::write(&directive, &mut arguments, out)?;
    }
    out.push(rest)?;
    match arguments.0.next() {
        None => Ok(()),
        Some(_) => Err(Stop::Invalid),
    }
}

/// Appends a term as a directive would.
pub(super) fn write_term(term: &RawTerm, style: Style, out: &mut Text) -> Result<(), Stop> {
    term::write(term, style, out)
}

/// The arguments that no directive has taken.
struct Arguments<'a>(std::slice::Iter<'a, RawTerm>);

impl<'a> Arguments<'a> {
    fn next(&mut self) -> Result<&'a RawTerm, Stop> {
        self.0.next().ok_or(Stop::Invalid)
    }
}

#[cfg(test)]
mod tests;
