//! Settings at the ends of their ranges.

use std::time::Duration;

use beam_node::{Code, Limits};
use beam_term::Atom;

use crate::support::{Cluster, within};

fn all(size: usize, ms: u64) -> Limits {
    Limits {
        calls_per_peer: size,
        calls_per_node: size,
        served_per_peer: size,
        served_per_node: size,
        served_bytes_per_peer: size,
        served_bytes_per_node: size,
        outgoing_bytes_per_peer: size,
        wait_for_room: false,
        message_bytes: size,
        sequences_per_link: size,
        assembly_bytes_per_link: size,
        spare_bytes_per_node: size,
        term_depth: size,
        unauthenticated_connections: size,
        handshake_ms: ms,
        connected_peers: size,
        monitors_per_peer: size,
        memberships_per_peer: size,
        group_name_bytes_per_peer: size,
        output_bytes: size,
        mailbox_messages: size,
        mailbox_bytes: size,
        learned_peers: size,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_may_be_as_large_as_numbers_are() {
    let cluster = Cluster::new();
    let start = async |alive| {
        let builder = cluster
            .builder(alive)
            .limits(all(usize::MAX, u64::MAX))
            .net_ticktime(Duration::MAX)
            .discovery(true)
            .discovery_interval(Duration::MAX)
            .drain_timeout(Duration::MAX);
        within(builder.start()).await.unwrap()
    };
    let (a, b) = (start("a").await, start("b").await);

    let name: Atom = within(a.call(b.name(), ("erlang", "node"), ()))
        .await
        .unwrap();

    assert_eq!(name, *b.name().as_atom());
    drop(a.mailbox(None).unwrap());
    within(a.shutdown()).await.unwrap();
    within(b.shutdown()).await.unwrap();
}

type Change = fn(&mut Limits);

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_no_node_could_work_with_are_refused_by_name() {
    let cluster = Cluster::new();
    let cases: [(&str, Change); 10] = [
        ("calls_per_peer", |limits| limits.calls_per_peer = 0),
        ("calls_per_node", |limits| limits.calls_per_node = 0),
        ("message_bytes", |limits| limits.message_bytes = 4_095),
        ("sequences_per_link", |limits| limits.sequences_per_link = 0),
        ("assembly_bytes_per_link", |limits| {
            limits.assembly_bytes_per_link = 4_095;
        }),
        ("term_depth", |limits| limits.term_depth = 15),
        ("unauthenticated_connections", |limits| {
            limits.unauthenticated_connections = 0;
        }),
        ("handshake_ms", |limits| limits.handshake_ms = 0),
        ("connected_peers", |limits| limits.connected_peers = 0),
        ("mailbox_messages", |limits| limits.mailbox_messages = 0),
    ];
    for (name, change) in cases {
        let mut limits = Limits::default();
        change(&mut limits);
        let error = within(cluster.builder("a").limits(limits).start())
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        let said = format!("the limit `{name}` is ");
        assert!(error.message.starts_with(&said), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_limits_may_be_zero() {
    let cluster = Cluster::new();
    let limits = Limits {
        calls_per_peer: 1,
        calls_per_node: 1,
        message_bytes: 4_096,
        sequences_per_link: 1,
        assembly_bytes_per_link: 4_096,
        term_depth: 16,
        unauthenticated_connections: 1,
        handshake_ms: 1,
        connected_peers: 1,
        mailbox_messages: 1,
        ..all(0, 0)
    };
    let builder = cluster
        .builder("a")
        .limits(limits)
        .discovery(true)
        .discovery_interval(Duration::ZERO)
        .drain_timeout(Duration::ZERO);
    let a = within(builder.start()).await.unwrap();

    drop(a.mailbox(None).unwrap());
    drop(a.join(beam_term::Term::atom("workers")).unwrap());
    within(a.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_net_tick_time_that_no_peer_could_keep_is_refused() {
    let cluster = Cluster::new();
    for time in [Duration::ZERO, Duration::from_micros(39_999)] {
        let error = within(cluster.builder("a").net_ticktime(time).start())
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        assert!(error.message.contains("net tick time"), "{error}");
    }
    let builder = cluster.builder("a").net_ticktime(Duration::from_millis(40));
    within(builder.start()).await.unwrap();
}
