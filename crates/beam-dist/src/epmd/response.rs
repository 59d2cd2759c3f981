//! What EPMD answers.

use std::fmt::Write as _;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{AliveName, EpmdError, HANDSHAKE_VERSION, Registration};
use crate::Creation;

/// The most bytes of a [`Port2Response`] that are taken.
pub const MAX_PORT2_RESPONSE_LEN: usize = 4096;

/// The most bytes of a [`NamesResponse`] that are taken: some 50,000 nodes with ordinary names.
pub const MAX_NAMES_RESPONSE_LEN: usize = 2 * 1024 * 1024;

/// The answer to [`Request::Alive2`](super::Request::Alive2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alive2Response {
    /// The node is registered for as long as the connection lasts.
    Registered(Creation),
    /// It is not, most likely because another node has its name.
    Refused,
}

impl Alive2Response {
    /// The response to a node whose highest version of the handshake is `highest_version`: one from
    /// before the sixth expects an older form with a creation of 1 to 3.
    pub fn encode(self, highest_version: u16) -> Bytes {
        let (result, creation) = match self {
            Self::Registered(creation) => (OK, creation.get()),
            Self::Refused => (NAME_TAKEN, 0),
        };

        let mut message = BytesMut::with_capacity(6);
        if highest_version >= HANDSHAKE_VERSION {
            message.put_slice(&[ALIVE2_X, result]);
            message.put_u32(creation);
        } else {
            message.put_slice(&[ALIVE2, result]);
            message.put_u16((creation % 3) as u16 + 1);
        }
        message.freeze()
    }

    /// Takes a response from what was received so far, in the form with 32 bits or the older one;
    /// `None` if it is not all there.
    ///
    /// # Errors
    ///
    /// When it is another response or none at all, or when bytes follow it: EPMD says no more on
    /// this connection.
    pub fn decode(received: &[u8]) -> Result<Option<Self>, EpmdError> {
        let (result, creation) = match received {
            [ALIVE2_X, result, a, b, c, d] => (*result, u32::from_be_bytes([*a, *b, *c, *d])),
            [ALIVE2, result, a, b] => (*result, u16::from_be_bytes([*a, *b]).into()),
            [] => return Ok(None),
            [ALIVE2_X, rest @ ..] if rest.len() < 5 => return Ok(None),
            [ALIVE2, rest @ ..] if rest.len() < 3 => return Ok(None),
            [ALIVE2_X | ALIVE2, ..] => {
                return Err(EpmdError::Malformed {
                    message: "ALIVE2_RESP",
                });
            }
            [tag, ..] => return Err(EpmdError::UnexpectedResponse { tag: *tag }),
        };

        Ok(Some(match result {
            OK => Self::Registered(Creation::new(creation)),
            _ => Self::Refused,
        }))
    }
}

/// The answer to [`Request::PortPlease2`](super::Request::PortPlease2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port2Response {
    /// The node is registered.
    Found(Registration),
    /// No node of that name is.
    Unknown,
}

impl Port2Response {
    /// The response as it is sent.
    pub fn encode(&self) -> Bytes {
        let mut message = BytesMut::with_capacity(64);
        message.put_u8(PORT2);
        match self {
            Self::Found(registration) => {
                message.put_u8(OK);
                registration.encode(&mut message);
            }
            Self::Unknown => message.put_u8(1),
        }
        message.freeze()
    }

    /// Takes a response from what was received so far; `None` if it is not all there.
    ///
    /// # Errors
    ///
    /// When it is another response or none at all, malformed, or longer than
    /// [`MAX_PORT2_RESPONSE_LEN`].
    pub fn decode(received: &[u8]) -> Result<Option<Self>, EpmdError> {
        check_len(received, MAX_PORT2_RESPONSE_LEN)?;
        match received {
            [] | [PORT2] => Ok(None),
            [PORT2, OK, fields @ ..] => {
                Ok(Registration::decode(fields, "PORT2_RESP")?.map(Self::Found))
            }
            [PORT2, _, ..] => Ok(Some(Self::Unknown)),
            [tag, ..] => Err(EpmdError::UnexpectedResponse { tag: *tag }),
        }
    }
}

/// The answer to [`Request::Names`](super::Request::Names).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesResponse {
    /// The port that EPMD itself listens on.
    pub epmd_port: u16,
    /// The names of the nodes, and the ports that they accept links on.
    pub nodes: Vec<(AliveName, u16)>,
}

impl NamesResponse {
    /// The response as it is sent: a line of text for each node.
    pub fn encode(&self) -> Bytes {
        let mut message = BytesMut::with_capacity(4 + 32 * self.nodes.len());
        message.put_u32(self.epmd_port.into());
        for (name, port) in &self.nodes {
            // Writing to a buffer that grows cannot fail.
            let _ = writeln!(message, "name {name} at port {port}");
        }
        message.freeze()
    }

    /// Reads a whole response, which ends where EPMD closes the connection.
    ///
    /// Lines that are no entries are left out, as OTP does.
    ///
    /// # Errors
    ///
    /// When it is malformed or longer than [`MAX_NAMES_RESPONSE_LEN`].
    pub fn decode(mut received: &[u8]) -> Result<Self, EpmdError> {
        check_len(received, MAX_NAMES_RESPONSE_LEN)?;
        let malformed = EpmdError::Malformed {
            message: "NAMES_RESP",
        };
        let epmd_port = received
            .try_get_u32()
            .ok()
            .and_then(|port| port.try_into().ok());
        let epmd_port = epmd_port.ok_or(malformed)?;

        let lines = received.split(|&byte| byte == b'\n');
        Ok(Self {
            epmd_port,
            nodes: lines.filter_map(parse_line).collect(),
        })
    }
}

const ALIVE2: u8 = 121;
const ALIVE2_X: u8 = 118;
const PORT2: u8 = 119;

const OK: u8 = 0;
const NAME_TAKEN: u8 = 1;

fn check_len(received: &[u8], max: usize) -> Result<(), EpmdError> {
    match received.len() {
        len if len > max => Err(EpmdError::TooLong { len, max }),
        _ => Ok(()),
    }
}

fn parse_line(line: &[u8]) -> Option<(AliveName, u16)> {
    let (name, port) = str::from_utf8(line)
        .ok()?
        .strip_prefix("name ")?
        .split_once(" at port ")?;

    Some((name.parse().ok()?, port.trim_end().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::epmd::NodeKind;

    #[test]
    fn a_registration_is_answered_with_32_bits_of_creation() {
        let response = Alive2Response::Registered(Creation::new(0x6b01_0d5e));

        assert_eq!(response.encode(6)[..], *b"v\0\x6b\x01\x0d\x5e");
        assert_eq!(
            Alive2Response::decode(&response.encode(6)),
            Ok(Some(response))
        );
        assert_eq!(Alive2Response::Refused.encode(6)[..], *b"v\x01\0\0\0\0");
    }

    #[test]
    fn a_node_from_before_version_six_is_answered_in_the_older_form() {
        let response = Alive2Response::Registered(Creation::new(5));

        assert_eq!(response.encode(5)[..], *b"y\0\0\x03");
        let decoded = Alive2Response::decode(b"y\0\0\x03");
        assert_eq!(
            decoded,
            Ok(Some(Alive2Response::Registered(Creation::new(3))))
        );
        assert_eq!(
            Alive2Response::decode(b"y\x01\0\x63"),
            Ok(Some(Alive2Response::Refused))
        );
    }

    #[test]
    fn a_response_is_decoded_as_soon_as_it_is_all_there() {
        let mut registration = Registration::new("shop".parse().unwrap(), 9100, NodeKind::Visible);
        registration.extra = Bytes::from_static(b"xyz");
        let found = Port2Response::Found(registration);

        let bytes = found.encode();
        for end in 0..bytes.len() {
            assert_eq!(Port2Response::decode(&bytes[..end]), Ok(None));
        }
        assert_eq!(Port2Response::decode(&bytes), Ok(Some(found)));

        let bytes = Alive2Response::Refused.encode(6);
        for end in 0..bytes.len() {
            assert_eq!(Alive2Response::decode(&bytes[..end]), Ok(None));
        }
    }

    #[test]
    fn a_node_that_is_not_registered_is_unknown() {
        assert_eq!(Port2Response::Unknown.encode()[..], *b"w\x01");
        assert_eq!(
            Port2Response::decode(b"w\x01"),
            Ok(Some(Port2Response::Unknown))
        );
    }

    #[test]
    fn the_list_of_names_reads_as_that_of_epmd() {
        let response = NamesResponse {
            epmd_port: 4369,
            nodes: vec![
                ("a".parse().unwrap(), 9100),
                ("b-c".parse().unwrap(), 65535),
            ],
        };

        let expected = b"\0\0\x11\x11name a at port 9100\nname b-c at port 65535\n";
        assert_eq!(response.encode()[..], *expected);
        assert_eq!(NamesResponse::decode(expected), Ok(response));
    }

    #[test]
    fn lines_that_are_no_entries_are_left_out() {
        let text =
            b"\0\0\x11\x11name a at port 1\nname b@c at port 2\nname d at port x\n\xff\n\nfoo";

        let decoded = NamesResponse::decode(text).unwrap();
        assert_eq!(decoded.nodes, [("a".parse().unwrap(), 1)]);
    }

    #[test]
    fn responses_of_other_servers_are_refused() {
        let http = b"HTTP/1.1 400 Bad Request\r\n";

        let unexpected = EpmdError::UnexpectedResponse { tag: b'H' };
        assert_eq!(Alive2Response::decode(http), Err(unexpected.clone()));
        assert_eq!(Port2Response::decode(http), Err(unexpected));
        assert!(NamesResponse::decode(http).is_err());
        assert!(Alive2Response::decode(b"v\0\0\0\0\x04more").is_err());
    }

    #[test]
    fn responses_beyond_the_bounds_are_refused() {
        let mut response = vec![0; MAX_NAMES_RESPONSE_LEN];
        assert!(NamesResponse::decode(&response).is_ok());
        response.push(0);
        assert!(matches!(
            NamesResponse::decode(&response),
            Err(EpmdError::TooLong { .. })
        ));

        let mut response = b"w\0\x23\x8dM\0\0\x06\0\x06\0\x01a\xff\xff".to_vec();
        response.resize(MAX_PORT2_RESPONSE_LEN, 0);
        assert_eq!(Port2Response::decode(&response), Ok(None));
        response.push(0);
        assert!(matches!(
            Port2Response::decode(&response),
            Err(EpmdError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
            let _ = NamesResponse::decode(&bytes);
            for start in [&[][..], &[ALIVE2], &[ALIVE2_X], &[PORT2], &[PORT2, OK]] {
                let message = [start, &bytes].concat();
                let _ = Alive2Response::decode(&message);
                let _ = Port2Response::decode(&message);
            }
        }
    }
}
