//! From files to what rustls works with.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
};

use beam_dist::NodeName;
use rustls::{
    ClientConfig, ConfigBuilder, ConfigSide, RootCertStore, ServerConfig, WantsVerifier,
    WantsVersions,
    client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer, UnixTime,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use zeroize::Zeroizing;

use super::{
    Tls, failure,
    settings::CertificateFiles,
    verifier::{AnyHost, check_host},
};
use crate::{
    RegularFile,
    connect::{IoError, TlsError},
};

/// What the files said when they were read last.
pub(super) struct Certificates {
    pub(super) connector: TlsConnector,
    /// `None` without a certificate of this node.
    pub(super) acceptor: Option<TlsAcceptor>,
    /// What this node shows, and the file that it is in.
    own: Option<(Vec<CertificateDer<'static>>, PathBuf)>,
    /// Checks certificates as peers do that trust the same authorities.
    verifier: Arc<WebPkiServerVerifier>,
}

/// Why files are of no use. Says nothing of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilesError {
    #[error("the file {path} for TLS cannot be read: {error}")]
    Unreadable { path: PathBuf, error: IoError },
    #[error("there is no certificate in {path}: expected PEM, with -----BEGIN CERTIFICATE-----")]
    NoCertificate { path: PathBuf },
    #[error("there is no private key in {path}: expected PEM, with -----BEGIN PRIVATE KEY-----")]
    NoKey { path: PathBuf },
    #[error(
        "the private key in {path} is encrypted, and there is nobody to ask for its passphrase: \
         give the node one that is not, which only it can read: `openssl pkey -in {path} -out PATH`"
    )]
    EncryptedKey { path: PathBuf },
    #[error(
        "the certificate in {path} is of X.509 version 1, which cannot say for which host it is: \
         make one of version 3, with alternative names (SAN)"
    )]
    OldCertificate { path: PathBuf },
    #[error("the file {path} is no proper PEM: {problem}")]
    Malformed { path: PathBuf, problem: String },
    #[error("the certificate {number} of {path} cannot be trusted: {problem}")]
    Authority {
        path: PathBuf,
        number: usize,
        problem: String,
    },
    #[error("the key {key} is not the one of the certificate {chain}")]
    OtherKey { chain: PathBuf, key: PathBuf },
    #[error("the certificate {chain} with the key {key} is of no use: {problem}")]
    Unusable {
        chain: PathBuf,
        key: PathBuf,
        problem: String,
    },
    #[error(
        "a node with TLS that listens needs a certificate: give it one and its key, \
         or do not listen"
    )]
    Missing,
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Certificates {
    /// Reads all files.
    pub(super) fn read(settings: &Tls) -> Result<Self, FilesError> {
        let provider = Arc::new(ring::default_provider());
        let authorities = Arc::new(read_authorities(&settings.authorities)?);
        let own = settings.certificate.as_ref().map(Own::read).transpose()?;

        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::clone(&authorities),
            Arc::clone(&provider),
        )
        .build()
        .map_err(setup)?;
        let connector = connector(settings, &provider, Arc::clone(&verifier), own.as_ref())?;
        let acceptor = match &own {
            Some(own) => Some(acceptor(settings, &provider, authorities, own)?),
            None => None,
        };
        Ok(Self {
            connector,
            acceptor,
            own: own.map(|own| (own.chain, own.files.chain.clone())),
            verifier,
        })
    }

    /// Says what peers will have against the certificate of this node, where that is certain. The node
    /// may run even so: it can be given another one, and the clock may be wrong.
    pub(super) fn warn_of_own(&self, name: &NodeName, listens: bool) {
        let Some((chain, path)) = &self.own else {
            return;
        };
        let certificate = path.display();
        match self.time_of_own(chain) {
            Some(TlsError::Expired) => {
                tracing::warn!(%certificate, "the certificate of this node has expired: others refuse it until it is renewed and read again");
            }
            Some(TlsError::NotYetValid) => {
                tracing::warn!(%certificate, "the certificate of this node is not valid yet: others refuse it until it is, or set the clock of this machine");
            }
            _ => {}
        }
        // Nodes that only connect are often at hosts that no certificate is for.
        if listens && let Some(TlsError::WrongHost { host, presented }) = self.own_host(name) {
            tracing::warn!(%certificate, ?presented, "the certificate of this node is not for {host}, the host of its name: others refuse it, unless they do not check hosts");
        }
    }

    /// Whether the certificate of this node is not for the host of its name.
    pub(super) fn own_host(&self, name: &NodeName) -> Option<TlsError> {
        let (chain, _) = self.own.as_ref()?;
        let error = check_host(chain.first()?, name.host()).err()?;
        Some(failure::of_tls(&error, name.host()))
    }

    /// Whether a certificate is out of its time, which is looked at before anything else.
    fn time_of_own(&self, chain: &[CertificateDer<'_>]) -> Option<TlsError> {
        let (certificate, intermediates) = chain.split_first()?;
        // It is not for this host, which is looked at last.
        let host = IpAddr::V4(Ipv4Addr::UNSPECIFIED).into();
        let now = UnixTime::now();
        let verified =
            self.verifier
                .verify_server_cert(certificate, intermediates, &host, &[], now);
        verified.err().map(|error| failure::of_tls(&error, ""))
    }
}

/// What the node shows of itself.
struct Own<'a> {
    files: &'a CertificateFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl<'a> Own<'a> {
    fn read(files: &'a CertificateFiles) -> Result<Self, FilesError> {
        let key = read_key(&files.key)?;
        warn_if_exposed(&files.key);
        let chain = read_certificates(&files.chain)?;
        if chain.first().is_some_and(|own| is_version_1(own)) {
            let path = files.chain.clone();
            return Err(FilesError::OldCertificate { path });
        }
        Ok(Self { files, chain, key })
    }

    /// Why the two are not taken.
    fn refused(&self, error: rustls::Error) -> FilesError {
        let (chain, key) = (self.files.chain.clone(), self.files.key.clone());
        match error {
            rustls::Error::InconsistentKeys(_) => FilesError::OtherKey { chain, key },
            error => FilesError::Unusable {
                chain,
                key,
                problem: error.to_string(),
            },
        }
    }
}

fn connector(
    settings: &Tls,
    provider: &Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    own: Option<&Own<'_>>,
) -> Result<TlsConnector, FilesError> {
    let builder = versions(ClientConfig::builder_with_provider(Arc::clone(provider)))?;
    let builder = match settings.checks_host {
        true => builder.with_webpki_verifier(verifier),
        false => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyHost(verifier))),
    };
    let mut config = match own {
        Some(own) => builder
            .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
            .map_err(|error| own.refused(error))?,
        None => builder.with_no_client_auth(),
    };
    // Links are made seldom and live long: each is worth to look at certificates anew.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config).into())
}

fn acceptor(
    settings: &Tls,
    provider: &Arc<CryptoProvider>,
    authorities: Arc<RootCertStore>,
    own: &Own<'_>,
) -> Result<TlsAcceptor, FilesError> {
    let builder = versions(ServerConfig::builder_with_provider(Arc::clone(provider)))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(authorities, Arc::clone(provider));
    let verifier = match settings.requires_client_certificates {
        true => verifier,
        false => verifier.allow_unauthenticated(),
    };
    let mut config = builder
        .with_client_cert_verifier(verifier.build().map_err(setup)?)
        .with_single_cert(own.chain.clone(), own.key.clone_key())
        .map_err(|error| own.refused(error))?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config).into())
}

/// TLS 1.2 and 1.3.
fn versions<Side: ConfigSide>(
    builder: ConfigBuilder<Side, WantsVersions>,
) -> Result<ConfigBuilder<Side, WantsVerifier>, FilesError> {
    builder.with_safe_default_protocol_versions().map_err(setup)
}

fn read_authorities(paths: &[PathBuf]) -> Result<RootCertStore, FilesError> {
    let mut authorities = RootCertStore::empty();
    for path in paths {
        for (index, certificate) in read_certificates(path)?.into_iter().enumerate() {
            authorities
                .add(certificate)
                .map_err(|error| FilesError::Authority {
                    path: path.clone(),
                    number: index + 1,
                    problem: error.to_string(),
                })?;
        }
    }
    Ok(authorities)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FilesError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| malformed(path, error))?;
    match certificates.is_empty() {
        true => Err(FilesError::NoCertificate { path: path.into() }),
        false => Ok(certificates),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, FilesError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        _ if is_encrypted(&text) => FilesError::EncryptedKey { path: path.into() },
        pem::Error::NoItemsFound => FilesError::NoKey { path: path.into() },
        error => malformed(path, error),
    })
}

/// The longest file with certificates or a key: more than all authorities of the world have.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FilesError> {
    RegularFile::read_at(path, LONGEST_FILE).map_err(|error| FilesError::Unreadable {
        path: path.into(),
        error: IoError::of_file(&error),
    })
}

/// Whether a key is in one of the two forms in which openssl encrypts them.
fn is_encrypted(key: &[u8]) -> bool {
    key.split(|byte| *byte == b'\n').any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY")
            || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}

/// Whether a certificate is of the first version of X.509: what is signed begins with a serial number
/// rather than with the version, which has a tag of its own (RFC 5280, section 4.1).
fn is_version_1(certificate: &[u8]) -> bool {
    let signed = contents(certificate).and_then(contents);
    signed.is_some_and(|signed| signed.first() == Some(&INTEGER))
}

/// What is in the sequence that comes first.
fn contents(der: &[u8]) -> Option<&[u8]> {
    let (&tag, rest) = der.split_first()?;
    let (&len, rest) = rest.split_first()?;
    // A long length follows in as many bytes.
    let skipped = if len & 0x80 == 0 { 0 } else { len & 0x7F };
    (tag == SEQUENCE).then(|| rest.get(usize::from(skipped)..))?
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Says so where everybody on the machine can read a key. Where files are mounted into a container,
/// that is common and harmless, so it is no error.
#[cfg(unix)]
fn warn_if_exposed(key: &Path) {
    use std::os::unix::fs::PermissionsExt as _;

    const READABLE_BY_ALL: u32 = 0o004;
    if let Ok(metadata) = key.metadata()
        && metadata.permissions().mode() & READABLE_BY_ALL != 0
    {
        tracing::warn!(key = %key.display(), "everybody on this machine can read the private key of this node: chmod 400");
    }
}

#[cfg(not(unix))]
fn warn_if_exposed(_key: &Path) {}

fn malformed(path: &Path, error: pem::Error) -> FilesError {
    FilesError::Malformed {
        path: path.into(),
        problem: error.to_string(),
    }
}

fn setup(error: impl std::fmt::Display) -> FilesError {
    FilesError::Setup(error.to_string())
}
