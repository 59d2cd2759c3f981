//! When a node knows what there is to know.

use std::time::Duration;

use crate::support::{Cluster, PATIENCE, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_nothing_keeps_a_node_unsettled_for_a_while_only() {
    let cluster = Cluster::new();
    let builder = cluster
        .builder("a")
        .discovery(true)
        .discovery_interval(Duration::from_millis(10));
    let a = within(builder.start()).await.unwrap();
    let peer = cluster.raw_peer(&a, "raw").await;

    a.settled(PATIENCE).await.unwrap();

    assert_eq!(a.peers()[0].name, *peer.name());
}
