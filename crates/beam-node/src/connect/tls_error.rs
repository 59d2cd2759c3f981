//! Why there is no TLS with a peer.

use super::IoError;

/// Why a connection over TLS was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The peer speaks something else, such as the distribution protocol in clear.
    #[error(
        "it does not speak TLS, and this node speaks nothing else: \
         give that node TLS as well (-proto_dist inet_tls), or take it from this one"
    )]
    PeerIsPlain,

    /// The peer closed the connection amid the TLS handshake.
    #[error(
        "it closed the connection in the TLS handshake: its log may say why, \
         if it is not that it does not speak TLS"
    )]
    Closed,

    /// The peer said nothing for too long in the TLS handshake.
    #[error("it does not answer in the TLS handshake: does it speak TLS?")]
    TimedOut,

    /// The certificate is not of an authority that this node trusts.
    #[error(
        "its certificate is not of an authority that this node trusts: \
         give this node the certificate of that authority"
    )]
    UnknownAuthority,

    /// The certificate is for other hosts than that of the peer's name.
    #[error(
        "its certificate is not for {host}{}: it needs that among its alternative names (SAN)",
        display::presented(presented)
    )]
    WrongHost {
        /// The host, as the name of the node has it.
        host: String,
        /// What the certificate is for, where that can be told.
        presented: Vec<String>,
    },

    /// The certificate of this node is for other hosts than that of its name. A peer that does not allow
    /// this node does not say why, so that this is a hint, in the log and in the error of the connection,
    /// [`ConnectError::NotAllowed`](super::ConnectError::NotAllowed).
    #[error(
        "the certificate of this node is not for {host}{}, which may be why: if that node checks hosts, \
         give this node one that has its host among its alternative names (SAN), or see the log there",
        display::presented(presented)
    )]
    OwnHost {
        /// The host, as the name of this node has it.
        host: String,
        /// What the certificate is for, where that can be told.
        presented: Vec<String>,
    },

    /// The certificate is of the first version of X.509, which has no alternative names.
    #[error(
        "its certificate is of X.509 version 1, which cannot say for which host it is: \
         it needs one of version 3, with alternative names (SAN)"
    )]
    OldCertificate,

    /// The certificate has expired.
    #[error("its certificate has expired: renew it, or set the clock of this machine")]
    Expired,

    /// The certificate is not valid yet.
    #[error("its certificate is not valid yet: set the clocks of both machines")]
    NotYetValid,

    /// The peer showed no certificate, and this node wants one.
    #[error("it showed no certificate, which this node wants of those that connect")]
    NoCertificate,

    /// The peer did not take the certificate of this node, or that there was none.
    #[error("{}", display::refusal(alert))]
    Refused {
        /// What it said, such as `UnknownCA`.
        alert: String,
    },

    /// The certificate is wrong in another way, or the two agree on no way to speak.
    #[error("{0}")]
    Other(String),

    /// The connection failed.
    #[error("the connection failed in the TLS handshake: {0}")]
    Io(IoError),
}

mod display {
    use std::fmt;

    pub(super) fn presented(names: &[String]) -> impl fmt::Display {
        fmt::from_fn(move |f| match names {
            [] => Ok(()),
            names => write!(f, " but for {}", names.join(", ")),
        })
    }

    pub(super) fn refusal(alert: &str) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let advice = match alert {
                // The second where it knows another authority of the same name.
                "UnknownCA" | "DecryptError" => {
                    "it does not trust the authority of this node's certificate: \
                     give it the certificate of that authority"
                }
                "CertificateExpired" => "this node's certificate has expired: renew it",
                "CertificateRequired" => "it wants to see a certificate: give this node one",
                "BadCertificate" | "CertificateUnknown" | "UnsupportedCertificate" => {
                    "it does not take this node's certificate: see its log; \
                     is the certificate for the host of this node's name?"
                }
                "HandshakeFailure" => {
                    "it may want to see a certificate of this node, or another version of TLS: \
                     see its log"
                }
                _ => "see its log",
            };
            write!(f, "it refused the TLS handshake ({alert}): {advice}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_for_other_hosts_is_shown_with_these() {
        for (presented, expected) in [
            (&[][..], "not for web1: it needs"),
            (
                &["web2", "10.0.0.7"],
                "not for web1 but for web2, 10.0.0.7: it needs",
            ),
        ] {
            let error = TlsError::WrongHost {
                host: "web1".into(),
                presented: presented.iter().copied().map(String::from).collect(),
            };
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (alert, expected) in [
            ("UnknownCA", "give it the certificate of that authority"),
            ("CertificateRequired", "give this node one"),
            ("InternalError", "see its log"),
        ] {
            let error = TlsError::Refused {
                alert: alert.into(),
            };
            let message = error.to_string();
            assert!(
                message.contains(alert) && message.contains(expected),
                "{message}"
            );
        }
    }
}
