//! Terms as people write and read them: Erlang's syntax.
//!
//! A [`Term`](crate::Term) prints itself on one line with [`Display`](std::fmt::Display), as Erlang's
//! `io:format("~0tp", [Term])` does, and is parsed with [`FromStr`](std::str::FromStr). What is printed of data (all but
//! identifiers, closures and opaque terms) parses to the same term.
//!
//! ```
//! use beam_term::Term;
//!
//! let term: Term = "#{key => [1, 16#ff, $a], <<\"name\">> => {ok, -0.5}} % a comment".parse()?;
//! assert_eq!(term.to_string(), r#"#{key => [1,255,97],<<"name">> => {ok,-0.5}}"#);
//! # Ok::<(), beam_term::syntax::ParseError>(())
//! ```
//!
//! # How it differs from Erlang
//!
//! Printing: the keys of a map are in order; all of Unicode is taken for printable, as after `erl +pc unicode`; an integer of
//! more than 16,384 bits is written in base 16, because any other base takes time that grows with the square of its size; the
//! names in a fun are quoted as all atoms are, where Erlang has rules of its own; and an identifier shows its node by name, not
//! by a number that means something only where it is printed:
//!
//! | | |
//! |---|---|
//! | pid | `<app@host.112.0>`: node, number, serial |
//! | port | `#Port<app@host.6>` |
//! | reference | `#Ref<app@host.3.2.1>`: node, and the words with the last one first, as in Erlang |
//! | closure | `#Fun<module.0.133762870>`: module, index, hash of the code |
//! | opaque term | `#Opaque<34 bytes>` |
//!
//! Parsing: one term and no more, an optional full stop after it. Variables, operators, records, macros, comprehensions,
//! sigils other than `~"text"` and triple-quoted strings are refused; so are identifiers, because a node makes them and
//! nobody else can. A segment of a binary is a string, an integer or a character; it may have a size in bits or the type
//! `utf8`, nothing else. What Erlang would cut off without a word is an error: a key that is there twice, or a number that
//! does not fit its segment.

mod error;
mod name;
mod parse;
mod print;

pub use error::ParseError;
pub use parse::{MAX_DEPTH, MAX_DIGITS, MAX_INPUT_BYTES, MAX_SEGMENT_BITS};
pub use print::Truncated;
