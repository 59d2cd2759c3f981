//! What a node is told of TLS.

use std::path::PathBuf;

/// TLS for every link of a node, as OTP's `-proto_dist inet_tls`.
///
/// ```no_run
/// use beam_node::{Node, Tls};
///
/// # async fn example() -> Result<(), beam_node::Error> {
/// let tls = Tls::trusting("ca.pem").certificate("web1.pem", "web1.key");
/// let node = Node::builder("app@web1").tls(tls).start().await?;
/// // After the files were renewed:
/// node.reload_tls()?;
/// # Ok(())
/// # }
/// ```
///
/// A node with TLS speaks nothing else: it neither connects to a node without it nor accepts one.
/// TLS 1.3 and 1.2 are spoken, and no session is resumed: every link is made by a full handshake.
/// By default both sides of a link show a certificate, and both are checked:
///
/// - It must come from an authority that is trusted. Only those of the given files are, not those of
///   the operating system.
/// - It must not have expired.
/// - It must be for the host of the node's name: for `app@web1` it has the DNS name `web1` among its
///   alternative names (SAN), for `app@10.0.0.7` the IP address `10.0.0.7`. The common name is not
///   looked at. OTP looks for DNS names alone, so that a certificate for a node at an address has
///   it as both, if nodes of OTP connect there.
///
/// Files are in PEM form. They are read when the node starts, and by
/// [`Node::reload_tls`](crate::Node::reload_tls).
///
/// # With nodes of OTP
///
/// A node of OTP does the same with `verify_peer` on both sides, and `fail_if_no_peer_cert` on the
/// side of the server. It never checks that a node that connects has a certificate for the name that
/// it claims, unless `net_kernel:allow/1` limits the names; see [`Tls::check_client_host`].
///
/// OTP speaks TLS 1.2 between nodes unless its option `versions` says `'tlsv1.3'`, which is to be
/// preferred: with 1.2 it wants new keys after 2²⁸ messages of a link by a way that is left out of
/// this implementation for its security (renegotiation), and then closes the link, which is made
/// anew.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "TLS is spoken by the node that it is given to"]
pub struct Tls {
    pub(super) authorities: Vec<PathBuf>,
    pub(super) certificate: Option<CertificateFiles>,
    pub(super) requires_client_certificates: bool,
    pub(super) checks_host: bool,
    pub(super) checks_client_host: bool,
}

/// The files by which a node shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CertificateFiles {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

impl Tls {
    /// Trusts certificates of the authorities in a file, of one or more.
    pub fn trusting(authorities: impl Into<PathBuf>) -> Self {
        Self {
            authorities: vec![authorities.into()],
            certificate: None,
            requires_client_certificates: true,
            checks_host: true,
            checks_client_host: true,
        }
    }

    /// Trusts those of another file as well.
    pub fn and_trusting(mut self, authorities: impl Into<PathBuf>) -> Self {
        self.authorities.push(authorities.into());
        self
    }

    /// Sets the certificate of this node, and its private key. After the certificate, the file has
    /// those of authorities in between that peers may not know.
    ///
    /// A node that listens needs one, and so does one that connects to nodes which want to see one.
    pub fn certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some(CertificateFiles {
            chain: chain.into(),
            key: key.into(),
        });
        self
    }

    /// Whether nodes that connect must show a certificate. Default: `true`.
    ///
    /// With `false`, whoever has the cookie gets in without one; a certificate that is shown is
    /// checked even so. The cookie goes to none but nodes whose certificate was checked, and not
    /// even to these in clear.
    pub fn require_client_certificates(mut self, require: bool) -> Self {
        self.requires_client_certificates = require;
        self
    }

    /// Whether the certificate of a node that this one connects to must be for the host of its name.
    /// Default: `true`.
    ///
    /// With `false`, every node with a certificate of a trusted authority can stand in for every
    /// other.
    pub fn check_host(mut self, check: bool) -> Self {
        self.checks_host = check;
        self
    }

    /// Whether the certificate of a node that connects must be for the host of the name that it
    /// claims to have. Default: `true`.
    ///
    /// With `false`, every node with a certificate of a trusted authority, and the cookie, can
    /// connect under every name, as it can with OTP. Nodes that only connect, such as a shell on
    /// someone's own machine, may need this.
    pub fn check_client_host(mut self, check: bool) -> Self {
        self.checks_client_host = check;
        self
    }
}
