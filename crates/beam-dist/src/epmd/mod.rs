//! EPMD, which knows the port of every node on a host: its protocol, and the registry of one.
//!
//! A client connects, writes one [`Request`] and reads the response to it: [`Alive2Response`],
//! [`Port2Response`] or [`NamesResponse`]. Then EPMD closes the connection, but for a registration:
//! **that lives exactly as long as the connection it was made on.** Whoever loses it must register
//! again.
//!
//! A server reads a [`Request`] and has its [`Registry`] answer it.
//!
//! Decoders take what was received so far and give `None` as long as more is needed. They bound what
//! they take; no bytes make them fail in another way than by an [`EpmdError`]. See "EPMD Protocol"
//! in the chapter "Distribution Protocol" of the ERTS reference.
//!
//! ```
//! use beam_dist::epmd::{AliveName, Port2Response, Request};
//!
//! let request = Request::PortPlease2("shop".parse::<AliveName>()?);
//! assert_eq!(request.encode()[..], *b"\x00\x05zshop");
//!
//! // Here a socket would be read.
//! assert_eq!(Port2Response::decode(b"w\x01")?, Some(Port2Response::Unknown));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod registration;
mod registry;
mod request;
mod response;

pub use error::EpmdError;
pub use registration::{AliveName, HANDSHAKE_VERSION, InvalidAliveName, NodeKind, Registration};
pub use registry::{Answer, Origin, RegisterError, Registered, Registry};
pub use request::{MAX_REQUEST_LEN, Request};
pub use response::{
    Alive2Response, MAX_NAMES_RESPONSE_LEN, MAX_PORT2_RESPONSE_LEN, NamesResponse, Port2Response,
};

/// The port that EPMD listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 4369;
