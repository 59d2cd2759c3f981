//! What EPMD knows of a node.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::EpmdError;
use crate::NodeName;

/// The version of the handshake that this crate speaks, the only one that OTP 25 and later do.
pub const HANDSHAKE_VERSION: u16 = 6;

/// A node as it registers with EPMD, and as EPMD describes it to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The name of the node without its host.
    pub name: AliveName,
    /// The TCP port that the node accepts links on.
    pub port: u16,
    /// What the node says of its visibility; OTP's nodes say visible even if they are not.
    pub kind: NodeKind,
    /// The highest version of the handshake that the node speaks.
    pub highest_version: u16,
    /// The lowest version of the handshake that the node speaks.
    pub lowest_version: u16,
    /// Anything else; nobody uses it.
    pub extra: Bytes,
}

impl Registration {
    /// The registration of a node of this crate.
    pub fn new(name: AliveName, port: u16, kind: NodeKind) -> Self {
        Self {
            name,
            port,
            kind,
            highest_version: HANDSHAKE_VERSION,
            lowest_version: HANDSHAKE_VERSION,
            extra: Bytes::new(),
        }
    }

    /// Whether the node speaks the handshake of this crate.
    pub fn is_compatible(&self) -> bool {
        (self.lowest_version..=self.highest_version).contains(&HANDSHAKE_VERSION)
    }

    /// Everything that a request and a response have in common.
    pub(super) fn encode(&self, message: &mut BytesMut) {
        message.put_u16(self.port);
        message.put_u8(self.kind as u8);
        message.put_u8(TCP_IP_V4);
        message.put_u16(self.highest_version);
        message.put_u16(self.lowest_version);
        message.put_u16(self.name.as_str().len() as u16);
        message.put_slice(self.name.as_str().as_bytes());
        // Whoever builds one that no message can hold gets what does fit, not a broken message.
        let extra = &self.extra[..self.extra.len().min(MAX_EXTRA_LEN)];
        message.put_u16(extra.len() as u16);
        message.put_slice(extra);
    }

    /// Takes a registration apart; `None` if it is not all there.
    pub(super) fn decode(
        mut fields: &[u8],
        message: &'static str,
    ) -> Result<Option<Self>, EpmdError> {
        let fields = &mut fields;
        if fields.len() < FIXED_LEN {
            return Ok(None);
        }

        let port = fields.get_u16();
        let kind = NodeKind::from_wire(fields.get_u8()).ok_or(EpmdError::Malformed { message })?;
        if fields.get_u8() != TCP_IP_V4 {
            return Err(EpmdError::Malformed { message });
        }
        let highest_version = fields.get_u16();
        let lowest_version = fields.get_u16();
        let Some(name) = take_sized(fields) else {
            return Ok(None);
        };
        let name = AliveName::from_wire(name)?;
        let Some(extra) = take_sized(fields) else {
            return Ok(None);
        };
        let extra = Bytes::copy_from_slice(extra);

        Ok(Some(Self {
            name,
            port,
            kind,
            highest_version,
            lowest_version,
            extra,
        }))
    }
}

/// The name that EPMD knows a node by: that of the node without its host.
///
/// 1 to [`AliveName::MAX_LEN`] bytes of characters that can be seen, no `@`, so that a name cannot
/// forge a line of the list of names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliveName(Arc<str>);

impl AliveName {
    /// The most bytes that a name may have.
    pub const MAX_LEN: usize = 255;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn from_wire(bytes: &[u8]) -> Result<Self, InvalidAliveName> {
        str::from_utf8(bytes).map_err(|_| InvalidAliveName)?.parse()
    }
}

impl FromStr for AliveName {
    type Err = InvalidAliveName;

    fn from_str(text: &str) -> Result<Self, InvalidAliveName> {
        let is_valid = (1..=Self::MAX_LEN).contains(&text.len())
            && !text.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control());

        if is_valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidAliveName)
        }
    }
}

impl From<&NodeName> for AliveName {
    fn from(name: &NodeName) -> Self {
        Self(name.alive().into())
    }
}

impl Borrow<str> for AliveName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for AliveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for AliveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that no node can be registered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a registered name has 1 to {} bytes, no '@', no blanks and no control characters",
    AliveName::MAX_LEN
)]
pub struct InvalidAliveName;

/// What a node says to EPMD of its visibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NodeKind {
    /// An ordinary node.
    Visible = 77,
    /// One that does not show in `nodes()`.
    Hidden = 72,
}

impl NodeKind {
    fn from_wire(kind: u8) -> Option<Self> {
        [Self::Visible, Self::Hidden]
            .into_iter()
            .find(|known| *known as u8 == kind)
    }
}

/// The protocol of every registration, whatever the version of IP.
const TCP_IP_V4: u8 = 0;

/// Port, kind, protocol and versions.
const FIXED_LEN: usize = 2 + 1 + 1 + 2 + 2;

/// What fits into a request beside the longest name.
const MAX_EXTRA_LEN: usize = 512;

fn take_sized<'a>(fields: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = fields.try_get_u16().ok()?;
    fields.split_off(..usize::from(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_name_cannot_forge_a_line_of_the_list() {
        for text in [
            "",
            "a@b",
            "a b",
            "a\nname b at port 1",
            "a\0",
            &"a".repeat(256),
        ] {
            assert_eq!(text.parse::<AliveName>(), Err(InvalidAliveName), "{text:?}");
        }
        assert!("a".repeat(255).parse::<AliveName>().is_ok());
    }

    #[test]
    fn a_node_is_compatible_if_its_versions_include_the_sixth() {
        let mut registration = Registration::new("a".parse().unwrap(), 1, NodeKind::Hidden);
        assert!(registration.is_compatible());

        registration.lowest_version = 5;
        assert!(registration.is_compatible());

        registration.highest_version = 5;
        assert!(!registration.is_compatible());

        (registration.lowest_version, registration.highest_version) = (7, 8);
        assert!(!registration.is_compatible());
    }
}
