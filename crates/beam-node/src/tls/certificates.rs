//! From files to what rustls works with.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, ConfigBuilder, ConfigSide, RootCertStore, ServerConfig, WantsVerifier,
    WantsVersions,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Tls, settings::CertificateFiles, verifier::AnyHost};
use crate::connect::IoError;

/// What the files said when they were read last.
pub(super) struct Certificates {
    pub(super) connector: TlsConnector,
    /// `None` without a certificate of this node.
    pub(super) acceptor: Option<TlsAcceptor>,
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

        let connector = connector(settings, &provider, &authorities, own.as_ref())?;
        let acceptor = match &own {
            Some(own) => Some(acceptor(settings, &provider, authorities, own)?),
            None => None,
        };
        Ok(Self {
            connector,
            acceptor,
        })
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
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| match error {
            pem::Error::NoItemsFound => FilesError::NoKey {
                path: files.key.clone(),
            },
            error => unread(&files.key, error),
        })?;
        warn_if_exposed(&files.key);
        Ok(Self {
            files,
            chain: read_certificates(&files.chain)?,
            key,
        })
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
    authorities: &Arc<RootCertStore>,
    own: Option<&Own<'_>>,
) -> Result<TlsConnector, FilesError> {
    let builder = versions(ClientConfig::builder_with_provider(Arc::clone(provider)))?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(authorities), Arc::clone(provider))
            .build()
            .map_err(setup)?;
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
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unread(path, error))?;
    match certificates.is_empty() {
        true => Err(FilesError::NoCertificate { path: path.into() }),
        false => Ok(certificates),
    }
}

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

fn unread(path: &Path, error: pem::Error) -> FilesError {
    let path = path.into();
    match error {
        pem::Error::Io(error) => FilesError::Unreadable {
            path,
            error: IoError::from(error),
        },
        error => FilesError::Malformed {
            path,
            problem: error.to_string(),
        },
    }
}

fn setup(error: impl std::fmt::Display) -> FilesError {
    FilesError::Setup(error.to_string())
}
