//! Parsing.
//!
//! A loop with a stack of the compound terms that are open, so that depth costs no call stack: [`value`] reads one value after
//! another, and [`Open::take`] decides what a value is to the term around it.

mod binary;
mod cursor;
mod number;
mod text;

use std::{mem, str::FromStr};

use self::cursor::Cursor;
use super::{error::ParseError, name};
use crate::{Atom, Fun, Map, Term};

pub use self::{binary::MAX_SEGMENT_BITS, number::MAX_DIGITS};

/// The longest text that is parsed, in bytes.
pub const MAX_INPUT_BYTES: usize = 4 << 20;

/// How deep compound terms may lie in one another.
pub const MAX_DEPTH: usize = 512;

/// See [`syntax`](crate::syntax) for what is understood.
impl FromStr for Term {
    type Err = ParseError;

    /// Fails where the text is anything but one term, is longer than [`MAX_INPUT_BYTES`], goes deeper than [`MAX_DEPTH`], or
    /// has an integer of more than [`MAX_DIGITS`] digits.
    fn from_str(input: &str) -> Result<Self, ParseError> {
        parse(&mut Cursor::new(input))
    }
}

fn parse(cursor: &mut Cursor<'_>) -> Result<Term, ParseError> {
    if cursor.input().len() > MAX_INPUT_BYTES {
        return Err(cursor.error("the text is longer than 4 MiB"));
    }
    let mut outer = Vec::new();
    loop {
        let mut term = match value(cursor)? {
            Value::Term(term) => term,
            Value::Open(open) if outer.len() < MAX_DEPTH => {
                outer.push(open);
                continue;
            }
            Value::Open(open) => {
                return Err(cursor.error_at(open.start, "the term is more than 512 levels deep"));
            }
        };
        loop {
            let Some(open) = outer.last_mut() else {
                return end(cursor).map(|()| term);
            };
            match open.take(term, cursor)? {
                Some(complete) => {
                    outer.pop();
                    term = complete;
                }
                None => break,
            }
        }
    }
}

fn end(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    cursor.skip_blank();
    if cursor.eat(".") {
        cursor.skip_blank();
    }
    match cursor.peek() {
        None => Ok(()),
        Some(_) => Err(cursor.expected("the end after the term")),
    }
}

enum Value {
    Term(Term),
    Open(Open),
}

/// Reads a scalar, an empty compound term, or the start of another one.
fn value(cursor: &mut Cursor<'_>) -> Result<Value, ParseError> {
    cursor.skip_blank();
    let start = cursor.offset();
    let compound = |kind| Ok(Value::Open(Open { start, kind }));
    let term = match cursor.peek() {
        Some('[') => {
            cursor.bump();
            cursor.skip_blank();
            if !cursor.eat("]") {
                return compound(Kind::List(Vec::new()));
            }
            Term::nil()
        }
        Some('{') => {
            cursor.bump();
            cursor.skip_blank();
            if !cursor.eat("}") {
                return compound(Kind::Tuple(Vec::new()));
            }
            Term::Tuple(Vec::new())
        }
        Some('#') => {
            if !cursor.eat("#{") {
                return Err(hash_sign(cursor));
            }
            cursor.skip_blank();
            if !cursor.eat("}") {
                return compound(Kind::Map(Vec::new()));
            }
            Map::new().into()
        }
        Some('<') => {
            if !cursor.eat("<<") {
                return Err(cursor.expected_hinted("a term", IDENTIFIERS));
            }
            binary::segments(cursor, start)?
        }
        Some('"') => Term::charlist(&text::string(cursor)?),
        Some('~') => text::sigil(cursor)?,
        Some('$') => u32::from(text::character(cursor)?).into(),
        Some('-' | '+' | '0'..='9') => number::number(cursor)?,
        Some('\'') => Term::Atom(text::quoted_atom(cursor)?),
        Some(c) if name::is_start(c) => match cursor.take_while(name::is_part) {
            "fun" => fun(cursor)?,
            word => Term::Atom(bare_atom(cursor, start, word)?),
        },
        _ => return Err(no_term(cursor)),
    };
    Ok(Value::Term(term))
}

/// A compound term that is not closed yet.
struct Open {
    start: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Term>),
    /// A list after its `|`.
    ListTail(Vec<Term>),
    Tuple(Vec<Term>),
    Map(Vec<(Term, Term)>),
    /// A map after a key and its `=>`.
    MapValue(Vec<(Term, Term)>, Term),
}

impl Open {
    /// Takes the next part; gives the term if that was its last.
    fn take(&mut self, part: Term, cursor: &mut Cursor<'_>) -> Result<Option<Term>, ParseError> {
        cursor.skip_blank();
        let start = self.start;
        match &mut self.kind {
            Kind::List(elements) => {
                elements.push(part);
                match cursor.peek() {
                    Some(',') => cursor.bump(),
                    Some('|') => {
                        cursor.bump();
                        self.kind = Kind::ListTail(mem::take(elements));
                    }
                    Some(']') => {
                        cursor.bump();
                        return Ok(Some(Term::List(mem::take(elements))));
                    }
                    _ => return Err(cursor.expected_in("`,`, `|` or `]`", "list", start)),
                }
            }
            Kind::ListTail(elements) => {
                if !cursor.eat("]") {
                    return Err(cursor.expected_in("`]` after the tail", "list", start));
                }
                return Ok(Some(Term::list_with_tail(mem::take(elements), part)));
            }
            Kind::Tuple(elements) => {
                elements.push(part);
                match cursor.peek() {
                    Some(',') => cursor.bump(),
                    Some('}') => {
                        cursor.bump();
                        return Ok(Some(Term::Tuple(mem::take(elements))));
                    }
                    _ => return Err(cursor.expected_in("`,` or `}`", "tuple", start)),
                }
            }
            Kind::Map(pairs) => {
                if !cursor.eat("=>") {
                    return Err(cursor.expected_in("`=>` after a key", "map", start));
                }
                self.kind = Kind::MapValue(mem::take(pairs), part);
            }
            Kind::MapValue(pairs, key) => {
                let mut pairs = mem::take(pairs);
                pairs.push((mem::replace(key, Term::nil()), part));
                match cursor.peek() {
                    Some(',') => cursor.bump(),
                    Some('}') => {
                        cursor.bump();
                        return match Map::from_unique(pairs) {
                            Some(map) => Ok(Some(map.into())),
                            None => Err(cursor.error_at(start, "a key is twice in the map")),
                        };
                    }
                    _ => return Err(cursor.expected_in("`,` or `}`", "map", start)),
                }
                self.kind = Kind::Map(pairs);
            }
        }
        Ok(None)
    }
}

/// Reads what comes after the word `fun`.
fn fun(cursor: &mut Cursor<'_>) -> Result<Term, ParseError> {
    let module = fun_part(cursor)?;
    expect(cursor, ":")?;
    let function = fun_part(cursor)?;
    expect(cursor, "/")?;
    cursor.skip_blank();
    let start = cursor.offset();
    let arity = cursor.take_while(|c| c.is_ascii_digit()).parse();
    let arity = arity.map_err(|_| cursor.error_at(start, "expected an arity of 0 to 255"))?;
    Ok(Term::from(Fun::Export {
        module,
        function,
        arity,
    }))
}

fn fun_part(cursor: &mut Cursor<'_>) -> Result<Atom, ParseError> {
    cursor.skip_blank();
    let start = cursor.offset();
    match cursor.peek() {
        Some('\'') => text::quoted_atom(cursor),
        Some(c) if name::is_start(c) => {
            let word = cursor.take_while(name::is_part);
            bare_atom(cursor, start, word)
        }
        _ => {
            Err(cursor
                .expected_hinted("an atom", "a function is written fun module:function/arity"))
        }
    }
}

fn expect(cursor: &mut Cursor<'_>, sign: &'static str) -> Result<(), ParseError> {
    cursor.skip_blank();
    if cursor.eat(sign) {
        return Ok(());
    }
    Err(cursor.expected_hinted(
        format!("`{sign}`"),
        "a function is written fun module:function/arity",
    ))
}

fn bare_atom(cursor: &Cursor<'_>, start: usize, word: &str) -> Result<Atom, ParseError> {
    // OTP before 27 prints these two without quotes, and nothing else could be meant by them.
    if name::is_reserved(word) && !matches!(word, "maybe" | "else") {
        return Err(cursor.error_at_hinted(
            start,
            format!("`{word}` is a reserved word"),
            "as an atom it needs single quotes",
        ));
    }
    text::atom(cursor, start, word)
}

/// What went wrong at a `#` that starts no map.
fn hash_sign(cursor: &mut Cursor<'_>) -> ParseError {
    let start = cursor.offset();
    cursor.bump();
    match cursor.take_while(name::is_part) {
        "Ref" | "Port" | "Fun" | "Pid" | "PID" | "Reference" | "Function" | "Opaque" => cursor
            .error_at_hinted(
                start,
                "an identifier is not a term that can be written",
                IDENTIFIERS,
            ),
        _ => cursor.error_at_hinted(
            start,
            "a record is not a term that can be written",
            "write it as a tuple, {name, Field, …}, or as a map, #{key => value}",
        ),
    }
}

/// What is wrong where no term starts.
fn no_term(cursor: &Cursor<'_>) -> ParseError {
    match cursor.peek() {
        Some(c) if name::is_variable_start(c) => cursor.expected_hinted(
            "a term",
            "variables have no value here; an atom or module with a capital is written in single quotes: 'Elixir.Module'",
        ),
        Some(':') => cursor.expected_hinted("a term", "an atom is written without a colon: ok"),
        _ => cursor.expected("a term"),
    }
}

const IDENTIFIERS: &str =
    "pids, ports, references and closures are made by a node and cannot be written";
