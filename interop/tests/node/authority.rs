//! Certificates for nodes of OTP and of Rust.

use std::path::PathBuf;

use beam_node::Tls;
use interop::{BeamBuilder, Directory, Otp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// One who signs certificates, in a directory that a release can read.
pub(crate) struct Authority {
    directory: Directory,
    issuer: Issuer<'static, KeyPair>,
}

/// What a node of OTP is to do about the certificates of others.
pub(crate) struct Options {
    /// `tlsv1.2`, which is OTP's default for the distribution, or `tlsv1.3`.
    pub(crate) version: &'static str,
    /// More options of both sides, such as `, {renegotiate_at, 7}`.
    pub(crate) more: &'static str,
}

impl Authority {
    pub(crate) fn new(otp: &Otp) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // All have the same name, as one has that takes the place of another.
        params
            .distinguished_name
            .push(DnType::CommonName, "interop");
        let certificate = params.self_signed(&key).unwrap();
        let directory = otp.directory().unwrap();
        directory.write("ca.pem", certificate.pem()).unwrap();
        Self {
            directory,
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes a certificate for 127.0.0.1, `NAME.pem` with `NAME.key`.
    pub(crate) fn certify(&self, name: &str) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        // OTP looks for the host of a node among the DNS names alone, be it an address.
        let host = "127.0.0.1".try_into().unwrap();
        params.subject_alt_names.push(SanType::DnsName(host));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = [("pem", certificate.pem()), ("key", key.serialize_pem())];
        for (kind, text) in files {
            self.directory
                .write(&format!("{name}.{kind}"), text)
                .unwrap();
        }
    }

    /// The file with the certificate of this authority.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// TLS for a node of Rust, with a certificate of its own.
    pub(crate) fn rust(&self) -> Tls {
        self.certify("rust");
        let path = |file| self.directory.path().join(file);
        Tls::trusting(self.ca()).certificate(path("rust.pem"), path("rust.key"))
    }

    /// Has a node of OTP speak TLS: it has a certificate of its own, wants to see that of every other
    /// node, and checks it.
    pub(crate) fn otp(&self, beam: BeamBuilder, options: &Options) -> BeamBuilder {
        self.certify("otp");
        let inside = self.directory.inside().display();
        let Options { version, more } = options;
        let both = format!(
            "{{certfile, \"{inside}/otp.pem\"}}, {{keyfile, \"{inside}/otp.key\"}}, \
             {{cacertfile, \"{inside}/ca.pem\"}}, {{verify, verify_peer}}, \
             {{versions, ['{version}']}}{more}"
        );
        let text = format!(
            "[{{server, [{both}, {{fail_if_no_peer_cert, true}}]}}, {{client, [{both}]}}].\n"
        );
        self.directory.write("options", text).unwrap();
        let file = format!("{inside}/options");
        beam.flags(["-proto_dist", "inet_tls", "-ssl_dist_optfile", &file])
    }
}
