//! A place in the text, and errors about it.

use std::borrow::Cow;

use crate::syntax::error::{ParseError, Position};

/// Reads a text character by character.
pub(super) struct Cursor<'a> {
    input: &'a str,
    offset: usize,
    /// Whether a comment was skipped that looks like a map of Elixir.
    map_in_comment: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self {
            input,
            offset: 0,
            map_in_comment: false,
        }
    }

    pub(super) fn input(&self) -> &'a str {
        self.input
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.input[self.offset..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes past one character.
    pub(super) fn bump(&mut self) {
        self.offset += self.peek().map_or(0, char::len_utf8);
    }

    /// Goes past one character and gives it.
    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.bump();
        c
    }

    /// Goes past `text` if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.offset += text.len();
        }
        found
    }

    pub(super) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.offset += end;
        &rest[..end]
    }

    /// Goes past white space and comments.
    pub(super) fn skip_blank(&mut self) {
        loop {
            // Erlang's white space: the controls and blanks of Latin-1.
            self.take_while(|c| c <= ' ' || ('\u{80}'..='\u{a0}').contains(&c));
            if self.peek() != Some('%') {
                return;
            }
            let comment = self.take_while(|c| c != '\n');
            self.map_in_comment |= comment.starts_with("%{");
        }
    }

    /// Goes on with a number of bytes that were looked at in [`rest`](Self::rest).
    pub(super) fn set_offset(&mut self, offset: usize) {
        self.offset = offset;
    }

    pub(super) fn error(&self, message: impl Into<Cow<'static, str>>) -> ParseError {
        self.error_at(self.offset, message)
    }

    pub(super) fn error_at(
        &self,
        offset: usize,
        message: impl Into<Cow<'static, str>>,
    ) -> ParseError {
        ParseError::new(self.input, offset, message, None)
    }

    pub(super) fn error_at_hinted(
        &self,
        offset: usize,
        message: impl Into<Cow<'static, str>>,
        hint: &'static str,
    ) -> ParseError {
        ParseError::new(self.input, offset, message, Some(hint))
    }

    /// Something else than `what` comes next.
    pub(super) fn expected(&self, what: &str) -> ParseError {
        let message = format!("expected {what}, found {}", self.found());
        ParseError::new(self.input, self.offset, message, self.hint())
    }

    pub(super) fn expected_hinted(&self, what: impl AsRef<str>, hint: &'static str) -> ParseError {
        let message = format!("expected {}, found {}", what.as_ref(), self.found());
        self.error_at_hinted(self.offset, message, hint)
    }

    /// Something else than `what` comes next in a compound term.
    pub(super) fn expected_in(&self, what: &str, kind: &str, start: usize) -> ParseError {
        let start = Position::of(self.input, start);
        self.expected(&format!("{what} in the {kind} that starts at {start}"))
    }

    fn found(&self) -> Cow<'static, str> {
        match self.peek() {
            None => "the end of the text".into(),
            Some(c) if c.is_control() => format!("the character {:#x}", u32::from(c)).into(),
            Some(c) => format!("`{c}`").into(),
        }
    }

    /// What to write instead of what comes next, where it is usual in Elixir or elsewhere in Erlang.
    fn hint(&self) -> Option<&'static str> {
        match self.peek() {
            None if self.map_in_comment => {
                Some("`%` starts a comment; a map is written #{key => value}")
            }
            Some(':' | '=') => Some(
                "a map is written #{key => value}, a keyword list [{key, value}], a function fun module:function/arity",
            ),
            Some('(') => Some("a call is not a term"),
            _ => None,
        }
    }
}
