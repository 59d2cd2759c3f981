//! A node that has just started knows when it knows its cluster.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use beam_node::{Code, EpmdServer, Listen, Membership, Node, NodeBuilder};
use beam_term::Term;
use tokio::net::TcpListener;

/// How long anything may take that is to happen. Tests that pass do not wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

const GROUP: Term = Term::atom("pool");

fn builder(name: &str, epmd: &EpmdServer) -> NodeBuilder {
    Node::builder(name).cookie("secret").epmd_port(epmd.port())
}

async fn member(name: &str, peer: Option<&str>, epmd: &EpmdServer) -> (Node, Membership) {
    let node = builder(name, epmd).peers(peer).start().await.unwrap();
    let membership = node.join(GROUP).unwrap();
    (node, membership)
}

#[tokio::test]
async fn once_settled_a_newcomer_with_one_peer_sees_every_member() {
    let epmd = EpmdServer::bind(0, []).unwrap();
    let first = member("a@127.0.0.1", None, &epmd).await;
    let second = member("b@127.0.0.1", Some("a@127.0.0.1"), &epmd).await;
    let third = member("c@127.0.0.1", Some("b@127.0.0.1"), &epmd).await;
    for (node, _membership) in [&first, &second, &third] {
        node.wait_for_members(GROUP, 3, PATIENCE).await.unwrap();
    }

    for number in 0..20 {
        let newcomer = builder(&format!("n{number}@127.0.0.1"), &epmd)
            .listen(Listen::Off)
            .peer("c@127.0.0.1")
            .start()
            .await
            .unwrap();
        newcomer.settled(PATIENCE).await.unwrap();
        let members = newcomer.watch_members(GROUP).borrow().len();
        assert_eq!(members, 3, "newcomer {number}");
        newcomer.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_node_without_peers_or_with_one_that_is_gone_is_settled_soon() {
    let epmd = EpmdServer::bind(0, []).unwrap();
    for peer in [None, Some("gone@127.0.0.1")] {
        let node = builder("a@127.0.0.1", &epmd)
            .peers(peer)
            .start()
            .await
            .unwrap();
        node.settled(PATIENCE).await.unwrap();
        node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_leaves_the_node_unsettled() {
    let epmd = EpmdServer::bind(0, []).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = builder("a@127.0.0.1", &epmd)
        .peer("silent@127.0.0.1")
        .address("silent@127.0.0.1", silent.local_addr().unwrap())
        .start()
        .await
        .unwrap();
    let error = node.settled(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.code, Code::RequestTimeout);
}
