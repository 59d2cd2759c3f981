//! Nodes that are registered on a host.

use crate::support::{Cluster, up, within};

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_asked_also_where_peers_are_not() {
    let cluster = Cluster::new();
    let b = cluster.start("b").await;
    let builder = cluster.builder("a").discovery(false).host("127.0.0.1");
    let mut events = b.events();

    let a = within(builder.start()).await.unwrap();

    up(&mut events, a.name()).await;
}
