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

/// A list that is added to bit by bit; once a part of it is wrong, the error of that one.
pub(crate) type List<T> = Result<Vec<T>, Error>;

/// Adds to a list.
pub(crate) fn add<T>(
    list: &mut Option<List<T>>,
    more: impl IntoIterator<Item: TryInto<T, Error: Into<Error>>>,
) {
    let before = list.take().unwrap_or_else(|| Ok(Vec::new()));
    *list = Some(before.and_then(|mut parts| {
        for part in more {
            parts.push(part.try_into().map_err(Into::into)?);
        }
        Ok(parts)
    }));
}

/// Makes a type that is read from text one that an argument may be, as text or as itself.
macro_rules! given_as_text {
    ($type:ty) => {
        impl TryFrom<&str> for $type {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl TryFrom<&String> for $type {
            type Error = Error;

            fn try_from(text: &String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<&Self> for $type {
            fn from(given: &Self) -> Self {
                given.clone()
            }
        }
    };
}

use given_as_text;
