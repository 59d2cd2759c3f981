//! The options of TLS.

use std::path::PathBuf;

use beam_node::Tls;
use clap::ArgAction;
use rpc_load_balancer::config::TlsConfig;

use crate::failure::Failure;

/// TLS with other nodes, as Erlang's `-proto_dist inet_tls`.
///
/// An option that is not given has the value of its environment variable, such as RLB_TLS_CA.
#[derive(clap::Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsOptions {
    /// Speak TLS with all nodes, as Erlang does with -proto_dist inet_tls, and trust the authorities
    /// in this file (PEM); may be given more than once
    ///
    /// Each option of TLS has an environment variable: RLB_TLS_CA, RLB_TLS_CERTIFICATE, RLB_TLS_KEY,
    /// RLB_TLS_REQUIRE_CLIENT_CERTIFICATES, RLB_TLS_CHECK_HOST and RLB_TLS_CHECK_CLIENT_HOST; the last
    /// three are true or false.
    #[arg(long, value_name = "PATH")]
    tls_ca: Vec<PathBuf>,

    /// File with the certificate of this node, and those of authorities in between (PEM)
    ///
    /// Nodes want to see one by default. It is for the host of this node's name, as an alternative
    /// name (SAN).
    #[arg(long, value_name = "PATH")]
    tls_cert: Option<PathBuf>,

    /// File with the private key of that certificate (PEM)
    #[arg(long, value_name = "PATH")]
    tls_key: Option<PathBuf>,

    /// Whether nodes that connect must show a certificate [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, hide_short_help = true)]
    tls_require_client_certs: Option<bool>,

    /// Whether a node that is connected to must have a certificate for the host of its name
    /// [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, hide_short_help = true)]
    tls_check_host: Option<bool>,

    /// Whether a node that connects must have a certificate for the host of the name that it claims
    /// [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, hide_short_help = true)]
    tls_check_client_host: Option<bool>,
}

/// Where the settings of TLS are, which an error names by their keys.
const WHERE: &str = "`ca`, `certificate` and `key` are --tls-ca, --tls-cert and --tls-key here, else \
                     RLB_TLS_CA, RLB_TLS_CERTIFICATE and RLB_TLS_KEY";

impl TlsOptions {
    /// What these options say, then the environment, then a file; `None` for no TLS.
    pub(super) fn read(&self, file: TlsConfig) -> Result<Option<Tls>, Failure> {
        let tls = self.settings(file)?.tls();
        tls.map_err(|error| Failure::from(error).advise(WHERE))
    }

    /// Makes sure that a node that listens has a certificate, if it has TLS at all.
    pub(super) fn require_certificate(&self, file: TlsConfig) -> Result<(), Failure> {
        let settings = self.settings(file)?;
        match (settings.certificate, settings.key) {
            (None, None) if !settings.ca.is_empty() => Err(Failure::usage(
                "a node with TLS that listens needs a certificate: set `certificate` and `key` beside \
                 `ca`, or do not listen (--listen off)",
            )
            .advise(WHERE)),
            _ => Ok(()),
        }
    }

    fn settings(&self, file: TlsConfig) -> Result<TlsConfig, Failure> {
        let given = TlsConfig {
            ca: self.tls_ca.clone(),
            certificate: self.tls_cert.clone(),
            key: self.tls_key.clone(),
            require_client_certificates: self.tls_require_client_certs,
            check_host: self.tls_check_host,
            check_client_host: self.tls_check_client_host,
        };
        let environment = TlsConfig::from_environment()?;
        Ok(given.or(environment).or(file))
    }
}
