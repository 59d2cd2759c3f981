//! Packets of the handshake: a length of two bytes, a tag, and what belongs to it.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::challenge::Digest;
use super::{HandshakeError, Stage};
use crate::{Creation, Flags, NodeName};

/// The most bytes that a packet of a handshake may have, its length not counted.
///
/// The longest that a node sends has fewer than 300.
pub const MAX_PACKET_LEN: usize = 1024;

/// The bytes of a length over TCP.
const LEN_BYTES: usize = 2;

/// The bytes of a length over TLS.
const LONG_LEN_BYTES: usize = 4;

/// Cuts the next packet from the front of what was received, without its length.
///
/// `None` means that more bytes are needed. Bytes after the last packet of a handshake stay in the
/// buffer: they are the first frames of the link.
///
/// # Errors
///
/// When the packet is longer than [`MAX_PACKET_LEN`], as soon as its length is there.
pub fn take_packet(received: &mut BytesMut) -> Result<Option<Bytes>, HandshakeError> {
    let Some(&len) = received.first_chunk::<LEN_BYTES>() else {
        return Ok(None);
    };
    take(received, LEN_BYTES, u16::from_be_bytes(len).into())
}

/// As [`take_packet`], where the length has four bytes. OTP writes it so over TLS, from the first
/// packet on (`{packet, 4}` in its `inet_tls_dist`).
///
/// # Errors
///
/// As [`take_packet`].
pub fn take_long_packet(received: &mut BytesMut) -> Result<Option<Bytes>, HandshakeError> {
    let Some(&len) = received.first_chunk::<LONG_LEN_BYTES>() else {
        return Ok(None);
    };
    // Where not even the length fits, the packet is too long all the more.
    let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
    take(received, LONG_LEN_BYTES, len)
}

fn take(
    received: &mut BytesMut,
    len_bytes: usize,
    len: usize,
) -> Result<Option<Bytes>, HandshakeError> {
    if len > MAX_PACKET_LEN {
        return Err(HandshakeError::TooLong { len });
    }
    if received.len() < len_bytes + len {
        return Ok(None);
    }

    received.advance(len_bytes);
    Ok(Some(received.split_to(len).freeze()))
}

/// What a side of a handshake has to send, with lengths of four bytes, as [`take_long_packet`]
/// reads them.
pub fn with_long_lengths(outgoing: &[u8]) -> Bytes {
    let mut rest = outgoing;
    let mut packets = BytesMut::with_capacity(outgoing.len() + 2 * LEN_BYTES);
    while let Ok(len) = rest.try_get_u16() {
        // Both sides of a handshake write whole packets.
        let packet = rest.split_off(..usize::from(len)).unwrap_or_default();
        packets.put_u32(len.into());
        packets.put_slice(packet);
    }
    packets.freeze()
}

/// The first packet, by which a node introduces itself.
///
/// One that asks for a name has only its host in place of the name.
pub(super) struct Name<'a> {
    pub(super) flags: Flags,
    pub(super) creation: Creation,
    pub(super) latin1: &'a [u8],
}

impl<'a> Name<'a> {
    pub(super) fn decode(packet: &'a [u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields::after_tag(packet, NAME, Stage::Name)?;

        Ok(Self {
            flags: fields.flags()?,
            creation: Creation::new(fields.u32()?),
            latin1: fields.sized_name()?,
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        encode(NAME, |packet| {
            packet.put_u64(self.flags.bits());
            packet.put_u32(self.creation.get());
            put_name(packet, self.latin1);
        })
    }
}

/// What the accepting node decided, and what the other says to the status `alive`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    OkSimultaneous,
    Nok,
    NotAllowed,
    Alive,
    True,
    False,
    Named { name: NodeName, creation: Creation },
}

impl Status {
    const NAMED: &'static [u8] = b"named:";

    pub(super) fn decode(packet: &[u8], stage: Stage) -> Result<Self, HandshakeError> {
        let fields = Fields::after_tag(packet, STATUS, stage)?;

        Ok(match fields.rest {
            b"ok" => Self::Ok,
            b"ok_simultaneous" => Self::OkSimultaneous,
            b"nok" => Self::Nok,
            b"not_allowed" => Self::NotAllowed,
            b"alive" => Self::Alive,
            b"true" => Self::True,
            b"false" => Self::False,
            other => match other.strip_prefix(Self::NAMED) {
                Some(named) => Self::decode_named(Fields {
                    rest: named,
                    ..fields
                })?,
                None => return Err(unknown_status(other)),
            },
        })
    }

    /// Unlike all other names this one is UTF-8.
    fn decode_named(mut fields: Fields<'_>) -> Result<Self, HandshakeError> {
        let name = fields.sized_name()?;
        let name = str::from_utf8(name).map_err(|_| fields.malformed())?;

        Ok(Self::Named {
            name: name.parse()?,
            creation: Creation::new(fields.u32()?),
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        encode(STATUS, |packet| match self {
            Self::Named { name, creation } => {
                packet.put_slice(Self::NAMED);
                put_name(packet, name.as_str().as_bytes());
                packet.put_u32(creation.get());
            }
            plain => packet.put_slice(plain.word().as_bytes()),
        })
    }

    /// The error of a status that does not fit where it came.
    pub(super) fn unexpected(&self) -> HandshakeError {
        unknown_status(self.word().as_bytes())
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OkSimultaneous => "ok_simultaneous",
            Self::Nok => "nok",
            Self::NotAllowed => "not_allowed",
            Self::Alive => "alive",
            Self::True => "true",
            Self::False => "false",
            Self::Named { .. } => "named",
        }
    }
}

/// The accepting node introduces itself and asks for the first digest.
pub(super) struct ChallengePacket<'a> {
    pub(super) flags: Flags,
    pub(super) challenge: u32,
    pub(super) creation: Creation,
    pub(super) latin1: &'a [u8],
}

impl<'a> ChallengePacket<'a> {
    pub(super) fn decode(packet: &'a [u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields::after_tag(packet, NAME, Stage::Challenge)?;

        Ok(Self {
            flags: fields.flags()?,
            challenge: fields.u32()?,
            creation: Creation::new(fields.u32()?),
            latin1: fields.sized_name()?,
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        encode(NAME, |packet| {
            packet.put_u64(self.flags.bits());
            packet.put_u32(self.challenge);
            packet.put_u32(self.creation.get());
            put_name(packet, self.latin1);
        })
    }
}

/// The connecting node answers the challenge and asks for the second digest.
pub(super) struct Reply {
    pub(super) challenge: u32,
    pub(super) digest: Digest,
}

impl Reply {
    pub(super) fn decode(packet: &[u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields::after_tag(packet, REPLY, Stage::Reply)?;

        Ok(Self {
            challenge: fields.u32()?,
            digest: fields.digest()?,
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        encode(REPLY, |packet| {
            packet.put_u32(self.challenge);
            packet.put_slice(self.digest.as_bytes());
        })
    }
}

/// The accepting node answers the challenge in turn.
pub(super) struct Ack {
    pub(super) digest: Digest,
}

impl Ack {
    pub(super) fn decode(packet: &[u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields::after_tag(packet, ACK, Stage::Ack)?;

        Ok(Self {
            digest: fields.digest()?,
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        encode(ACK, |packet| packet.put_slice(self.digest.as_bytes()))
    }
}

/// The name and the challenge share a tag.
const NAME: u8 = b'N';
/// What [`NAME`] was in version 5.
const OLD_NAME: u8 = b'n';
const STATUS: u8 = b's';
const REPLY: u8 = b'r';
const ACK: u8 = b'a';

/// What is left of a packet, and what it was meant to be.
struct Fields<'a> {
    rest: &'a [u8],
    stage: Stage,
}

impl<'a> Fields<'a> {
    fn after_tag(packet: &'a [u8], tag: u8, stage: Stage) -> Result<Self, HandshakeError> {
        match packet.split_first() {
            Some((&found, rest)) if found == tag => Ok(Self { rest, stage }),
            Some((&OLD_NAME, _)) if tag == NAME => Err(HandshakeError::OldVersion),
            _ => Err(HandshakeError::Malformed { stage }),
        }
    }

    fn flags(&mut self) -> Result<Flags, HandshakeError> {
        let bits = self.rest.try_get_u64().map_err(|_| self.malformed())?;

        Ok(Flags::from_bits_retain(bits))
    }

    fn u32(&mut self) -> Result<u32, HandshakeError> {
        self.rest.try_get_u32().map_err(|_| self.malformed())
    }

    /// A name after its length. What follows it is left for releases to come.
    fn sized_name(&mut self) -> Result<&'a [u8], HandshakeError> {
        let len = self.rest.try_get_u16().map_err(|_| self.malformed())?;
        let name = self.rest.split_off(..usize::from(len));

        name.ok_or_else(|| self.malformed())
    }

    /// A digest, with which a packet ends.
    fn digest(&mut self) -> Result<Digest, HandshakeError> {
        let digest = self.rest.try_into().map_err(|_| self.malformed())?;

        Ok(Digest::from_wire(digest))
    }

    fn malformed(&self) -> HandshakeError {
        HandshakeError::Malformed { stage: self.stage }
    }
}

fn encode(tag: u8, fill: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut packet = BytesMut::with_capacity(64);
    packet.put_bytes(0, LEN_BYTES);
    packet.put_u8(tag);
    fill(&mut packet);

    // A name has at most 255 bytes, and nothing else in a packet varies.
    let len = (packet.len() - LEN_BYTES) as u16;
    packet[..LEN_BYTES].copy_from_slice(&len.to_be_bytes());
    packet.freeze()
}

fn put_name(packet: &mut BytesMut, name: &[u8]) {
    packet.put_u16(name.len() as u16);
    packet.put_slice(name);
}

fn unknown_status(status: &[u8]) -> HandshakeError {
    const SHOWN: usize = 32;

    let status = &status[..status.len().min(SHOWN)];
    HandshakeError::UnknownStatus {
        status: status.escape_ascii().to_string(),
    }
}
