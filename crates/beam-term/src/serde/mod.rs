//! Rust values as terms, both ways, by serde. Values are read and written in place; no [`Term`] is built on the way.
//!
//! | Rust | sent as | also taken for it |
//! |---|---|---|
//! | integers of any width | integer | |
//! | `f32`, `f64` | float; NaN and infinities are errors | integer |
//! | `bool` | `true`, `false` | |
//! | `String`, `&str` | binary of UTF-8 | charlist |
//! | `char` | binary of one character | code point |
//! | bytes (`serde_bytes`, `bytes::Bytes`) | binary | |
//! | [`Binary`](crate::Binary) | binary, without a copy | |
//! | `Option` | `nil`, or the value | `undefined` |
//! | `()`, unit structs | `ok` | `nil`, `undefined`, `{}` |
//! | tuples, tuple structs, arrays | tuple | list of that length |
//! | `Vec` and other sequences | list | for numbers: binary |
//! | `HashMap` and other maps | map | list of pairs |
//! | structs | map with atoms as keys | keys as binaries; list of pairs |
//! | newtype structs | what they hold | |
//! | unit variants | atom | |
//! | newtype variants | `{variant, Value}` | |
//! | tuple variants | `{variant, A, B}` | |
//! | struct variants | `{variant, #{…}}` | as structs |
//! | `Result<T, E>` | `{ok, Value}`, `{error, E}` | |
//! | `Result<(), ()>` | `ok`, `error` | `{ok, ok}` and the like |
//! | `Result<Option<T>, E>` | as `Result` | `ok` for `Ok(None)` |
//! | another enum named `Result` | as `Result`, where its variants are `Ok` and `Err` | |
//! | [`Term`], [`Atom`](crate::Atom), [`Pid`](crate::Pid), [`RawTerm`](crate::RawTerm), … | themselves | |
//!
//! The key `__struct__` of a struct of Elixir is passed over when a struct is read. An atom is text only as the key of a
//! map: where a `String` is meant, an atom is a mistake. Variants keep their Rust names unless renamed, commonly by
//! `#[serde(rename_all = "snake_case")]`. A type that serializes differently for people and machines, such as an IP
//! address, takes its readable form.
//!
//! A type that asks for whatever there is (`deserialize_any`) gets the natural shape: `true` and `false` as booleans, `nil`
//! and `undefined` as unit, other atoms as text, tuples as sequences, binaries as text if they are UTF-8, identifiers and
//! funs as they print.
//!
//! What does not come back as it was, or is sent in another form than one may expect:
//!
//! - `Some(None)` comes back as `None`, as one `nil` is like the other, and so does `Ok(Some(()))` as `Ok(None)`: a bare `ok`
//!   has no value. Make it an enum of your own.
//! - serde reads what is inside of untagged and internally tagged enums, and flattened fields, by the natural shape. Kinds
//!   that it does not tell apart are lost there, even for a [`Term`]; newtype variants, `Result` and `()` do not decode there.
//!   An enum without these attributes has no such bounds.
//! - serde hands over a struct with `#[serde(flatten)]`, and a newtype variant of an internally tagged enum that holds a map,
//!   as a map with text for keys: they are sent with **binaries** as keys, and read with either. Where Erlang or Elixir
//!   expects atoms, put the inner struct into a field, or write the fields out.
//!
//! serde shows bytes and text without their owner, so they are copied once on their way out, and once on their way in. What a
//! [`Binary`](crate::Binary), a [`Term`] or a [`RawTerm`](crate::RawTerm) holds is not: what is large
//! ([`Writer::SHARED_BYTES`](crate::Writer::SHARED_BYTES)) is sent from where it is, and received as a slice of the message.
//!
//! With other formats, such as JSON, the types of this crate take the natural shape, too.
//!
//! Nesting is bounded both ways by [`Limits::recursion`](crate::Limits::recursion); a [`Term`] inside may nest deeper. Errors name the place inside the value.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Deserialize, Serialize)]
//! struct Job {
//!     name: String,
//!     retries: Option<u32>,
//! }
//!
//! let job = Job { name: "resize".into(), retries: None };
//! let encoded = beam_term::to_bytes(&job)?; // #{name => <<"resize">>, retries => nil}
//! assert_eq!(beam_term::from_bytes::<Job>(encoded)?, job);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Term`]: crate::Term

mod bare;
mod byte;
mod compound;
mod convert;
mod deserializer;
mod elements;
mod handoff;
mod message;
mod natural;
mod pairs;
mod pass;
mod path;
mod room;
mod serializer;
mod text;
mod variant;

pub use convert::{from_bytes, from_term, to_bytes, to_term};
