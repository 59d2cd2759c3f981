//! The settings of TLS.

use std::path::PathBuf;

use beam_node::{Error, Tls};
use serde::{Deserialize, Deserializer};

use super::{
    table::table,
    variables::{self, Variables},
};

/// The settings of TLS for a node; what is not set is left to the defaults. The keys and their
/// values are those of [the module](super).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The files with the authorities that are trusted. Without one there is no TLS.
    #[serde(deserialize_with = "one_or_more")]
    pub ca: Vec<PathBuf>,
    /// The file with the certificate of the node.
    pub certificate: Option<PathBuf>,
    /// The file with its private key.
    pub key: Option<PathBuf>,
    /// See [`Tls::require_client_certificates`].
    pub require_client_certificates: Option<bool>,
    /// See [`Tls::check_host`].
    pub check_host: Option<bool>,
    /// See [`Tls::check_client_host`].
    pub check_client_host: Option<bool>,
}

/// Refuses a table that says nothing.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TlsConfig, D::Error> {
    let config: TlsConfig = table(deserializer)?;
    match config == TlsConfig::default() {
        true => Err(serde::de::Error::custom(
            "it says nothing: say which authorities are trusted (`ca`), or leave it out to have no TLS",
        )),
        false => Ok(config),
    }
}

impl Variables for TlsConfig {
    const PREFIX: &'static str = "RLB_TLS_";
    const LISTS: &'static [&'static str] = &["ca"];

    fn cure_of_empty(_key: &str) -> Option<&'static str> {
        Some(
            "say what it is, or unset it to have none. A node that was to have TLS must not be without it \
             by a slip",
        )
    }
}

impl TlsConfig {
    /// The settings of the environment, variables such as `RLB_TLS_CA`; several files are separated
    /// by commas.
    ///
    /// # Errors
    ///
    /// `bad_request` with the name of the variable, where its value is none for its key. One that is set
    /// and empty is none.
    pub fn from_environment() -> Result<Self, Error> {
        variables::from_environment()
    }

    /// These settings, and those of `other` where these say nothing.
    ///
    /// A certificate and its key stay together: they come from where either is set first.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let (certificate, key) = match (self.certificate, self.key) {
            (None, None) => (other.certificate, other.key),
            own => own,
        };
        Self {
            ca: match self.ca.is_empty() {
                true => other.ca,
                false => self.ca,
            },
            certificate,
            key,
            require_client_certificates: self
                .require_client_certificates
                .or(other.require_client_certificates),
            check_host: self.check_host.or(other.check_host),
            check_client_host: self.check_client_host.or(other.check_client_host),
        }
    }

    /// What a node is to be told, for [`NodeBuilder::tls`](beam_node::NodeBuilder::tls); `None` where
    /// nothing is set.
    ///
    /// # Errors
    ///
    /// `bad_request` where something is set, but no authority to trust, or only one of the certificate
    /// and its key: a node that was to have TLS must not be without it by a slip.
    pub fn tls(&self) -> Result<Option<Tls>, Error> {
        let Some((first, more)) = self.ca.split_first() else {
            if *self == Self::default() {
                return Ok(None);
            }
            return Err(Error::bad_request(
                "the settings of TLS have no `ca`: say which authorities are trusted",
            ));
        };
        let mut tls = more
            .iter()
            .fold(Tls::trusting(first), |tls, path| tls.and_trusting(path));
        tls = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => tls.certificate(certificate, key),
            (None, None) => tls,
            (Some(_), None) => {
                return Err(Error::bad_request(
                    "the settings of TLS have a `certificate` and no `key`",
                ));
            }
            (None, Some(_)) => {
                return Err(Error::bad_request(
                    "the settings of TLS have a `key` and no `certificate`",
                ));
            }
        };
        if let Some(require) = self.require_client_certificates {
            tls = tls.require_client_certificates(require);
        }
        if let Some(check) = self.check_host {
            tls = tls.check_host(check);
        }
        if let Some(check) = self.check_client_host {
            tls = tls.check_client_host(check);
        }
        Ok(Some(tls))
    }
}

/// Reads a path, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a path or a list of paths")]
    enum Paths {
        One(PathBuf),
        More(Vec<PathBuf>),
    }

    Paths::deserialize(deserializer).map(|paths| match paths {
        Paths::One(path) => vec![path],
        Paths::More(paths) => paths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const FILE: &str = r#"
        [tls]
        ca = ["ca.pem", "old-ca.pem"]
        certificate = "web1.pem"
        key = "web1.key"
        require_client_certificates = false
        check_client_host = false
    "#;

    fn environment(variables: &[(&str, &str)]) -> Result<TlsConfig, Error> {
        variables::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn tls_that_is_meant_and_not_said_is_refused() {
        for (variable, value) in [("RLB_TLS_CA", ""), ("RLB_TLS_KEY", " ")] {
            let error = environment(&[(variable, value)]).unwrap_err();
            assert!(error.message.contains(variable), "{error}");
            assert!(error.message.contains("unset it"), "{error}");
        }
        for text in ["[tls]", "[tls]\nca = []"] {
            let error = Config::from_toml(text).unwrap_err();
            assert!(error.message.contains("`ca`"), "{error}");
        }
    }

    #[test]
    fn what_is_set_is_what_a_node_is_told() {
        let config = Config::from_toml(FILE).unwrap();
        let expected = Tls::trusting("ca.pem")
            .and_trusting("old-ca.pem")
            .certificate("web1.pem", "web1.key")
            .require_client_certificates(false)
            .check_client_host(false);
        assert_eq!(config.tls().tls().unwrap(), Some(expected));

        let config = Config::from_toml("[tls]\nca = \"ca.pem\"").unwrap();
        let expected = Tls::trusting("ca.pem");
        assert_eq!(config.tls().tls().unwrap(), Some(expected));
        assert_eq!(Config::default().tls().tls().unwrap(), None);
    }

    #[test]
    fn variables_have_the_values_of_the_file_as_text() {
        let read = environment(&[
            ("RLB_TLS_CA", "ca.pem, old-ca.pem"),
            ("RLB_TLS_CERTIFICATE", "web1.pem"),
            ("RLB_TLS_KEY", "web1.key"),
            ("RLB_TLS_REQUIRE_CLIENT_CERTIFICATES", "false"),
            ("RLB_TLS_CHECK_CLIENT_HOST", "false"),
        ]);
        assert_eq!(read.unwrap(), *Config::from_toml(FILE).unwrap().tls());

        let error = environment(&[("RLB_TLS_CHECK_HOST", "perhaps")]).unwrap_err();
        assert!(
            error
                .message
                .starts_with("RLB_TLS_CHECK_HOST: \"perhaps\": "),
            "{error}"
        );
    }

    #[test]
    fn a_certificate_comes_with_the_key_of_the_same_place() {
        let file = Config::from_toml(FILE).unwrap().tls().clone();
        let nearer = environment(&[("RLB_TLS_CERTIFICATE", "web2.pem")]).unwrap();
        let both = nearer.or(file);
        assert_eq!(both.certificate, Some("web2.pem".into()));
        assert_eq!((both.key.as_ref(), both.ca.len()), (None, 2));
        assert!(both.tls().unwrap_err().message.contains("no `key`"));
    }

    #[test]
    fn settings_that_would_do_without_tls_are_refused() {
        for (text, said) in [
            ("certificate = \"c\"\nkey = \"k\"", "no `ca`"),
            ("check_host = true", "no `ca`"),
            ("ca = \"c\"\nkey = \"k\"", "no `certificate`"),
        ] {
            let config = Config::from_toml(&format!("[tls]\n{text}")).unwrap();
            let error = config.tls().tls().unwrap_err();
            assert!(error.message.contains(said), "{error}");
        }
        for (text, said) in [
            ("ca = 1", "a list of paths"),
            ("cert = \"c\"", "there is no key `cert`"),
        ] {
            let error = Config::from_toml(&format!("[tls]\n{text}")).unwrap_err();
            assert!(error.message.contains(said), "{error}");
        }
    }
}
