//! TLS of one node: what it shows and whom it trusts, and the handshakes of its links.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use arc_swap::ArcSwap;
use beam_dist::NodeName;
use rustls::{ProtocolVersion, pki_types::ServerName};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsStream;

use super::{
    Tls,
    certificates::{Certificates, FilesError},
    failure,
    verifier::check_host,
};
use crate::{
    connect::{ConnectError, Stream, TlsError, close_in_order},
    net::TcpStream,
};

/// TLS of one node.
pub(crate) struct Endpoint {
    settings: Tls,
    listens: bool,
    certificates: ArcSwap<Certificates>,
}

impl Endpoint {
    /// Reads the files for a node that listens, or does not.
    pub(crate) fn read(settings: &Tls, own: &NodeName, listens: bool) -> Result<Self, FilesError> {
        if listens && settings.certificate.is_none() {
            return Err(FilesError::Missing);
        }
        let certificates = Certificates::read(settings)?;
        certificates.warn_of_own(own, listens);
        Ok(Self {
            settings: settings.clone(),
            listens,
            certificates: ArcSwap::from_pointee(certificates),
        })
    }

    /// Reads the files again. If any of them is of no use, all stays as it was.
    pub(crate) fn reload(&self, own: &NodeName) -> Result<(), FilesError> {
        let certificates = Certificates::read(&self.settings)?;
        certificates.warn_of_own(own, self.listens);
        self.certificates.store(certificates.into());
        Ok(())
    }

    /// Shakes hands over a connection that this node made.
    pub(crate) async fn connect(
        &self,
        tcp: TcpStream,
        peer: &NodeName,
        deadline: Instant,
    ) -> Result<Stream, ConnectError> {
        let failed = |error| ConnectError::Tls {
            with: peer.to_string(),
            error,
        };
        let server = self.server_name(peer).map_err(failed)?;
        let connector = self.certificates.load().connector.clone();
        match timeout_at(deadline, connector.connect(server, tcp)).await {
            Ok(Ok(stream)) => Ok(shaken(stream.into(), peer)),
            Ok(Err(error)) => Err(failed(failure::of_handshake(&error, peer.host()))),
            Err(_elapsed) => Err(failed(TlsError::TimedOut)),
        }
    }

    /// Shakes hands over a connection that a peer made.
    pub(crate) async fn accept(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
    ) -> Result<Stream, ConnectError> {
        let failed = |error| ConnectError::Tls {
            with: address.to_string(),
            error,
        };
        let acceptor = self.certificates.load().acceptor.clone();
        // A node that listens has a certificate.
        let acceptor = acceptor.ok_or_else(|| failed(TlsError::Closed))?;
        match acceptor.accept(tcp).into_fallible().await {
            Ok(stream) => Ok(shaken(stream.into(), &address)),
            Err((error, tcp)) => {
                let error = failure::of_handshake(&error, "");
                // The peer must be able to read why it was refused.
                close_in_order(tcp).await;
                Err(failed(error))
            }
        }
    }

    /// Whether the certificate of a peer that connected, if it showed one, is for the host of the
    /// name that it claims.
    pub(crate) fn check_claim(
        &self,
        stream: &Stream,
        claimed: &NodeName,
    ) -> Result<(), ConnectError> {
        let Stream::Tls(stream) = stream else {
            return Ok(());
        };
        let shown = stream.get_ref().1.peer_certificates();
        let Some(certificate) = shown.and_then(<[_]>::first) else {
            return Ok(());
        };
        if !self.settings.checks_client_host {
            return Ok(());
        }
        check_host(certificate, claimed.host()).map_err(|error| ConnectError::Tls {
            with: claimed.to_string(),
            error: failure::of_tls(&error, claimed.host()),
        })
    }

    /// Why a peer might not allow this node, where its own certificate is not for its host.
    pub(crate) fn own_host(&self, own: &NodeName) -> Option<TlsError> {
        match self.certificates.load().own_host(own)? {
            TlsError::WrongHost { host, presented } => Some(TlsError::OwnHost { host, presented }),
            _ => None,
        }
    }

    /// Whom the certificate of a peer must be for, by the host of its name.
    fn server_name(&self, peer: &NodeName) -> Result<ServerName<'static>, TlsError> {
        let host = peer.host();
        match ServerName::try_from(host.to_owned()) {
            Ok(name) => Ok(name),
            // A host that no certificate can be for. Whoever does not look at hosts can connect even
            // so; an address is not told to the peer.
            Err(_) if !self.settings.checks_host => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into()),
            Err(_) => Err(TlsError::WrongHost {
                host: host.to_owned(),
                presented: Vec::new(),
            }),
        }
    }
}

/// A connection after its TLS handshake.
fn shaken(stream: TlsStream<TcpStream>, with: &impl fmt::Display) -> Stream {
    let version = stream.get_ref().1.protocol_version();
    if version == Some(ProtocolVersion::TLSv1_2) {
        tracing::info!(%with, "TLS 1.2 is spoken: a node of OTP closes such a link after 2^28 messages, unless its option `versions` says 'tlsv1.3'");
    }
    Stream::Tls(Box::new(stream))
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
