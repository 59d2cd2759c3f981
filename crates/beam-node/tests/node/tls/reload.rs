//! Certificates that are renewed while a node runs.

use std::fs;

use beam_node::{Code, TlsError};

use super::{HOST, not_connected, of_tls, start};
use crate::support::{Authority, Cluster, connect, within};

#[tokio::test(flavor = "multi_thread")]
async fn new_links_use_what_was_read_again_and_others_stay() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let (chain, key) = authority.certify_in_the_past(HOST);
    let tls = authority.trusted().certificate(chain, key);
    let renewed = start(&cluster, "renewed", tls.clone()).await;
    // Nobody connects to one with such a certificate.
    let before = start(&cluster, "before", tls).await;
    authority.certify(HOST, |_| {});
    before.reload_tls().unwrap();
    let error = within(before.connect(renewed.name())).await.unwrap_err();
    assert_eq!(*of_tls(not_connected(&error)), TlsError::Expired);

    renewed.reload_tls().unwrap();

    connect(&before, &renewed).await;
    // One that is worse does nothing to a link that is there.
    authority.certify_in_the_past(HOST);
    renewed.reload_tls().unwrap();
    within(before.ping(renewed.name())).await.unwrap();
    let late = start(
        &cluster,
        "late",
        authority.trusted().certificate(
            authority.path(&format!("{HOST}.pem")),
            authority.path(&format!("{HOST}.key")),
        ),
    )
    .await;
    let error = within(late.connect(renewed.name())).await.unwrap_err();
    assert_eq!(*of_tls(not_connected(&error)), TlsError::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_can_be_replaced() {
    let cluster = Cluster::new();
    let (old, new) = (Authority::new(), Authority::new());
    let a = start(&cluster, "a", old.tls(HOST)).await;
    let (chain, key) = new.certify(HOST, |_| {});
    let trusting_both = new.tls(HOST).and_trusting(old.path("ca.pem"));
    let b = start(&cluster, "b", trusting_both.certificate(chain, key)).await;
    let error = within(a.connect(b.name())).await.unwrap_err();
    assert_eq!(*of_tls(not_connected(&error)), TlsError::UnknownAuthority);

    let both = fs::read_to_string(old.path("ca.pem")).unwrap()
        + &fs::read_to_string(new.path("ca.pem")).unwrap();
    fs::write(old.path("ca.pem"), both).unwrap();
    a.reload_tls().unwrap();

    connect(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_of_no_use_leave_all_as_it_was() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let tls = authority.tls(HOST);
    let a = start(&cluster, "a", tls.clone()).await;
    let b = start(&cluster, "b", tls).await;
    for (file, text) in [
        ("127.0.0.1.pem", "torn"),
        ("127.0.0.1.key", ""),
        ("ca.pem", ""),
    ] {
        let before = fs::read_to_string(authority.path(file)).unwrap();
        fs::write(authority.path(file), text).unwrap();
        let error = a.reload_tls().unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        assert!(error.message.contains(file), "{error}");
        fs::write(authority.path(file), before).unwrap();
    }
    fs::remove_file(authority.path("127.0.0.1.key")).unwrap();
    a.reload_tls().unwrap_err();

    connect(&b, &a).await;
}

#[tokio::test]
async fn a_node_without_tls_has_nothing_to_read_again() {
    let cluster = Cluster::new();
    let plain = cluster.start("plain").await;
    assert!(!plain.has_tls());
    let error = plain.reload_tls().unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
}
