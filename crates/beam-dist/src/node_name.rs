//! Names of nodes.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use beam_term::Atom;
use thiserror::Error;

/// The name of a node, `alive@host`, such as `app@10.0.0.7` or `shop@web1`.
///
/// Accepts every name that a node started by OTP can have and those that other implementations
/// choose: two parts that are not empty, separated by the only `@`, of characters that can be seen
/// (no blanks, no control characters) and that Latin-1 has, because that is how the handshake
/// carries a name. At most [`NodeName::MAX_LEN`] bytes of UTF-8.
///
/// Names compare byte by byte, host included; the tie rule of simultaneous connects depends on it.
///
/// ```
/// use beam_dist::NodeName;
///
/// let name: NodeName = "app@web1.example.org".parse()?;
/// assert_eq!(name.alive(), "app");
/// assert_eq!(name.host(), "web1.example.org");
/// assert!(name.is_long());
/// assert!("no-host@".parse::<NodeName>().is_err());
/// # Ok::<(), beam_dist::InvalidNodeName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Atom);

impl NodeName {
    /// The most bytes of UTF-8 that a name may have.
    pub const MAX_LEN: usize = 255;

    /// The part before the `@`, which is what EPMD knows the node by.
    pub fn alive(&self) -> &str {
        self.parts().0
    }

    /// The part after the `@`: a host name or an address.
    pub fn host(&self) -> &str {
        self.parts().1
    }

    /// Whether this is a long name: its host is a full domain name or an address.
    ///
    /// A node with a long name and one with a short name cannot connect to each other in OTP.
    pub fn is_long(&self) -> bool {
        self.host().contains(['.', ':'])
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The whole name as the atom that terms have in place of a node.
    pub fn as_atom(&self) -> &Atom {
        &self.0
    }

    fn parts(&self) -> (&str, &str) {
        // Every constructor has seen the '@', so the fallback is out of reach.
        self.as_str().split_once('@').unwrap_or_default()
    }

    /// Reads a name in the handshake's encoding, one byte a character.
    pub(crate) fn from_latin1(bytes: &[u8]) -> Result<Self, InvalidNodeName> {
        from_latin1(bytes).parse()
    }

    /// The name in the handshake's encoding, one byte a character.
    pub(crate) fn to_latin1(&self) -> Vec<u8> {
        to_latin1(self.as_str())
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        let invalid = |problem| InvalidNodeName {
            text: abbreviated(text),
            problem,
        };

        if text.len() > Self::MAX_LEN {
            return Err(invalid(Problem::TooLong));
        }
        let (alive, host) = text
            .split_once('@')
            .ok_or_else(|| invalid(Problem::NoHost))?;
        if alive.is_empty() || host.is_empty() {
            return Err(invalid(Problem::EmptyPart));
        }
        if host.contains('@') {
            return Err(invalid(Problem::SecondAt));
        }
        if let Some(character) = text.chars().find(|&c| !is_allowed(c)) {
            return Err(invalid(Problem::Character(character)));
        }

        Atom::try_from(text)
            .map(Self)
            .map_err(|_| invalid(Problem::TooLong))
    }
}

impl TryFrom<&str> for NodeName {
    type Error = InvalidNodeName;

    fn try_from(text: &str) -> Result<Self, InvalidNodeName> {
        text.parse()
    }
}

impl TryFrom<String> for NodeName {
    type Error = InvalidNodeName;

    fn try_from(text: String) -> Result<Self, InvalidNodeName> {
        text.parse()
    }
}

/// Takes the text of an atom, without a hold on the buffer that the atom was decoded from.
impl TryFrom<&Atom> for NodeName {
    type Error = InvalidNodeName;

    fn try_from(atom: &Atom) -> Result<Self, InvalidNodeName> {
        atom.as_str().parse()
    }
}

impl From<NodeName> for Atom {
    fn from(name: NodeName) -> Self {
        name.0
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Lets a table of nodes be asked for the node of a pid.
impl Borrow<Atom> for NodeName {
    fn borrow(&self) -> &Atom {
        self.as_atom()
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no name of a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid node name {text:?}: {problem}")]
pub struct InvalidNodeName {
    text: String,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Problem {
    #[error("it has no host, expected name@host")]
    NoHost,
    #[error("neither the part before the '@' nor the host may be empty")]
    EmptyPart,
    #[error("it has more than one '@'")]
    SecondAt,
    #[error("the character {0:?} is not allowed in it")]
    Character(char),
    #[error("it has more than {} bytes", NodeName::MAX_LEN)]
    TooLong,
}

/// Blanks and control characters would let a peer's name forge lines of a log.
fn is_allowed(character: char) -> bool {
    matches!(character, '!'..='~' | '\u{a1}'..='\u{ff}')
}

/// The host that a node without a name has in its place, if names with it can be valid.
pub(crate) fn checked_host(host: &str) -> Result<String, InvalidNodeName> {
    match format!("x@{host}").parse::<NodeName>() {
        Ok(_) => Ok(host.to_owned()),
        Err(InvalidNodeName { problem, .. }) => Err(InvalidNodeName {
            text: abbreviated(host),
            problem,
        }),
    }
}

/// Text read as Latin-1, in which every byte is the code point of a character.
pub(crate) fn from_latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Text as Latin-1, of characters that [`is_allowed`] let through.
pub(crate) fn to_latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(c).unwrap_or(b'?'))
        .collect()
}

/// Keeps an error message short whatever a peer sent.
fn abbreviated(text: &str) -> String {
    const SHOWN: usize = 64;

    let mut shown: Cow<'_, str> = text.into();
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        shown = format!("{}…", &text[..end]).into();
    }
    shown.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_at_its_at_sign() {
        let name: NodeName = "app-1_x@web1".parse().unwrap();

        assert_eq!((name.alive(), name.host()), ("app-1_x", "web1"));
        assert_eq!(name.as_str(), "app-1_x@web1");
        assert_eq!(name.to_string(), "app-1_x@web1");
    }

    #[test]
    fn a_host_with_a_dot_or_a_colon_makes_a_name_long() {
        let is_long = |text: &str| text.parse::<NodeName>().unwrap().is_long();

        assert!(is_long("a@b.example"));
        assert!(is_long("a@10.0.0.1"));
        assert!(is_long("a@::1"));
        assert!(!is_long("a.b@c"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "no host"),
            ("app", "no host"),
            ("@host", "empty"),
            ("app@", "empty"),
            ("a@b@c", "more than one"),
            ("a b@c", "' '"),
            ("a\n@c", "'\\n'"),
            ("a@c\u{85}", "'\\u{85}'"),
            ("a@\u{20ac}", "'€'"),
        ] {
            let error = text.parse::<NodeName>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?} gave {error}");
        }
    }

    #[test]
    fn a_name_has_at_most_255_bytes() {
        assert!(format!("a@{}", "h".repeat(253)).parse::<NodeName>().is_ok());

        let error = format!("a@{}", "h".repeat(254))
            .parse::<NodeName>()
            .unwrap_err();
        assert!(error.to_string().contains("255"));
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn names_order_byte_by_byte_with_their_hosts() {
        let name = |text: &str| text.parse::<NodeName>().unwrap();

        assert!(name("a@b") < name("a@c"));
        assert!(name("a@z") > name("a-b@a"));
        assert!(name("Z@x") < name("a@x"));
    }

    #[test]
    fn a_table_of_nodes_is_asked_by_the_atom_of_a_pid() {
        let name: NodeName = "app@host".parse().unwrap();
        let table = std::collections::HashMap::from([(name.clone(), 1)]);

        assert_eq!(table.get(&Atom::from_static("app@host")), Some(&1));
        assert_eq!(NodeName::try_from(&Atom::from_static("app@host")), Ok(name));
    }

    #[test]
    fn the_handshakes_encoding_has_one_byte_a_character() {
        let name: NodeName = "app@hé".parse().unwrap();

        assert_eq!(name.to_latin1(), b"app@h\xe9");
        assert_eq!(NodeName::from_latin1(b"app@h\xe9").unwrap(), name);
    }
}
