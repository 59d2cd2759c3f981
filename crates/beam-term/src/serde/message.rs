//! What types say when they refuse a value.

use std::fmt::{self, Display, Write};

use crate::{DecodeError, DecodeErrorKind, EncodeError};

impl serde::de::Error for DecodeError {
    /// Types tend to quote what they refuse, which is as long as a peer likes; the message is cut.
    fn custom<T: Display>(message: T) -> Self {
        let mut text = Bounded::default();
        // All that can fail is the bound.
        if write!(text, "{message}").is_err() {
            text.0.push('…');
        }
        DecodeErrorKind::Message(text.0.into()).into()
    }
}

impl serde::ser::Error for EncodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Message(message.to_string().into())
    }
}

/// A text that becomes so long, and then takes no more.
#[derive(Default)]
struct Bounded(String);

const MAX_MESSAGE_BYTES: usize = 1024;

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_MESSAGE_BYTES - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::Error as _;

    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        for (text, bytes) in [("x".repeat(1024), 1024), ("é".repeat(512), 1024)] {
            assert_eq!(DecodeError::custom(&text).to_string().len(), bytes);
        }
        for text in ["x".repeat(1025), format!("x{}", "é".repeat(512))] {
            let message = DecodeError::custom(&text).to_string();
            let kept = message.strip_suffix('…').unwrap();
            assert!(text.starts_with(kept) && kept.len() >= 1023);
        }
    }
}
