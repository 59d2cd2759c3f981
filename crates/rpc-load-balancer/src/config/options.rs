//! The options of an algorithm, as text.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use beam_node::Error;

use super::duration::read_duration;

/// What is wrong with a text: where, what stands there, and why that is none.
#[derive(Debug)]
pub(super) struct Wrong {
    place: Vec<String>,
    found: Option<String>,
    why: String,
}

impl Wrong {
    pub(super) fn new(found: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            place: Vec::new(),
            found: Some(found.into()),
            why: why.into(),
        }
    }

    /// The same, in a part of the text that has a name.
    pub(super) fn within(mut self, name: impl Into<String>) -> Self {
        self.place.insert(0, name.into());
        self
    }

    /// The same, without anything of the text but the names in it that are known.
    pub(super) fn untold(mut self) -> Self {
        self.found = None;
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.place {
            write!(f, "{name}: ")?;
        }
        if let Some(found) = &self.found {
            write!(f, "{found:?}: ")?;
        }
        f.write_str(&self.why)
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        Self::bad_request(wrong.to_string())
    }
}

/// Options that were given and not taken yet: `key=value`, separated by commas.
#[derive(Debug)]
pub(super) struct Options<'a> {
    /// By key with hyphens; each with the key as it was written, and the value.
    given: BTreeMap<String, (&'a str, &'a str)>,
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Wrong> {
        let mut given = BTreeMap::new();
        // Without any there is nothing to separate.
        let options = (!text.trim().is_empty()).then(|| text.split(','));
        for option in options.into_iter().flatten() {
            let (key, value) = option
                .split_once('=')
                .ok_or_else(|| Wrong::new(option.trim(), "expected key=value"))?;
            let (key, value) = (key.trim(), value.trim());
            if given.insert(key.replace('_', "-"), (key, value)).is_some() {
                return Err(Wrong::new(key, "an option is given twice"));
            }
        }
        Ok(Self {
            given,
            known: Vec::new(),
        })
    }

    /// Takes an option that is a number.
    pub(super) fn take<T: FromStr>(&mut self, key: &'static str) -> Result<Option<T>, Wrong> {
        self.take_with(key, |value| {
            value.parse().map_err(|_| "expected a number".to_owned())
        })
    }

    /// Takes a duration, such as `500ms`.
    pub(super) fn duration(&mut self, key: &'static str) -> Result<Option<Duration>, Wrong> {
        self.take_with(key, |value| read_duration(value).map_err(str::to_owned))
    }

    /// Takes an option that is one of a few words.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Wrong> {
        self.take_with(key, |value| {
            let found = words.iter().find(|(word, _)| *word == value);
            found.map(|(_, meaning)| *meaning).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("expected {}", words.join(" or "))
            })
        })
    }

    /// Makes sure that all options were taken.
    pub(super) fn end(self) -> Result<(), Wrong> {
        match self.given.values().next() {
            None => Ok(()),
            Some((key, _)) if self.known.is_empty() => {
                Err(Wrong::new(*key, "this algorithm has no options"))
            }
            Some((key, _)) => Err(Wrong::new(
                *key,
                format!("no such option; its options are: {}", self.known.join(", ")),
            )),
        }
    }

    fn take_with<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Wrong> {
        self.known.push(key);
        let Some((_, value)) = self.given.remove(key) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .map_err(|why| Wrong::new(value, why).within(key))
    }
}
