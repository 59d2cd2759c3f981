//! Strangers that speak TLS.

use std::{
    env, fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
};

use beam_node::Tls;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::{Stage, connect, introduction};

/// One who signs the certificates of the node and of strangers, and where they are.
pub(crate) struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    /// What strangers show.
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

/// A connection that is left where it is.
pub(crate) enum Stranger {
    Clear(#[expect(dead_code, reason = "it is kept open")] TcpStream),
    Shown(
        #[expect(dead_code, reason = "it is kept open")]
        Box<StreamOwned<ClientConnection, TcpStream>>,
    ),
}

/// How many bytes of certificates a stranger shows: what TLS takes is 65,535, with all that is around
/// them.
const SHOWN_BYTES: usize = 62 * 1024;

impl Authority {
    pub(crate) fn new() -> Self {
        let directory =
            env::temp_dir().join(format!("beam-node-strangers-{:016x}", fastrand::u64(..)));
        fs::create_dir(&directory).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "strangers");
        let root = params.self_signed(&key).unwrap();
        fs::write(directory.join("ca.pem"), root.pem()).unwrap();
        let mut authority = Self {
            directory,
            issuer: Issuer::new(params, key),
            root: root.der().clone(),
            chain: Vec::new(),
            key: Vec::new(),
        };
        let (own, key) = authority.certify(0);
        fs::write(authority.directory.join("own.pem"), own.pem()).unwrap();
        fs::write(authority.directory.join("own.key"), key.serialize_pem()).unwrap();
        let (first, key) = authority.certify(0);
        authority.key = key.serialize_der();
        // The others are of no use to anybody.
        let (padding, _) = authority.certify(SHOWN_BYTES - 2 * first.der().len() - 600);
        authority.chain = vec![first.der().clone(), padding.der().clone()];
        authority
    }

    /// A certificate for the host, with so many bytes more than it needs.
    fn certify(&self, more: usize) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        if more > 0 {
            let content = vec![4; more];
            let extension =
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], content);
            params.custom_extensions.push(extension);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// What the node is told.
    pub(crate) fn tls(&self) -> Tls {
        let path = |name: &str| self.directory.join(name);
        Tls::trusting(path("ca.pem")).certificate(path("own.pem"), path("own.key"))
    }

    /// Connects and goes so far.
    pub(crate) fn stranger(&self, address: SocketAddr, stage: Stage) -> Stranger {
        let mut stream = connect(address);
        match stage {
            Stage::Silent => {}
            Stage::HalfOpen => {
                stream.write_all(&half_open()).unwrap();
            }
            Stage::Shown => return Stranger::Shown(Box::new(self.shown(stream))),
        }
        Stranger::Clear(stream)
    }

    fn shown(&self, tcp: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(self.chain.clone(), key)
            .unwrap();
        let server = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
        let connection = ClientConnection::new(Arc::new(config), server).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        stream
            .write_all(&with_long_length(&introduction("s", "a@127.0.0.1")[2..]))
            .unwrap();
        assert_eq!(read_packet(&mut stream), b"sok");
        assert_eq!(read_packet(&mut stream)[0], b'N');
        let mut longest = with_long_length(&[b'r'; 1_024]);
        longest.pop();
        stream.write_all(&longest).unwrap();
        stream
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Records with the longest message of a TLS handshake there may be, but for its last byte.
fn half_open() -> Vec<u8> {
    // What rustls reads ahead has at most 65,535 bytes, with the heads of the records.
    const LONGEST: u16 = 65_000;
    let [high, low] = LONGEST.to_be_bytes();
    let mut message = vec![1, 0, high, low];
    message.resize(4 + usize::from(LONGEST) - 1, 0);
    let mut records = Vec::new();
    for part in message.chunks(0x4000) {
        let len = u16::try_from(part.len()).unwrap();
        records.extend([0x16, 3, 1]);
        records.extend(len.to_be_bytes());
        records.extend(part);
    }
    records
}

/// Over TLS, lengths have four bytes.
fn with_long_length(packet: &[u8]) -> Vec<u8> {
    let len = u32::try_from(packet.len()).unwrap();
    [&len.to_be_bytes()[..], packet].concat()
}

fn read_packet(stream: &mut impl Read) -> Vec<u8> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).unwrap();
    let mut packet = vec![0; u32::from_be_bytes(len).try_into().unwrap()];
    stream.read_exact(&mut packet).unwrap();
    packet
}
