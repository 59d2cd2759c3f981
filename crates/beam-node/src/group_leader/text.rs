//! Text with a bound.

use std::fmt;

/// Text of at most so many bytes; what is beyond them is cut off.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    limit: usize,
    is_cut: bool,
}

/// Why no more text comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bound is reached, and the rest is cut off.
    Full,
    /// What is to be printed is no text, or does not fit its format.
    Invalid,
}

impl Text {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
            is_cut: false,
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// How many bytes are still allowed.
    pub(super) fn room(&self) -> usize {
        self.limit - self.text.len()
    }

    /// Whether something was cut off.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }

    /// Adds text, or as many of its characters as are allowed.
    pub(super) fn push(&mut self, text: &str) -> Result<(), Stop> {
        if text.len() <= self.room() {
            self.text.push_str(text);
            return Ok(());
        }
        self.text
            .push_str(&text[..text.floor_char_boundary(self.room())]);
        Err(self.cut())
    }

    /// Takes note that what follows is cut off.
    pub(super) fn cut(&mut self) -> Stop {
        self.is_cut = true;
        Stop::Full
    }

    /// Adds a character so many times.
    pub(super) fn repeat(&mut self, character: char, times: usize) -> Result<(), Stop> {
        let fitting = times.min(self.room() / character.len_utf8());
        self.text.extend(std::iter::repeat_n(character, fitting));
        if fitting < times {
            return Err(self.cut());
        }
        Ok(())
    }

    /// Takes back all but the first `len` bytes, where a character ends.
    pub(super) fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
        self.is_cut = false;
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text).map_err(|_full| fmt::Error)
    }
}

/// Nothing but a full [`Text`] fails when a value is written to it.
impl From<fmt::Error> for Stop {
    fn from(_: fmt::Error) -> Self {
        Self::Full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let mut text = Text::new(4);
        assert_eq!(text.push("aé"), Ok(()));
        assert_eq!(text.push("é"), Err(Stop::Full));
        assert_eq!((text.as_str(), text.is_cut()), ("aé", true));

        let mut text = Text::new(5);
        assert_eq!(text.repeat('é', usize::MAX), Err(Stop::Full));
        assert_eq!((text.as_str(), text.is_cut()), ("éé", true));
    }
}
