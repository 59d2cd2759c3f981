//! The secret that the nodes of a cluster share.

use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

/// The secret that two nodes must share to connect.
///
/// Its bytes are never printed, are compared in constant time, and are wiped from memory when it is
/// dropped. A cookie is an atom in OTP: up to [`Cookie::MAX_LEN`] characters, each of which the
/// handshake counts as one Latin-1 byte. Control characters are not taken.
///
/// ```
/// use beam_dist::Cookie;
///
/// let cookie: Cookie = "monster".parse()?;
/// assert_eq!(format!("{cookie:?}"), "Cookie(…)");
/// # Ok::<(), beam_dist::InvalidCookie>(())
/// ```
#[derive(Clone)]
pub struct Cookie(Zeroizing<Box<[u8]>>);

impl Cookie {
    /// The most characters that a cookie may have.
    pub const MAX_LEN: usize = 255;

    /// Reads the content of a cookie file (`.erlang.cookie`), by the rules of OTP.
    ///
    /// The cookie is what can be printed of the first line, blanks included. Only empty lines may
    /// follow it.
    ///
    /// # Errors
    ///
    /// When there is nothing on the first line, too much, or anything but ASCII.
    pub fn from_file_content(content: &[u8]) -> Result<Self, InvalidCookie> {
        let is_printable = |byte: &u8| matches!(byte, b' '..=b'~');
        let end = content
            .iter()
            .position(|byte| !is_printable(byte))
            .unwrap_or(content.len());
        let (cookie, rest) = content.split_at(end);
        if rest
            .iter()
            .any(|byte| !matches!(byte, b'\n' | b'\r' | b' '))
        {
            return Err(InvalidCookie::Character);
        }

        Self::from_latin1(Zeroizing::new(cookie.into()))
    }

    fn from_latin1(bytes: Zeroizing<Box<[u8]>>) -> Result<Self, InvalidCookie> {
        match bytes.len() {
            0 => Err(InvalidCookie::Empty),
            1..=Self::MAX_LEN => Ok(Self(bytes)),
            _ => Err(InvalidCookie::TooLong),
        }
    }

    /// What the digest of a handshake is made of.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Cookie {
    type Err = InvalidCookie;

    /// Takes every character of the text for one of the cookie, blanks included. Control characters, as the line break that a
    /// shell or a file left at the end, are refused: no node would be found that has such a cookie.
    fn from_str(text: &str) -> Result<Self, InvalidCookie> {
        if text.ends_with(['\n', '\r']) {
            return Err(InvalidCookie::LineBreak);
        }
        if text.contains(char::is_control) {
            return Err(InvalidCookie::Control);
        }
        // Sized before it is filled: growing would leave copies behind in memory that is not wiped.
        let mut bytes = Zeroizing::new(vec![0; text.chars().count()].into_boxed_slice());
        for (byte, character) in bytes.iter_mut().zip(text.chars()) {
            *byte = u8::try_from(character).map_err(|_| InvalidCookie::Character)?;
        }

        Self::from_latin1(bytes)
    }
}

impl TryFrom<&str> for Cookie {
    type Error = InvalidCookie;

    fn try_from(text: &str) -> Result<Self, InvalidCookie> {
        text.parse()
    }
}

impl PartialEq for Cookie {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Cookie {}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(…)")
    }
}

/// A text that is no cookie. Says nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidCookie {
    /// There are no characters in it.
    #[error("the cookie is empty")]
    Empty,
    /// It has more than [`Cookie::MAX_LEN`] characters.
    #[error("the cookie has more than {} characters", Cookie::MAX_LEN)]
    TooLong,
    /// It has a character that is not in Latin-1, or a cookie file has one that is not in ASCII or
    /// a second line.
    #[error("the cookie has a character that is not allowed")]
    Character,
    /// It ends with a line break, which is hardly meant to be a part of it.
    #[error("the cookie ends with a line break")]
    LineBreak,
    /// It has a control character.
    #[error("the cookie has a control character")]
    Control,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_never_printed() {
        let cookie: Cookie = "s3cret".parse().unwrap();

        assert_eq!(format!("{cookie:?}"), "Cookie(…)");
        assert_eq!(format!("{:#?}", Some(cookie)), "Some(\n    Cookie(…),\n)");
    }

    #[test]
    fn cookies_are_equal_by_their_characters() {
        let cookie = |text: &str| text.parse::<Cookie>().unwrap();

        assert_eq!(cookie("abc"), cookie("abc"));
        assert_ne!(cookie("abc"), cookie("abd"));
        assert_ne!(cookie("abc"), cookie("ab"));
    }

    #[test]
    fn a_cookie_has_1_to_255_characters_of_latin_1() {
        assert_eq!("".parse::<Cookie>(), Err(InvalidCookie::Empty));
        assert!("é".repeat(255).parse::<Cookie>().is_ok());
        assert_eq!(
            "x".repeat(256).parse::<Cookie>(),
            Err(InvalidCookie::TooLong)
        );
        assert_eq!("€".parse::<Cookie>(), Err(InvalidCookie::Character));
        assert_eq!("é".parse::<Cookie>().unwrap().as_bytes(), [0xe9]);
    }

    #[test]
    fn control_characters_are_refused_and_a_line_break_at_the_end_is_named() {
        for text in ["secret\n", "secret\r\n", "secret\r", "\n"] {
            assert_eq!(text.parse::<Cookie>(), Err(InvalidCookie::LineBreak));
        }
        for text in ["se\ncret", "\0", "\u{7f}x", "\u{9b}x", "\tx"] {
            assert_eq!(text.parse::<Cookie>(), Err(InvalidCookie::Control));
        }
        assert!("se cret ".parse::<Cookie>().is_ok());
    }

    #[test]
    fn line_ends_of_a_cookie_file_are_no_part_of_the_cookie() {
        let read = Cookie::from_file_content;

        assert_eq!(read(b"MONSTER\r\n \n").unwrap(), "MONSTER".parse().unwrap());
        assert_eq!(
            read(b"two words \n").unwrap(),
            "two words ".parse().unwrap()
        );
        assert_eq!(read(b"two\nlines\n"), Err(InvalidCookie::Character));
        assert_eq!(read(b"M\xe9\n"), Err(InvalidCookie::Character));
        assert_eq!(read(b"\n"), Err(InvalidCookie::Empty));
        assert_eq!(read(b""), Err(InvalidCookie::Empty));
    }
}
