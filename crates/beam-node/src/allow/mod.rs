//! Who may connect, and who may call.

mod names;
mod networks;
mod peers;

pub use names::NamePattern;
pub(crate) use names::Names;
pub use networks::Network;
pub(crate) use networks::Networks;
pub(crate) use peers::AllowedPeers;

use std::str::FromStr;

use serde::{Deserialize as _, Deserializer, de};

use crate::Error;

/// Reads what stands in settings as it is written elsewhere. The error does not show it: what is none may be
/// a secret that belongs elsewhere.
fn from_text<'de, T: FromStr<Err = Error>, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error: Error| {
        // The last line of an error of a regular expression says what is wrong, those before it show it.
        match error.message.rsplit_once("\nerror: ") {
            Some((_, reason)) => de::Error::custom(format!(
                "no regular expression is between the slashes: {reason}"
            )),
            None => de::Error::custom(format!("expected {expected}")),
        }
    })
}

/// Reads the parts of a list; the error is that of the first one that is wrong.
fn read_all<'a, T: FromStr<Err = Error>>(
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<T>, Error> {
    texts.into_iter().map(str::parse).collect()
}
