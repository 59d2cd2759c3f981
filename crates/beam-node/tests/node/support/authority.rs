//! Certificates of a test's own.

use std::{
    env, fs,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    process,
};

use beam_node::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// One who signs certificates, and the directory where they are. It is removed when this is dropped.
pub(crate) struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let number = RandomState::new().hash_one(process::id());
        let directory = env::temp_dir().join(format!("beam-node-{number:016x}"));
        fs::create_dir(&directory).unwrap();

        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {number:016x}");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(directory.join("ca.pem"), certificate.pem()).unwrap();
        Self {
            directory,
            issuer: Issuer::new(params, key),
        }
    }

    /// The path of a file.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Trusts this authority, and shows nothing.
    pub(crate) fn trusted(&self) -> Tls {
        Tls::trusting(self.path("ca.pem"))
    }

    /// The same with a new certificate for a host.
    pub(crate) fn tls(&self, host: &str) -> Tls {
        let (chain, key) = self.certify(host, |_| {});
        self.trusted().certificate(chain, key)
    }

    /// Writes a certificate for a host, `HOST.pem` with `HOST.key`, in the place of one that is there.
    pub(crate) fn certify(
        &self,
        host: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (chain, path) = (
            self.path(&format!("{host}.pem")),
            self.path(&format!("{host}.key")),
        );
        fs::write(&chain, certificate.pem()).unwrap();
        fs::write(&path, key.serialize_pem()).unwrap();
        (chain, path)
    }

    /// Writes a certificate for a host that has expired.
    pub(crate) fn certify_in_the_past(&self, host: &str) -> (PathBuf, PathBuf) {
        self.certify(host, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
