//! Lists of texts.

use std::fmt::Display;

use serde::de::{Error, SeqAccess};

/// Reads the texts of a list. What is wrong with one is told by its number.
pub(super) fn read<'de, A: SeqAccess<'de>, T, E: Display>(
    mut seq: A,
    read: impl Fn(String) -> Result<T, E>,
) -> Result<Vec<T>, A::Error> {
    let mut list = Vec::new();
    while let Some(text) = seq.next_element()? {
        let number = list.len() + 1;
        list.push(read(text).map_err(|error| {
            let error = error.to_string();
            A::Error::custom(format!("number {number} of the list: {}", error.trim_end()))
        })?);
    }
    Ok(list)
}
