//! Text as Erlang has it: binaries, characters, and nested lists of both.

use beam_term::{RawTerm, Reader, Token};
use bytes::Bytes;

use crate::group_leader::text::{Stop, Text};

/// How characters and bytes become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// Every byte is a character.
    Latin1,
    /// Binaries are UTF-8, and a character may be spread over neighbours.
    Unicode,
    /// Binaries are UTF-8, and those that are not are Latin-1.
    Lenient,
}

/// Appends the text of a binary or a list.
pub(super) fn write(chars: &RawTerm, charset: Charset, out: &mut Text) -> Result<(), Stop> {
    let room = out.room();
    // One byte more than there is room for tells that it was too much.
    let more_than_fits = room.saturating_add(1);
    let mut bytes = Vec::new();
    let flattened = flatten(&mut chars.reader(), |piece| {
        let is_utf8 = match charset {
            Charset::Latin1 => false,
            Charset::Unicode => true,
            Charset::Lenient => std::str::from_utf8(piece.as_bytes()).is_ok(),
        };
        match piece {
            Piece::Character(code) => {
                let character = match charset {
                    Charset::Latin1 => u8::try_from(code).ok().map(char::from),
                    Charset::Unicode | Charset::Lenient => char::from_u32(code),
                };
                let character = character.ok_or(Stop::Invalid)?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Piece::Binary(binary) if is_utf8 => bytes.extend(binary.iter().take(more_than_fits)),
            Piece::Binary(binary) => {
                let characters = binary.iter().take(more_than_fits).copied().map(char::from);
                bytes.extend_from_slice(characters.collect::<String>().as_bytes());
            }
        }
        if bytes.len() > room {
            return Err(Stop::Full);
        }
        Ok(())
    });
    match flattened {
        Ok(()) => out.push(std::str::from_utf8(&bytes).map_err(|_| Stop::Invalid)?),
        Err(Stop::Invalid) => Err(Stop::Invalid),
        Err(Stop::Full) => {
            bytes.truncate(room);
            // The cut may go through a character.
            let text = match std::str::from_utf8(&bytes) {
                Ok(text) => text,
                Err(error) if error.error_len().is_none() => {
                    std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
                }
                Err(_) => return Err(Stop::Invalid),
            };
            out.push(text)?;
            Err(out.cut())
        }
    }
}

/// A part of a text.
enum Piece {
    Character(u32),
    Binary(Bytes),
}

impl Piece {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Character(_) => &[],
            Self::Binary(bytes) => bytes,
        }
    }
}

/// Calls `each` for the parts of a text, in order. The term was checked when it became a
/// [`RawTerm`], its depth included, so the stack stays small.
fn flatten(
    reader: &mut Reader,
    mut each: impl FnMut(Piece) -> Result<(), Stop>,
) -> Result<(), Stop> {
    /// What is left of a list; its tail follows the elements.
    struct Open {
        elements: usize,
    }

    let mut open: Vec<Open> = Vec::new();
    loop {
        let place = match open.last_mut() {
            None => Place::Whole,
            Some(Open { elements: 0 }) => {
                open.pop();
                Place::Tail
            }
            Some(Open { elements }) => {
                *elements -= 1;
                Place::Element
            }
        };
        match (reader.token(), place) {
            (Ok(Token::Nil), _) => {}
            (Ok(Token::List(elements)), _) => open.push(Open { elements }),
            (Ok(Token::String(bytes)), _) => {
                for byte in bytes {
                    each(Piece::Character(byte.into()))?;
                }
            }
            (Ok(Token::Binary(bytes)), _) => each(Piece::Binary(bytes))?,
            (Ok(Token::Integer(code)), Place::Element) => {
                each(Piece::Character(
                    u32::try_from(code).map_err(|_| Stop::Invalid)?,
                ))?;
            }
            _ => return Err(Stop::Invalid),
        }
        if open.is_empty() {
            return Ok(());
        }
    }
}

/// Where in a text a term stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Whole,
    Element,
    Tail,
}

#[cfg(test)]
mod tests {
    use beam_term::Term;

    use super::*;

    fn text(term: &str, charset: Charset) -> Result<String, Stop> {
        let term: Term = term.parse().unwrap();
        let raw = RawTerm::serialize(&term).unwrap();
        let mut out = Text::new(1_000);
        write(&raw, charset, &mut out).map(|()| out.into_string())
    }

    fn all(term: &str) -> [Result<String, Stop>; 3] {
        [Charset::Latin1, Charset::Unicode, Charset::Lenient].map(|charset| text(term, charset))
    }

    fn ok(text: &str) -> Result<String, Stop> {
        Ok(text.to_owned())
    }

    #[test]
    fn lists_nest_and_end_in_binaries() {
        for term in [
            r#"<<"abc">>"#,
            r#""abc""#,
            r#"[$a, [[], [$b | <<"c">>]]]"#,
            r#"["a", <<"b">> | <<"c">>]"#,
            r#"[[[$a], $b | "c"] | []]"#,
        ] {
            assert_eq!(all(term), [ok("abc"), ok("abc"), ok("abc")], "{term}");
        }
        assert_eq!(all("[]"), [ok(""), ok(""), ok("")]);
    }

    #[test]
    fn bytes_are_characters_or_utf_8() {
        let e_acute = r#"<<195, 169>>"#;
        assert_eq!(all(e_acute), [ok("Ã©"), ok("é"), ok("é")]);
        assert_eq!(all("[233]"), [ok("é"), ok("é"), ok("é")]);
        assert_eq!(all("[8364]"), [Err(Stop::Invalid), ok("€"), ok("€")]);
        assert_eq!(all("<<233>>"), [ok("é"), Err(Stop::Invalid), ok("é")]);
        // As `unicode:characters_to_binary/1` has it.
        assert_eq!(text("[<<195>>, <<169>>]", Charset::Unicode), ok("é"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for term in [
            "97",
            "abc",
            "[abc]",
            "[[1.0]]",
            "[-1]",
            "[55296]",
            "[1114112]",
            "[$a | $b]",
            "{}",
        ] {
            for (result, place) in all(term).into_iter().zip(0..) {
                assert_eq!(result, Err(Stop::Invalid), "{term} as charset {place}");
            }
        }
    }

    #[test]
    fn text_beyond_the_bound_is_cut_between_characters() {
        let cut = |term: Term, charset| {
            let mut out = Text::new(4);
            let result = write(&RawTerm::serialize(&term).unwrap(), charset, &mut out);
            (result, out.is_cut(), out.into_string())
        };
        let stopped = |text: &str| (Err(Stop::Full), true, text.to_owned());
        for charset in [Charset::Unicode, Charset::Lenient] {
            assert_eq!(cut(Term::binary("€€"), charset), stopped("€"));
            assert_eq!(cut(Term::charlist("€€"), charset), stopped("€"));
        }
        assert_eq!(cut(Term::binary("ééé"), Charset::Latin1), stopped("Ã©"));
        let whole = (Ok(()), false, "abcd".to_owned());
        assert_eq!(cut(Term::binary("abcd"), Charset::Unicode), whole);
        let invalid = Term::binary(&b"a\xffbcdef"[..]);
        assert_eq!(cut(invalid, Charset::Unicode).0, Err(Stop::Invalid));
    }
}
