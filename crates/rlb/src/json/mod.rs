//! Terms and JSON: arguments come as JSON, results go as JSON.
//!
//! | term | JSON |
//! |---|---|
//! | integer of up to 65,536 bits | number |
//! | float | number |
//! | `true`, `false`, `nil` | `true`, `false`, `null` |
//! | any other atom | string |
//! | binary of UTF-8 | string |
//! | list, tuple | array |
//! | map whose keys are atoms or binaries of UTF-8, and differ as text | object |
//! | all others | `{"$term": "…"}`, in Erlang's syntax |
//!
//! The other way strings become binaries, objects maps with binary keys and `null` the atom `nil`;
//! `{"$term": "…"}` becomes the term that its text says.

mod read;
mod write;

pub(crate) use read::arguments;
pub(crate) use write::Json;

/// The only key of the object that stands for a term without a JSON form.
const TERM_KEY: &str = "$term";
