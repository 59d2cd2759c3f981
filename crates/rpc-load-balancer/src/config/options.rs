//! The options of an algorithm, as text.

use std::{collections::BTreeMap, fmt::Display, str::FromStr, time::Duration};

use beam_node::Error;

use super::duration::duration;

/// Options that were given and not taken yet: `key=value`, separated by commas.
#[derive(Debug)]
pub(super) struct Options<'a> {
    /// By key with hyphens; each with the key as it was written, and the value.
    given: BTreeMap<String, (&'a str, &'a str)>,
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Error> {
        let mut given = BTreeMap::new();
        // Without any there is nothing to separate.
        let options = (!text.trim().is_empty()).then(|| text.split(','));
        for option in options.into_iter().flatten() {
            let (key, value) = option.split_once('=').ok_or_else(|| {
                Error::bad_request(format!("expected key=value, not {:?}", option.trim()))
            })?;
            let (key, value) = (key.trim(), value.trim());
            if given.insert(key.replace('_', "-"), (key, value)).is_some() {
                return Err(Error::bad_request(format!("{key} is given twice")));
            }
        }
        Ok(Self {
            given,
            known: Vec::new(),
        })
    }

    /// Takes an option.
    pub(super) fn take<T: FromStr<Err: Display>>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, Error> {
        self.take_with(key, |value| {
            value.parse().map_err(|error: T::Err| error.to_string())
        })
    }

    /// Takes a duration, such as `500ms`.
    pub(super) fn duration(&mut self, key: &'static str) -> Result<Option<Duration>, Error> {
        self.take_with(key, |value| duration(value).map_err(|error| error.message))
    }

    /// Takes an option that is one of a few words.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Error> {
        self.take_with(key, |value| {
            let found = words.iter().find(|(word, _)| *word == value);
            found.map(|(_, meaning)| *meaning).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("expected {}", words.join(" or "))
            })
        })
    }

    /// Makes sure that all options were taken.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.given.values().next() {
            None => Ok(()),
            Some((key, _)) if self.known.is_empty() => Err(Error::bad_request(format!(
                "{key}: this algorithm has no options"
            ))),
            Some((key, _)) => Err(Error::bad_request(format!(
                "{key}: no such option; its options are: {}",
                self.known.join(", ")
            ))),
        }
    }

    fn take_with<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        self.known.push(key);
        let Some((key, value)) = self.given.remove(key) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .map_err(|error| Error::bad_request(format!("{key}: {value:?}: {error}")))
    }
}
