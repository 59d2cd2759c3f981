//! Which certificates are taken.

use beam_dist::handshake::HandshakeError;
use beam_node::{Code, ConnectError, Listen, Node, TlsError};

use rcgen::{CertificateParams, date_time_ymd};

use super::{HOST, not_connected, of_tls, start};
use crate::support::{Authority, Cluster, Warnings, connect_failed, refused, within};

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_an_unknown_authority_is_refused_on_both_sides() {
    let cluster = Cluster::new();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let a = start(&cluster, "a", ours.tls(HOST)).await;
    let b = start(&cluster, "b", theirs.tls(HOST)).await;
    let mut b_events = b.events();

    let error = within(a.connect(b.name())).await.unwrap_err();

    assert_eq!(error.code, Code::ServiceUnavailable);
    assert!(!error.may_have_run());
    assert_eq!(*of_tls(not_connected(&error)), TlsError::UnknownAuthority);
    // The other way round each says the same of the other.
    let error = within(b.connect(a.name())).await.unwrap_err();
    assert_eq!(*of_tls(not_connected(&error)), TlsError::UnknownAuthority);
    let (peer, reason) = connect_failed(&mut b_events).await;
    assert_eq!(peer, *a.name());
    assert_eq!(*of_tls(&reason), TlsError::UnknownAuthority);
    assert!(a.peers().is_empty() && b.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_authority_only_the_other_does_not_know_is_told() {
    let cluster = Cluster::new();
    let (known, unknown) = (Authority::new(), Authority::new());
    let (chain, key) = unknown.certify(HOST, |_| {});
    let a = start(&cluster, "a", known.trusted().certificate(chain, key)).await;
    let b = start(&cluster, "b", known.tls(HOST)).await;

    let error = within(a.connect(b.name())).await.unwrap_err();

    let refused = TlsError::Refused {
        alert: "UnknownCA".into(),
    };
    assert_eq!(*of_tls(not_connected(&error)), refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_must_have_a_certificate_for_its_host_where_it_is_connected_to() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let a = start(&cluster, "a", authority.tls(HOST)).await;
    let b = start(&cluster, "b", authority.tls("elsewhere")).await;

    let error = within(a.connect(b.name())).await.unwrap_err();

    let wrong_host = TlsError::WrongHost {
        host: HOST.into(),
        presented: vec!["elsewhere".into()],
    };
    assert_eq!(*of_tls(not_connected(&error)), wrong_host);

    let lenient = start(&cluster, "c", authority.tls(HOST).check_host(false)).await;
    within(lenient.connect(b.name())).await.unwrap();
}

#[tokio::test]
async fn a_node_must_have_a_certificate_for_the_host_that_it_claims_to_be_on() {
    let warnings = Warnings::collect();
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let a = start(&cluster, "a", authority.tls("elsewhere")).await;
    let b = start(&cluster, "b", authority.tls(HOST)).await;
    let mut events = b.events();

    let error = within(a.connect(b.name())).await.unwrap_err();

    // The peer says no more than that it does not allow it, and what this node shows says why it may be.
    assert!(
        matches!(
            not_connected(&error),
            ConnectError::NotAllowed { peer, certificate: TlsError::OwnHost { host, .. } }
                if peer == b.name() && host == HOST
        ),
        "{error:?}"
    );
    let hint = "is not for 127.0.0.1 but for elsewhere, which may be why";
    assert!(error.message.contains(hint), "{error}");
    assert_eq!(warnings.count(hint), 1);
    let (peer, reason) = refused(&mut events).await;
    assert_eq!(peer, *a.name());
    assert!(matches!(of_tls(&reason), TlsError::WrongHost { host, .. } if host == HOST));

    let lenient = authority.tls(HOST).check_client_host(false);
    let lenient = start(&cluster, "c", lenient).await;
    within(a.connect(lenient.name())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_certificate_gets_in_only_where_none_is_required() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let strict = start(&cluster, "a", authority.tls(HOST)).await;
    let lenient = authority.tls(HOST).require_client_certificates(false);
    let lenient = start(&cluster, "b", lenient).await;
    let nobody = cluster.builder("nobody").tls(authority.trusted());
    let nobody = within(nobody.listen(Listen::Off).start()).await.unwrap();

    let error = within(nobody.connect(strict.name())).await.unwrap_err();

    let refused = TlsError::Refused {
        alert: "CertificateRequired".into(),
    };
    assert_eq!(*of_tls(not_connected(&error)), refused);
    within(nobody.connect(lenient.name())).await.unwrap();
    within(nobody.ping(lenient.name())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked_even_where_none_is_required() {
    let cluster = Cluster::new();
    let (known, unknown) = (Authority::new(), Authority::new());
    let (chain, key) = unknown.certify(HOST, |_| {});
    let a = start(&cluster, "a", known.trusted().certificate(chain, key)).await;
    let lenient = known.tls(HOST).require_client_certificates(false);
    let lenient = start(&cluster, "b", lenient).await;

    let error = within(a.connect(lenient.name())).await.unwrap_err();

    assert!(matches!(
        of_tls(not_connected(&error)),
        TlsError::Refused { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired_is_refused_either_way() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let b = start(&cluster, "b", authority.tls(HOST)).await;
    let (chain, key) = authority.certify_in_the_past(HOST);
    let expired = authority.trusted().certificate(chain, key);
    let a = start(&cluster, "a", expired).await;

    let error = within(b.connect(a.name())).await.unwrap_err();
    assert_eq!(*of_tls(not_connected(&error)), TlsError::Expired);

    let error = within(a.connect(b.name())).await.unwrap_err();
    let refused = TlsError::Refused {
        alert: "CertificateExpired".into(),
    };
    assert_eq!(*of_tls(not_connected(&error)), refused);
}

#[tokio::test]
async fn a_node_that_is_not_allowed_for_another_reason_is_not_told_of_its_certificate() {
    let warnings = Warnings::collect();
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let a = start(&cluster, "a", authority.tls(HOST)).await;
    let builder = cluster.builder("b").allow_peers(["c@*"]);
    let b = within(builder.tls(authority.tls(HOST)).start())
        .await
        .unwrap();

    let error = within(a.connect(b.name())).await.unwrap_err();

    assert_eq!(*not_connected(&error), not_allowed(&b));
    assert_eq!(warnings.count("which may be why"), 0);
}

fn not_allowed(peer: &Node) -> ConnectError {
    let peer = peer.name().clone();
    ConnectError::Handshake(HandshakeError::NotAllowed { peer })
}

#[tokio::test]
async fn a_node_says_at_its_start_what_others_will_have_against_its_certificate() {
    const EXPIRED: &str = "the certificate of this node has expired";
    const OTHER_HOST: &str = "is not for 127.0.0.1, the host of its name";
    let warnings = Warnings::collect();
    let (cluster, authority) = (Cluster::new(), Authority::new());

    let good = start(&cluster, "good", authority.tls(HOST)).await;
    assert_eq!(warnings.count("the certificate of this node"), 0);

    let (chain, key) = authority.certify_in_the_past(HOST);
    let expired = authority.trusted().certificate(chain, key);
    let expired = start(&cluster, "expired", expired).await;
    let path = authority.path(&format!("{HOST}.pem"));
    assert_eq!(warnings.count(EXPIRED), 1);
    assert_eq!(warnings.count(path.to_str().unwrap()), 1);
    // It is renewed, and then another one is read that has expired.
    authority.certify(HOST, |_| {});
    expired.reload_tls().unwrap();
    assert_eq!(warnings.count(EXPIRED), 1);
    authority.certify_in_the_past(HOST);
    good.reload_tls().unwrap();
    assert_eq!(warnings.count(EXPIRED), 2);
    // So does one that its own authorities do not vouch for.
    let stranger = Authority::new();
    let (chain, key) = stranger.certify_in_the_past(HOST);
    let tls = authority.trusted().certificate(chain, key);
    start(&cluster, "stranger", tls).await;
    assert_eq!(warnings.count(EXPIRED), 3);

    let (chain, key) = authority.certify("later", |params| {
        params.subject_alt_names = CertificateParams::new([HOST.to_owned()])
            .unwrap()
            .subject_alt_names;
        params.not_before = date_time_ymd(2300, 1, 1);
        params.not_after = date_time_ymd(2301, 1, 1);
    });
    let later = authority.trusted().certificate(chain, key);
    start(&cluster, "later", later).await;
    assert_eq!(warnings.count("is not valid yet"), 1);

    assert_eq!(warnings.count(OTHER_HOST), 0);
    let elsewhere = authority.tls("elsewhere");
    start(&cluster, "elsewhere", elsewhere.clone()).await;
    assert_eq!(warnings.count(OTHER_HOST), 1);
    assert_eq!(warnings.count("[\"elsewhere\"]"), 1);
    // One that others do not connect to may have the certificate of its user.
    let builder = cluster.builder("client").tls(elsewhere);
    within(builder.listen(Listen::Off).start()).await.unwrap();
    assert_eq!(warnings.count(OTHER_HOST), 1);
}

/// A certificate of the first version, made by `openssl x509 -req -signkey`.
const OF_VERSION_1: &str = include_str!("version_1.pem");

/// Only the first lines of a key count.
const ENCRYPTED: [&str; 2] = [
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,39CF846E\n\n\
     AAAA\n-----END EC PRIVATE KEY-----\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_of_no_use_are_named_with_the_reason() {
    let (cluster, authority) = (Cluster::new(), Authority::new());
    let (chain, key) = authority.certify(HOST, |_| {});
    let (_, other_key) = authority.certify("elsewhere", |_| {});
    let path = |name: &str, text: &str| {
        let path = authority.path(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let torn = path("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let text = path("text.pem", "no certificate\n");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let nonsense = path("nonsense.pem", nonsense);
    let old = path("old.pem", OF_VERSION_1);
    let encrypted = [
        path("encrypted.key", ENCRYPTED[0]),
        path("encrypted-too.key", ENCRYPTED[1]),
    ];
    for (tls, said) in [
        (
            authority.trusted().certificate(&old, &key),
            ["old.pem", "X.509 version 1"],
        ),
        (
            authority.trusted().certificate(&chain, &encrypted[0]),
            ["openssl pkey -in", "encrypted.key"],
        ),
        (
            authority.trusted().certificate(&chain, &encrypted[1]),
            ["openssl pkey -in", "encrypted-too.key"],
        ),
        (
            beam_node::Tls::trusting("/nowhere/ca.pem").certificate(&chain, &key),
            ["/nowhere/ca.pem", "cannot be read: No such file"],
        ),
        (
            beam_node::Tls::trusting(&text).certificate(&chain, &key),
            ["text.pem", "no certificate"],
        ),
        (
            beam_node::Tls::trusting(&nonsense).certificate(&chain, &key),
            ["nonsense.pem", "certificate 1"],
        ),
        (
            authority.trusted().certificate(&torn, &key),
            ["torn.pem", "PEM"],
        ),
        (
            authority.trusted().certificate(&chain, &chain),
            [".pem", "no private key"],
        ),
        (
            authority.trusted().certificate(&chain, &other_key),
            ["elsewhere.key", "not the one of the certificate"],
        ),
        (authority.trusted(), ["listens", "needs a certificate"]),
    ] {
        let error = within(cluster.builder("a").tls(tls).start())
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        for said in said {
            assert!(error.message.contains(said), "{said:?} is not in {error}");
        }
    }
}
