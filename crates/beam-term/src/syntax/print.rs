//! Printing.

use std::{
    fmt::{self, Display, Formatter, Write},
    slice, str,
};

use num_bigint::Sign;

use super::name;
use crate::{
    Atom, BitString, Closure, Float, Fun, Integer, MapIter, Opaque, Pid, Port, Reference, Term,
};

/// On one line, as Erlang's `~0tp` prints it. See [`syntax`](crate::syntax).
impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_term(f, self, usize::MAX)
    }
}

impl Term {
    /// Prints no more than the first `max_characters` characters of the term, and `...` if there are more.
    ///
    /// For logs and messages about terms of others: what is beyond the cut costs nothing, but for an integer that the cut
    /// goes through.
    ///
    /// ```
    /// use beam_term::Term;
    ///
    /// let term = Term::list((0..1_000_000).map(Term::from));
    /// assert_eq!(term.display_truncated(12).to_string(), "[0,1,2,3,4,5...");
    /// ```
    pub fn display_truncated(&self, max_characters: usize) -> Truncated<'_> {
        Truncated {
            term: self,
            max_characters,
        }
    }
}

/// A term that is printed up to a length, by [`Term::display_truncated`].
#[derive(Clone, Copy, Debug)]
pub struct Truncated<'a> {
    term: &'a Term,
    max_characters: usize,
}

impl Display for Truncated<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut out = Limited {
            out: f,
            left: self.max_characters,
            exceeded: false,
        };
        match write_term(&mut out, self.term, self.max_characters) {
            Err(fmt::Error) if out.exceeded => f.write_str("..."),
            result => result,
        }
    }
}

/// As in Erlang: in quotes where it must be.
impl Display for Atom {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_atom(f, self)
    }
}

/// In decimal, or in base 16 beyond 16,384 bits.
impl Display for Integer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(small) = self.as_i64() {
            return Display::fmt(&small, f);
        }
        let big = self.to_bigint();
        if big.bits() <= MAX_DECIMAL_BITS {
            return Display::fmt(&big, f);
        }
        let sign = if big.sign() == Sign::Minus { "-" } else { "" };
        write!(f, "{sign}16#{:X}", big.magnitude())
    }
}

/// With the fewest digits that give the same float again, in the shorter one of Erlang's two notations.
impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_float(f, self.get())
    }
}

/// `<app@host.112.0>`
impl Display for Pid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('<')?;
        write_node(f, &self.node)?;
        write!(f, ".{}.{}>", self.id, self.serial)
    }
}

/// `#Port<app@host.6>`
impl Display for Port {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("#Port<")?;
        write_node(f, &self.node)?;
        write!(f, ".{}>", self.id)
    }
}

/// `#Ref<app@host.3.2.1>`
impl Display for Reference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("#Ref<")?;
        write_node(f, self.node())?;
        for id in self.ids().iter().rev() {
            write!(f, ".{id}")?;
        }
        f.write_char('>')
    }
}

/// `fun lists:reverse/1`, or [as a closure](struct.Closure.html#impl-Display-for-Closure).
impl Display for Fun {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Export {
                module,
                function,
                arity,
            } => {
                f.write_str("fun ")?;
                write_atom(f, module)?;
                f.write_char(':')?;
                write_atom(f, function)?;
                write!(f, "/{arity}")
            }
            Self::Closure(closure) => Display::fmt(closure, f),
        }
    }
}

/// `#Fun<module.0.133762870>`
impl Display for Closure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("#Fun<")?;
        write_atom(f, &self.module)?;
        write!(f, ".{}.{}>", self.old_index, self.old_uniq)
    }
}

/// `#Opaque<34 bytes>`
impl Display for Opaque {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "#Opaque<{} bytes>", self.as_bytes().len())
    }
}

/// Prints a term. As little as makes `limit` characters is looked at, if less than all of it is wanted.
///
/// Takes no more of the call stack for a deep term than for a flat one.
fn write_term(out: &mut dyn Write, term: &Term, limit: usize) -> fmt::Result {
    let mut outer = Vec::new();
    let mut open = open(out, term, limit)?;
    while let Some(compound) = &mut open {
        match compound.next(out)? {
            Some(part) => {
                if let Some(inner) = self::open(out, part, limit)? {
                    outer.extend(open.replace(inner));
                }
            }
            None => open = outer.pop(),
        }
    }
    Ok(())
}

/// Prints a scalar, or what a compound term starts with.
fn open<'a>(
    out: &mut dyn Write,
    term: &'a Term,
    limit: usize,
) -> Result<Option<Compound<'a>>, fmt::Error> {
    match term {
        Term::Integer(integer) => write!(out, "{integer}")?,
        Term::Float(float) => write_float(out, float.get())?,
        Term::Atom(atom) => write_atom(out, atom)?,
        Term::Reference(reference) => write!(out, "{reference}")?,
        Term::Fun(fun) => write!(out, "{fun}")?,
        Term::Port(port) => write!(out, "{port}")?,
        Term::Pid(pid) => write!(out, "{pid}")?,
        Term::Binary(bytes) => write_binary(out, bytes, limit)?,
        Term::BitString(bits) => write_bits(out, bits)?,
        Term::Opaque(opaque) => write!(out, "{opaque}")?,
        Term::Tuple(elements) => {
            out.write_char('{')?;
            return Ok(Some(Compound::sequence(elements, None, '}')));
        }
        Term::List(elements) => match as_text(elements, limit) {
            Some(text) => write_quoted(out, text, '"')?,
            None => {
                out.write_char('[')?;
                return Ok(Some(Compound::sequence(elements, None, ']')));
            }
        },
        Term::ImproperList(list) => {
            out.write_char('[')?;
            return Ok(Some(Compound::sequence(
                list.elements(),
                Some(list.tail()),
                ']',
            )));
        }
        Term::Map(map) => {
            out.write_str("#{")?;
            return Ok(Some(Compound::Map {
                pairs: map.iter(),
                value: None,
                separator: "",
            }));
        }
    }
    Ok(None)
}

/// A compound term, of which a part is printed already.
enum Compound<'a> {
    Sequence {
        elements: slice::Iter<'a, Term>,
        tail: Option<&'a Term>,
        separator: &'static str,
        close: char,
    },
    Map {
        pairs: MapIter<'a>,
        value: Option<&'a Term>,
        separator: &'static str,
    },
}

impl<'a> Compound<'a> {
    fn sequence(elements: &'a [Term], tail: Option<&'a Term>, close: char) -> Self {
        Self::Sequence {
            elements: elements.iter(),
            tail,
            separator: "",
            close,
        }
    }

    /// Prints what comes before the next part, and gives that part; or prints the end.
    fn next(&mut self, out: &mut dyn Write) -> Result<Option<&'a Term>, fmt::Error> {
        match self {
            Self::Sequence {
                elements,
                tail,
                separator,
                close,
            } => {
                if let Some(element) = elements.next() {
                    out.write_str(separator)?;
                    *separator = ",";
                    return Ok(Some(element));
                }
                if let Some(tail) = tail.take() {
                    out.write_char('|')?;
                    return Ok(Some(tail));
                }
                out.write_char(*close)?;
                Ok(None)
            }
            Self::Map {
                pairs,
                value,
                separator,
            } => {
                if let Some(value) = value.take() {
                    out.write_str(" => ")?;
                    return Ok(Some(value));
                }
                if let Some((key, its_value)) = pairs.next() {
                    out.write_str(separator)?;
                    *separator = ",";
                    *value = Some(its_value);
                    return Ok(Some(key));
                }
                out.write_char('}')?;
                Ok(None)
            }
        }
    }
}

/// Passes on as many characters as are left, then fails.
struct Limited<'a, 'b> {
    out: &'a mut Formatter<'b>,
    left: usize,
    exceeded: bool,
}

impl Write for Limited<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Some((end, _)) = text.char_indices().nth(self.left) else {
            self.left -= text.chars().count();
            return self.out.write_str(text);
        };
        self.left = 0;
        self.exceeded = true;
        self.out.write_str(&text[..end])?;
        Err(fmt::Error)
    }
}

fn write_float(out: &mut dyn Write, value: f64) -> fmt::Result {
    let scientific = shortest(value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: Vec<_> = mantissa.chars().filter(char::is_ascii_digit).collect();
    let power: isize = exponent.parse().unwrap_or_default();
    let whole_digits = usize::try_from(power + 1).unwrap_or_default();
    let zeros = usize::try_from(-1 - power).unwrap_or_default();

    if value.is_sign_negative() {
        out.write_char('-')?;
    }
    let decimal_len = (whole_digits + 1).max(digits.len()) + zeros + usize::from(whole_digits == 0);
    let scientific_len = digits.len().max(2) + "e".len() + exponent.len();
    if decimal_len > scientific_len || value.abs() >= FIRST_GAP {
        let fraction = if digits.len() == 1 { ".0" } else { "" };
        return write!(out, "{mantissa}{fraction}e{exponent}");
    }
    if whole_digits == 0 {
        write!(out, "0.{:0<zeros$}", "")?;
    }
    for at in 0..digits.len().max(whole_digits + 1) {
        if at == whole_digits && at > 0 {
            out.write_char('.')?;
        }
        out.write_char(digits.get(at).copied().unwrap_or('0'))?;
    }
    Ok(())
}

/// The shortest decimal that is read as this float, in scientific notation. Of two that are equally near, OTP takes the even
/// one, which the standard library's shortest format does not always.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let exponent = shortest.find('e').unwrap_or(shortest.len());
    let precision = exponent.saturating_sub("1.".len());
    let nearest = format!("{value:.precision$e}");
    if nearest.parse() == Ok(value) {
        nearest
    } else {
        shortest
    }
}

fn write_atom(out: &mut dyn Write, atom: &Atom) -> fmt::Result {
    let text = atom.as_str();
    if name::is_bare(text) {
        out.write_str(text)
    } else {
        write_quoted(out, text.chars(), '\'')
    }
}

/// A node's name stands as it is where nothing in it could be taken for something else.
fn write_node(out: &mut dyn Write, node: &Atom) -> fmt::Result {
    let text = node.as_str();
    let plain = |c: char| name::is_part(c) || matches!(c, '-' | '.');
    if !text.is_empty() && text.chars().all(plain) {
        out.write_str(text)
    } else {
        write_quoted(out, text.chars(), '\'')
    }
}

fn write_binary(out: &mut dyn Write, bytes: &[u8], limit: usize) -> fmt::Result {
    out.write_str("<<")?;
    match Text::of(bytes, limit) {
        Some(Text::Utf8(text)) => {
            write_quoted(out, text.chars(), '"')?;
            if !text.is_ascii() {
                out.write_str("/utf8")?;
            }
        }
        Some(Text::Latin1(text)) => write_quoted(out, text.iter().copied().map(char::from), '"')?,
        None => write_bytes(out, bytes)?,
    }
    out.write_str(">>")
}

fn write_bits(out: &mut dyn Write, bits: &BitString) -> fmt::Result {
    out.write_str("<<")?;
    if let Some((last, whole)) = bits.as_bytes().split_last() {
        write_bytes(out, whole)?;
        let separator = if whole.is_empty() { "" } else { "," };
        let count = bits.last_bits();
        write!(out, "{separator}{}:{count}", last >> (8 - count))?;
    }
    out.write_str(">>")
}

fn write_bytes(out: &mut dyn Write, bytes: &[u8]) -> fmt::Result {
    let mut separator = "";
    for byte in bytes {
        write!(out, "{separator}{byte}")?;
        separator = ",";
    }
    Ok(())
}

fn write_quoted(out: &mut dyn Write, text: impl Iterator<Item = char>, quote: char) -> fmt::Result {
    out.write_char(quote)?;
    for c in text {
        match c {
            _ if c == quote => write!(out, "\\{c}")?,
            '\\' => out.write_str("\\\\")?,
            ' '..='~' | '\u{a0}'.. => out.write_char(c)?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{b}' => out.write_str("\\v")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '\u{1b}' => out.write_str("\\e")?,
            '\u{7f}' => out.write_str("\\d")?,
            control => write!(out, "\\{:03o}", u32::from(control))?,
        }
    }
    out.write_char(quote)
}

/// The characters of a list that is printed as a string: not empty, and each of them can be seen.
///
/// Of a list of more than `limit` elements only so many are looked at and given; they fill the output.
fn as_text(elements: &[Term], limit: usize) -> Option<impl Iterator<Item = char>> {
    let elements = &elements[..elements.len().min(limit)];
    let visible = |element| as_char(element).is_some_and(is_visible);
    (!elements.is_empty() && elements.iter().all(visible))
        .then(|| elements.iter().filter_map(as_char))
}

fn as_char(term: &Term) -> Option<char> {
    u32::try_from(term.as_i64()?).ok()?.try_into().ok()
}

/// What a binary is printed as, if not as numbers: each of its characters can be seen.
enum Text<'a> {
    Utf8(&'a str),
    Latin1(&'a [u8]),
}

impl<'a> Text<'a> {
    /// Of a binary of more than four times `limit` bytes only so many are looked at and given; they fill the output.
    fn of(bytes: &'a [u8], limit: usize) -> Option<Self> {
        let start = &bytes[..bytes.len().min(limit.saturating_mul(4))];
        let cut = start.len() < bytes.len();
        let text = match str::from_utf8(start) {
            Ok(text) => Self::Utf8(text),
            // The cut may go through a character.
            Err(error) if cut && error.error_len().is_none() => {
                Self::Utf8(str::from_utf8(&start[..error.valid_up_to()]).ok()?)
            }
            Err(_) => Self::Latin1(start),
        };
        let visible = match text {
            Self::Utf8(text) => !text.is_empty() && text.chars().all(is_visible),
            Self::Latin1(text) => text.iter().copied().map(char::from).all(is_visible),
        };
        visible.then_some(text)
    }
}

/// Whether Erlang takes the character for printable, given all of Unicode.
fn is_visible(c: char) -> bool {
    match c {
        '\u{8}'..='\r' | '\u{1b}' | ' '..='~' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= '\u{a0}',
    }
}

/// Beyond so many bits an integer is not printed in decimal.
const MAX_DECIMAL_BITS: u64 = 16_384;

/// From here on, floats are further apart than integers. Erlang prints no digits that seem to be exact but are not.
const FIRST_GAP: f64 = 9_007_199_254_740_992.0;
