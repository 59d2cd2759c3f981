//! Nodes with TLS and nodes without it.

use beam_node::{ConnectError, TlsError};

use super::{HOST, not_connected, of_tls, start};
use crate::support::{Authority, Cluster, Warnings, eventually, within};

#[tokio::test]
async fn a_node_without_tls_is_refused_and_both_are_told_why() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let warnings = Warnings::collect();
    let plain = cluster.start("plain").await;
    let secure = start(&cluster, "secure", authority.tls(HOST)).await;

    let error = within(plain.connect(secure.name())).await.unwrap_err();

    let wants_tls = ConnectError::WantsTls {
        with: secure.name().to_string(),
    };
    assert_eq!(*not_connected(&error), wants_tls);
    eventually(|| warnings.count("refused a connection") == 1).await;
    assert!(plain.peers().is_empty() && secure.peers().is_empty());
}

#[tokio::test]
async fn a_node_with_tls_does_not_connect_without_it_and_both_are_told_why() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let warnings = Warnings::collect();
    let plain = cluster.start("plain").await;
    let secure = start(&cluster, "secure", authority.tls(HOST)).await;

    let error = within(secure.connect(plain.name())).await.unwrap_err();

    assert_eq!(*of_tls(not_connected(&error)), TlsError::PeerIsPlain);
    eventually(|| warnings.count("refused a connection") == 1).await;
    assert!(plain.peers().is_empty() && secure.peers().is_empty());
}
