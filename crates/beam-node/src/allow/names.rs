//! Lists of nodes by name.

use std::{fmt, str::FromStr};

use beam_dist::NodeName;
use regex::Regex;
use serde::{Deserialize, Deserializer};

use super::{from_text, given_as_text};
use crate::Error;

/// The names of some nodes: a whole name, in which each `*` stands for any characters, as in
/// `*@10.0.0.7`; or a regular expression between slashes, as in `/^app[0-9]+@/`, which matches anywhere
/// in a name unless it is anchored.
///
/// Not a part of a name as elsewhere: who lists `w1@10.0.0.1` means neither `w1@10.0.0.10` nor
/// `evil_w1@10.0.0.1`.
///
/// ```
/// use beam_node::NamePattern;
///
/// let workers: NamePattern = "w*@10.0.0.7".parse()?;
/// assert!(workers.matches(&"w1@10.0.0.7".parse().unwrap()));
/// assert!("worker".parse::<NamePattern>().is_err());
/// # Ok::<(), beam_node::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NamePattern {
    text: String,
    meaning: Meaning,
}

#[derive(Clone, Debug)]
enum Meaning {
    Name(NodeName),
    Regex(Regex),
}

impl NamePattern {
    /// Whether a node is meant.
    pub fn matches(&self, name: &NodeName) -> bool {
        match &self.meaning {
            Meaning::Name(meant) => meant == name,
            Meaning::Regex(regex) => regex.is_match(name.as_str()),
        }
    }
}

impl FromStr for NamePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self {
            meaning: Meaning::read(text)?,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NamePattern {}

given_as_text!(NamePattern);

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(
            deserializer,
            "a whole name of a node, as app@10.0.0.7, in which a * stands for any characters, or a regular \
             expression between slashes",
        )
    }
}

impl Meaning {
    fn read(text: &str) -> Result<Self, Error> {
        if let Some(inner) = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
        {
            if inner.is_empty() {
                return Err(Error::bad_request(
                    "there is nothing between the slashes, which would match every name: write * for that",
                ));
            }
            return Regex::new(inner).map(Self::Regex).map_err(|error| {
                Error::bad_request(format!(
                    "{text} is no regular expression between slashes: {error}"
                ))
            });
        }
        if !text.contains('*') {
            return text.parse().map(Self::Name).map_err(|error| {
                Error::bad_request(format!(
                    "{error}; a whole name is expected, in which a * \
                     stands for any characters, or a regular expression between slashes"
                ))
            });
        }
        let parts: Vec<_> = text.split('*').map(regex::escape).collect();
        Regex::new(&format!("^{}$", parts.join(".*")))
            .map(Self::Regex)
            .map_err(|error| Error::bad_request(format!("the pattern {text} is too long: {error}")))
    }
}

/// The nodes that a list of patterns stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Vec<NamePattern>);

impl Names {
    /// Those that any of these patterns stands for; without patterns, nobody.
    pub(crate) fn new(patterns: Vec<NamePattern>) -> Self {
        Self(patterns)
    }

    /// Whether a node is meant.
    pub(crate) fn contain(&self, name: &NodeName) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(pattern: &str, name: &str) -> bool {
        let names = Names::new(vec![pattern.parse().unwrap()]);
        names.contain(&name.parse().unwrap())
    }

    #[test]
    fn a_name_stands_for_itself_and_for_no_longer_one() {
        assert!(contains("w1@10.0.0.1", "w1@10.0.0.1"));
        for other in ["w1@10.0.0.10", "x_w1@10.0.0.1", "w1@10x0.0.1"] {
            assert!(!contains("w1@10.0.0.1", other), "{other}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(contains("*", "w1@10.0.0.1"));
        assert!(contains("*@10.0.0.1", "w1@10.0.0.1"));
        assert!(!contains("*@10.0.0.1", "w1@10.0.0.11"));
        assert!(!contains("*@10.0.0.1", "w1@10x0.0.1"));
        assert!(contains("w*@*.example", "w1@a.b.example"));
        assert!(!contains("w*@*.example", "x@w.example"));
    }

    #[test]
    fn a_regular_expression_matches_anywhere_unless_it_is_anchored() {
        assert!(contains("/^app[0-9]+@/", "app7@10.0.0.1"));
        assert!(!contains("/^app[0-9]+@/", "my_app7@10.0.0.1"));
        assert!(contains("/app/", "my_app7@10.0.0.1"));
    }

    #[test]
    fn no_patterns_stand_for_nobody() {
        assert!(!Names::new(Vec::new()).contain(&"a@b".parse().unwrap()));
    }

    #[test]
    fn what_no_node_can_be_named_is_refused_with_the_cure() {
        for (pattern, said) in [
            ("", "no host"),
            ("worker", "a * stands for any characters"),
            ("/app(/", "unclosed group"),
            ("/", "no host"),
        ] {
            let error = pattern.parse::<NamePattern>().unwrap_err();
            assert!(error.message.contains(said), "{pattern}: {error}");
        }
    }
}
