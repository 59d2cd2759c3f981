//! What can be wrong with a text.

use std::borrow::Cow;

/// A text that is not a term: where, what was expected there, and what to write instead, if that can be guessed.
///
/// ```
/// use beam_term::Term;
///
/// let error = "{ok, [1, 2}".parse::<Term>().unwrap_err();
/// assert_eq!((error.line(), error.column()), (1, 11));
/// assert_eq!(
///     error.to_string(),
///     "line 1, column 11: expected `,`, `|` or `]` in the list that starts at line 1, column 6, found `}`"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}{}{}", if hint.is_some() { "; " } else { "" }, hint.unwrap_or_default())]
pub struct ParseError {
    position: Position,
    message: Cow<'static, str>,
    hint: Option<&'static str>,
}

impl ParseError {
    pub(super) fn new(
        input: &str,
        offset: usize,
        message: impl Into<Cow<'static, str>>,
        hint: Option<&'static str>,
    ) -> Self {
        Self {
            position: Position::of(input, offset),
            message: message.into(),
            hint,
        }
    }

    /// The line of the place where the text stops being a term, counted from 1.
    pub fn line(&self) -> usize {
        self.position.line
    }

    /// The column of that place in its line, counted in characters from 1.
    pub fn column(&self) -> usize {
        self.position.column
    }

    /// What was expected and what was found.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead, where the error is a usual one.
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    line: usize,
    column: usize,
}

impl Position {
    pub(super) fn of(input: &str, offset: usize) -> Self {
        let before = input.get(..offset).unwrap_or(input);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
