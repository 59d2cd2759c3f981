//! What went wrong, in the words of this project.

use std::io;

use rustls::{CertificateError, Error, InvalidMessage};

use crate::connect::{IoError, TlsError};

/// What TLS had to say against going on, if the error is one of TLS.
pub(crate) fn explain(error: &io::Error) -> Option<TlsError> {
    error
        .get_ref()?
        .downcast_ref::<Error>()
        .map(|error| of_tls(error, ""))
}

/// Why a TLS handshake failed with a peer whose name has this host.
pub(super) fn of_handshake(error: &io::Error, host: &str) -> TlsError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match (inner, error.kind()) {
        (Some(error), _) => of_tls(error, host),
        (
            None,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe,
        ) => TlsError::Closed,
        (None, _) => TlsError::Io(IoError::from(error)),
    }
}

/// Why TLS did not go on with a peer whose name has this host.
pub(super) fn of_tls(error: &Error, host: &str) -> TlsError {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsError::PeerIsPlain,
        Error::NoCertificatesPresented => TlsError::NoCertificate,
        Error::AlertReceived(alert) => TlsError::Refused {
            alert: format!("{alert:?}"),
        },
        Error::InvalidCertificate(error) => of_certificate(error, host),
        error => TlsError::Other(error.to_string()),
    }
}

fn of_certificate(error: &CertificateError, host: &str) -> TlsError {
    let wrong_host = |presented| TlsError::WrongHost {
        host: host.to_owned(),
        presented,
    };
    match error {
        // The second is one of an authority that only has the name of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            TlsError::UnknownAuthority
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsError::NotYetValid
        }
        CertificateError::NotValidForName => wrong_host(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            wrong_host(presented.iter().map(|name| plain(name)).collect())
        }
        // What is wrong is only told as a text.
        error if error.to_string().contains("UnsupportedCertVersion") => TlsError::OldCertificate,
        error => TlsError::Other(format!("its certificate is of no use: {error}")),
    }
}

/// The name alone of one that is presented as `DnsName("web1")`.
fn plain(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_kind, inner)| inner.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    use super::*;
    use crate::tls::verifier::check_host;

    #[test]
    fn a_certificate_of_the_first_version_is_told_as_such() {
        let pem = include_bytes!("../../tests/node/tls/version_1.pem");
        let certificate = CertificateDer::from_pem_slice(pem).unwrap();
        let error = check_host(&certificate, "127.0.0.1").unwrap_err();
        assert_eq!(of_tls(&error, "127.0.0.1"), TlsError::OldCertificate);
    }
}
