//! What EPMD is asked.

use bytes::{BufMut, Bytes, BytesMut};

use super::{AliveName, EpmdError, Registration};

/// The most bytes that a request may have, its length not counted.
pub const MAX_REQUEST_LEN: usize = 1024;

/// A request to EPMD, the only one on its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `ALIVE2_REQ`: registers a node for as long as the connection lasts. Answered by an
    /// [`Alive2Response`](super::Alive2Response).
    Alive2(Registration),
    /// `PORT_PLEASE2_REQ`: asks for the port of a node. Answered by a
    /// [`Port2Response`](super::Port2Response).
    PortPlease2(AliveName),
    /// `NAMES_REQ`: asks for all nodes. Answered by a [`NamesResponse`](super::NamesResponse).
    Names,
}

impl Request {
    /// The request with its length.
    pub fn encode(&self) -> Bytes {
        let mut message = BytesMut::with_capacity(64);
        message.put_bytes(0, LEN_BYTES);
        match self {
            Self::Alive2(registration) => {
                message.put_u8(ALIVE2);
                registration.encode(&mut message);
            }
            Self::PortPlease2(name) => {
                message.put_u8(PORT_PLEASE2);
                message.put_slice(name.as_str().as_bytes());
            }
            Self::Names => message.put_u8(NAMES),
        }

        // Names and extra bytes are bounded: no request comes near the end of 16 bits.
        let len = (message.len() - LEN_BYTES) as u16;
        message[..LEN_BYTES].copy_from_slice(&len.to_be_bytes());
        message.freeze()
    }

    /// Takes a request from what was received so far; `None` if it is not all there.
    ///
    /// # Errors
    ///
    /// When it is too long or malformed, when bytes follow it, and for the requests `KILL`, `STOP`
    /// and `DUMP`, with which anybody could harm the nodes of a host.
    pub fn decode(received: &[u8]) -> Result<Option<Self>, EpmdError> {
        let Some((&len, body)) = received.split_first_chunk::<LEN_BYTES>() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes(len));
        if len.max(body.len()) > MAX_REQUEST_LEN {
            let len = len.max(body.len());
            return Err(EpmdError::TooLong {
                len,
                max: MAX_REQUEST_LEN,
            });
        }
        if body.len() < len {
            return Ok(None);
        }
        match body.split_first() {
            Some((&tag, fields)) if body.len() == len => Self::decode_body(tag, fields).map(Some),
            _ => Err(EpmdError::Malformed { message: "request" }),
        }
    }

    fn decode_body(tag: u8, fields: &[u8]) -> Result<Self, EpmdError> {
        match tag {
            ALIVE2 => match Registration::decode(fields, "ALIVE2_REQ")? {
                Some(registration) => Ok(Self::Alive2(registration)),
                None => Err(EpmdError::Malformed {
                    message: "ALIVE2_REQ",
                }),
            },
            PORT_PLEASE2 => {
                // C nodes of old end the name as C ends its strings.
                let name = fields.strip_suffix(b"\0").unwrap_or(fields);
                Ok(Self::PortPlease2(AliveName::from_wire(name)?))
            }
            NAMES => Ok(Self::Names),
            KILL => Err(EpmdError::Refused {
                request: "KILL_REQ",
            }),
            STOP => Err(EpmdError::Refused {
                request: "STOP_REQ",
            }),
            DUMP => Err(EpmdError::Refused {
                request: "DUMP_REQ",
            }),
            tag => Err(EpmdError::UnknownRequest { tag }),
        }
    }
}

const LEN_BYTES: usize = 2;

const ALIVE2: u8 = 120;
const PORT_PLEASE2: u8 = 122;
const NAMES: u8 = 110;
const DUMP: u8 = 100;
const KILL: u8 = 107;
const STOP: u8 = 115;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::epmd::NodeKind;

    fn requests() -> [Request; 3] {
        let name: AliveName = "shop".parse().unwrap();
        let mut registration = Registration::new(name.clone(), 9100, NodeKind::Hidden);
        registration.extra = Bytes::from_static(b"xyz");

        [
            Request::Alive2(registration),
            Request::PortPlease2(name),
            Request::Names,
        ]
    }

    #[test]
    fn a_request_is_decoded_as_soon_as_it_is_all_there() {
        for request in requests() {
            let bytes = request.encode();
            for end in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..end]), Ok(None));
            }
            assert_eq!(Request::decode(&bytes), Ok(Some(request)));
        }
    }

    #[test]
    fn a_request_cut_short_within_its_length_is_malformed() {
        for request in requests() {
            let bytes = request.encode();
            for end in 2..bytes.len() {
                let mut cut = bytes[..end].to_vec();
                cut[..2].copy_from_slice(&((end - 2) as u16).to_be_bytes());
                let decoded = Request::decode(&cut);
                // A shorter name is a name too.
                let is_name = matches!(&decoded, Ok(Some(Request::PortPlease2(_))));
                assert!(is_name || decoded.is_err(), "{decoded:?}");
            }
        }
    }

    #[test]
    fn bytes_after_a_request_are_refused() {
        for request in requests() {
            let mut bytes = request.encode().to_vec();
            bytes.push(0);
            assert!(Request::decode(&bytes).is_err());
        }
    }

    #[test]
    fn a_request_beyond_the_bound_is_refused_by_its_length_alone() {
        let len = MAX_REQUEST_LEN + 1;

        assert_eq!(
            Request::decode(&(len as u16).to_be_bytes()),
            Err(EpmdError::TooLong {
                len,
                max: MAX_REQUEST_LEN
            }),
        );
        assert_eq!(
            Request::decode(&(MAX_REQUEST_LEN as u16).to_be_bytes()),
            Ok(None)
        );
    }

    #[test]
    fn the_longest_request_that_can_be_built_is_within_the_bound() {
        let name = "n".repeat(AliveName::MAX_LEN).parse().unwrap();
        let mut registration = Registration::new(name, 1, NodeKind::Visible);
        registration.extra = vec![0; 100_000].into();

        let bytes = Request::Alive2(registration).encode();
        assert!(matches!(
            Request::decode(&bytes),
            Ok(Some(Request::Alive2(_)))
        ));
    }

    #[test]
    fn requests_that_could_harm_other_nodes_are_refused_by_name() {
        for (body, name) in [("k", "KILL_REQ"), ("sshop", "STOP_REQ"), ("d", "DUMP_REQ")] {
            let mut bytes = (body.len() as u16).to_be_bytes().to_vec();
            bytes.extend_from_slice(body.as_bytes());
            assert_eq!(
                Request::decode(&bytes),
                Err(EpmdError::Refused { request: name })
            );
        }
    }

    #[test]
    fn a_name_may_end_as_strings_of_c_do() {
        let decoded = Request::decode(b"\x00\x06zshop\0");

        assert_eq!(
            decoded,
            Ok(Some(Request::PortPlease2("shop".parse().unwrap())))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
            let _ = Request::decode(&bytes);
        }

        #[test]
        fn no_body_makes_decoding_panic(
            tag in prop::sample::select(&[ALIVE2, PORT_PLEASE2, NAMES][..]),
            fields: Vec<u8>,
        ) {
            if let Ok(request) = Request::decode_body(tag, &fields) {
                prop_assert_eq!(Request::decode(&request.encode()), Ok(Some(request)));
            }
        }
    }
}
