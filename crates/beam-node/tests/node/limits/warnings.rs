//! What others can make a node log.

use beam_dist::control::{Recipient, Target};
use beam_node::Limits;
use beam_term::Term;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::support::{Cluster, Warnings, within};

#[tokio::test]
async fn a_peer_at_its_limits_is_warned_of_once_in_a_while() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let limits = Limits {
        monitors_per_peer: 0,
        mailbox_messages: 1,
        ..Limits::default()
    };
    let a = within(cluster.builder("a").limits(limits).start())
        .await
        .unwrap();
    let mailbox = a.mailbox(None).unwrap();
    let mut peer = cluster.raw_peer(&a, "raw").await;

    for id in 0..100 {
        let target = Target::Pid(mailbox.pid().clone());
        peer.send(peer.monitor(target, &peer.reference(id))).await;
        let (_, reason) = peer.monitor_exit().await;
        assert_eq!(reason, Term::atom("system_limit"));
        let message = peer.message(Recipient::Pid(mailbox.pid().clone()));
        peer.send_with(message, &Term::from(id)).await;
    }
    peer.settle().await;

    assert_eq!(warnings.count("monitors_per_peer"), 1);
    assert_eq!(warnings.count("mailbox_messages"), 1);
}

#[tokio::test]
async fn strangers_are_warned_of_once_in_a_while() {
    let warnings = Warnings::collect();
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let address = cluster.address(a.name()).await;

    for _ in 0..100 {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stranger, b"\x00\x05hello")
            .await
            .unwrap();
        // The end, in one way or another.
        let _ = within(stranger.read_to_end(&mut Vec::new())).await;
    }

    assert_eq!(warnings.count("refused a connection"), 1);
}
