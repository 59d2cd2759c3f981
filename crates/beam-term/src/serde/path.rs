//! Where inside a value an error is.

use crate::{DecodeError, DecodeErrorKind, Reader, Token};

impl DecodeError {
    /// The same error, in the element of that index.
    pub(super) fn in_element(self, index: usize) -> Self {
        self.inside(&format!("[{index}]"))
    }

    /// The same error, in the value of the key that is encoded at `position`.
    pub(super) fn in_value(self, reader: &Reader, position: usize) -> Self {
        // With a budget of its own, as that of the reader may be what the error is about.
        let mut key = reader.clone().with_limits(*reader.limits());
        key.position = position;
        match key.token() {
            Ok(Token::Atom(name)) => self.inside(&name),
            Ok(Token::Binary(name)) => {
                let start = name.get(..MAX_STEP_BYTES).unwrap_or(&name);
                self.inside(&String::from_utf8_lossy(start))
            }
            Ok(Token::Integer(number)) => match number.as_i64() {
                Some(number) => self.inside(&format!("[{number}]")),
                None => self.inside("[…]"),
            },
            _ => self.inside("…"),
        }
    }

    fn inside(self, step: &str) -> Self {
        let shortened;
        let step = match step.char_indices().nth(MAX_STEP_CHARACTERS) {
            Some((end, _)) => {
                shortened = format!("{}…", &step[..end]);
                &shortened
            }
            None => step,
        };
        let (path, source) = match self.kind() {
            // A path can be as long as a peer likes; its innermost steps say the most.
            DecodeErrorKind::Inside { path, source }
                if path.len() + step.len() < MAX_PATH_BYTES =>
            {
                let separator = if path.starts_with('[') { "" } else { "." };
                (format!("{step}{separator}{path}"), source.clone())
            }
            DecodeErrorKind::Inside { .. } => return self,
            _ => (step.to_owned(), self),
        };
        DecodeErrorKind::Inside { path, source }.into()
    }
}

/// How long a path may be before outer steps are left out of it.
const MAX_PATH_BYTES: usize = 1024;

/// How much of one step is shown.
const MAX_STEP_CHARACTERS: usize = 64;

/// Bytes that hold more characters than are shown.
const MAX_STEP_BYTES: usize = 4 * (MAX_STEP_CHARACTERS + 1);
