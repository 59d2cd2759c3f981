//! Strangers in the TLS handshake.

use std::io::ErrorKind;

use beam_node::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{HOST, start};
use crate::support::{Authority, Cluster, within};

#[tokio::test(flavor = "multi_thread")]
async fn one_who_says_nothing_has_as_long_as_any_handshake() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let limits = Limits {
        handshake_ms: 100,
        ..Limits::default()
    };
    let builder = cluster.builder("a").tls(authority.tls(HOST)).limits(limits);
    let a = within(builder.start()).await.unwrap();
    let mut silent = TcpStream::connect(cluster.address(a.name()).await)
        .await
        .unwrap();
    let mut rest = Vec::new();
    assert_eq!(within(silent.read_to_end(&mut rest)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_say_nothing_keep_nobody_out() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let limits = Limits {
        unauthenticated_connections: 2,
        handshake_ms: 1_000_000,
        ..Limits::default()
    };
    let builder = cluster.builder("a").tls(authority.tls(HOST)).limits(limits);
    let a = within(builder.start()).await.unwrap();
    let address = cluster.address(a.name()).await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }

    let b = start(&cluster, "b", authority.tls(HOST)).await;
    within(b.connect(a.name())).await.unwrap();

    for stranger in &mut silent[..4] {
        let end = within(stranger.read_u8()).await.unwrap_err();
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_announces_too_much_is_refused() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let a = start(&cluster, "a", authority.tls(HOST)).await;
    let mut stranger = TcpStream::connect(cluster.address(a.name()).await)
        .await
        .unwrap();
    // A message of a handshake of 16 MiB, in records of 16 KiB.
    let mut record = vec![0x16, 3, 1, 0x40, 0];
    record.extend([1, 0xFF, 0xFF, 0xFF]);
    record.resize(5 + 0x4000, 0);
    let mut sent = 0;
    let flood = async {
        while stranger.write_all(&record).await.is_ok() {
            sent += record.len();
        }
    };
    within(flood).await;
    // What the kernels of both sides take, and no more than a handshake may have.
    assert!(sent < 16 << 20, "{sent}");
}
