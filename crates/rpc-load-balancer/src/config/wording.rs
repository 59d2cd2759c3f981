//! What serde and TOML have against settings, in the words of whoever wrote them.
//!
//! What is wrong in a file may stand on a line with a secret: a cookie where none belongs, or a file that is
//! another one. So nothing of a file is told but its keys, and places in it.

use toml::de::Error;

/// What was expected, where the value is shown beside it.
pub(super) fn beside_value(message: &str) -> String {
    match Mismatch::read(message) {
        Some(mismatch) => format!("expected {}", mismatch.expected()),
        None => other(message),
    }
}

/// What is wrong in a text in TOML, and where.
pub(super) fn of_toml(text: &str, error: &Error) -> String {
    let message = error.message();
    let is_too_deep = TOO_DEEP.contains(&message);
    let place = match error.span() {
        Some(span) => place(text, span.start),
        None if is_too_deep => {
            deep_line(text).map_or(String::new(), |line| format!("at line {line}: "))
        }
        None => String::new(),
    };
    let key = key(error).map_or(String::new(), |key| format!("`{key}`: "));
    let problem = match Mismatch::read(message) {
        Some(mismatch) => mismatch.to_string(),
        None if is_too_deep => {
            "tables and lists are nested too deeply: settings have four levels at most, as in \
             `balancers.NAME.weights.NODE`"
                .to_owned()
        }
        None => other(message),
    };
    printable(&format!("{place}{key}{problem}"))
}

/// What the parser says where there is more inside each other than it reads.
const TOO_DEEP: [&str; 2] = [
    "recursion limit",
    "cannot recurse further; max recursion depth met",
];

fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("at line {line}, column {column}: ")
}

/// The line that is too deep by itself, which the parser does not tell of keys.
fn deep_line(text: &str) -> Option<usize> {
    let is_deep = |line: &str| {
        let error = line.parse::<toml::Table>().err();
        error.is_some_and(|error| TOO_DEEP.contains(&error.message()))
    };
    text.lines().position(is_deep).map(|index| index + 1)
}

/// The key that an error is about, with those of the tables that it is in. It is told only by an error that
/// does not show the text.
fn key(error: &Error) -> Option<String> {
    let mut error = error.clone();
    error.set_input(None);
    let shown = error.to_string();
    let key = shown.strip_prefix(error.message())?.trim();
    Some(key.strip_prefix("in `")?.strip_suffix('`')?.to_owned())
}

/// A text in one line, which does nothing to a terminal.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => printable.extend(c.escape_default()),
            false => printable.push(c),
        }
    }
    printable
}

/// A value that is none of those that were expected.
struct Mismatch<'a> {
    found: &'a str,
    /// Whether another type was expected, not only another value.
    is_of_type: bool,
    expected: &'a str,
}

impl<'a> Mismatch<'a> {
    fn read(message: &'a str) -> Option<Self> {
        let of_type = message.strip_prefix("invalid type: ");
        let rest = of_type.or_else(|| message.strip_prefix("invalid value: "))?;
        let (found, expected) = rest.rsplit_once(", expected ")?;
        Some(Self {
            found,
            is_of_type: of_type.is_some(),
            expected,
        })
    }

    fn expected(&self) -> &str {
        match self.expected {
            "usize" | "u64" => "a number from 0",
            "u32" => "a number from 0 to 4294967295",
            "a nonzero usize" => "a number from 1",
            "a nonzero u32" => "a number from 1 to 4294967295",
            "a boolean" => "true or false",
            "a string" => "a text in quotes",
            "path string" => "a path in quotes",
            "a sequence" => "a list",
            "a map" => "a table",
            other => other,
        }
    }

    /// What kind of value was found, and not which one.
    fn found(&self) -> Option<&'static str> {
        if !self.is_of_type {
            return None;
        }
        let kind = self
            .found
            .split_once(' ')
            .map_or(self.found, |(kind, _)| kind);
        Some(match kind {
            "map" => "a table",
            "sequence" => "a list",
            "string" => "a text",
            "boolean" => "a boolean",
            "floating" => "a number with a fraction",
            "integer" if self.found.starts_with("integer `-") && self.is_beyond_64_bits() => {
                "so small a number"
            }
            "integer" if self.is_beyond_64_bits() => "so large a number",
            "integer" => "a number",
            _ => return None,
        })
    }

    /// Whether an integer is none of 64 bits with a sign, which all are read as.
    fn is_beyond_64_bits(&self) -> bool {
        let number = self.found.split('`').nth(1);
        number.is_some_and(|number| number.parse::<i64>().is_err())
    }
}

impl std::fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "expected {}", self.expected())?;
        match self.found() {
            Some(found) => write!(f, ", not {found}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a key rather than with a value.
fn other(message: &str) -> String {
    let known = message
        .strip_prefix("unknown field ")
        .and_then(|rest| rest.split_once(", expected "));
    match known {
        Some((key, known)) => {
            let known = known.strip_prefix("one of ").unwrap_or(known);
            format!("there is no key {key}; there are {known}")
        }
        None => of_syntax(message).to_owned(),
    }
}

/// How the parser begins where a text that is not in quotes is taken for something else by its first letters.
const NO_VALUE: [&str; 4] = [
    "invalid boolean",
    "invalid float",
    "invalid integer",
    "invalid date-time",
];

/// What is wrong with the syntax, with how it is meant to be.
fn of_syntax(message: &str) -> &str {
    match message {
        "unexpected key or value, expected newline, `#`" => {
            "the line is expected to end: a table's name in brackets has a line of its own, and so has each \
             `key = value`"
        }
        "key with no value, expected `=`" => {
            "a key without a value: it is written as `key = value`"
        }
        "string values must be quoted, expected literal string" => "a text is written in quotes",
        "duplicate key" => "the key is there already, above this line",
        _ if NO_VALUE.iter().any(|start| message.starts_with(start)) => {
            "neither a number nor true or false: a text is written in quotes"
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_rust_are_told_in_the_words_of_a_file() {
        for (message, alone, beside) in [
            (
                "invalid type: string \"a, expected b\", expected usize",
                "expected a number from 0, not a text",
                "expected a number from 0",
            ),
            (
                "invalid value: integer `0`, expected a nonzero u32",
                "expected a number from 1 to 4294967295",
                "expected a number from 1 to 4294967295",
            ),
            (
                "invalid type: sequence, expected a boolean",
                "expected true or false, not a list",
                "expected true or false",
            ),
            (
                "invalid type: integer `9223372036854775808` as i128, expected u32",
                "expected a number from 0 to 4294967295, not so large a number",
                "expected a number from 0 to 4294967295",
            ),
            (
                "invalid type: floating point `1.5`, expected usize",
                "expected a number from 0, not a number with a fraction",
                "expected a number from 0",
            ),
        ] {
            assert_eq!(Mismatch::read(message).unwrap().to_string(), alone);
            assert_eq!(beside_value(message), beside);
        }
        assert_eq!(beside_value("soon is over"), "soon is over");
        assert_eq!(
            beside_value("unknown field `x`, expected one of `a`, `b`"),
            "there is no key `x`; there are `a`, `b`"
        );
    }
}
