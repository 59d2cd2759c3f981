//! What carries the connections of a node.

use std::net::SocketAddr;

use beam_dist::NodeName;
use tokio::time::Instant;

use super::{ConnectError, Stream, TlsError, stream};
use crate::net::TcpStream;

/// What carries all connections of a node, those that it makes and those that it accepts.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain,
    #[cfg(feature = "tls")]
    Tls(crate::tls::Endpoint),
}

impl Transport {
    /// Takes a TCP connection that this node made to the point where the handshake of the nodes
    /// begins, before the deadline.
    pub(super) async fn connect(
        &self,
        tcp: TcpStream,
        peer: &NodeName,
        deadline: Instant,
    ) -> Result<Stream, ConnectError> {
        stream::prepare(&tcp);
        match self {
            Self::Plain => {
                // Only a TLS handshake takes time.
                let _ = (peer, deadline);
                Ok(Stream::Plain(tcp))
            }
            #[cfg(feature = "tls")]
            Self::Tls(endpoint) => endpoint.connect(tcp, peer, deadline).await,
        }
    }

    /// The same for a connection that a peer made.
    pub(super) async fn accept(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
    ) -> Result<Stream, ConnectError> {
        stream::prepare(&tcp);
        match self {
            Self::Plain => {
                let _ = address;
                Ok(Stream::Plain(tcp))
            }
            #[cfg(feature = "tls")]
            // A box, as the task would have room for it to its end otherwise.
            Self::Tls(endpoint) => Box::pin(endpoint.accept(tcp, address)).await,
        }
    }

    /// Why a peer might not allow this node, by what this node shows.
    pub(super) fn own_host(&self, own: &NodeName) -> Option<TlsError> {
        match self {
            Self::Plain => {
                let _ = own;
                None
            }
            #[cfg(feature = "tls")]
            Self::Tls(endpoint) => endpoint.own_host(own),
        }
    }

    /// Whether a peer that connected may have the name that it says it has.
    pub(super) fn check_claim(
        &self,
        stream: &Stream,
        claimed: &NodeName,
    ) -> Result<(), ConnectError> {
        match self {
            Self::Plain => {
                let _ = (stream, claimed);
                Ok(())
            }
            #[cfg(feature = "tls")]
            Self::Tls(endpoint) => endpoint.check_claim(stream, claimed),
        }
    }
}
