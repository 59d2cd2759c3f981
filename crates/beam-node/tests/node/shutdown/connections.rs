//! Connections that are made while a node stops.

use crate::support::{Cluster, eventually, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_made_as_it_stops_does_not_outlive_it() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;

    for round in 0..100 {
        let b = cluster.start(&format!("b{round}")).await;
        let connecting = [(&a, &b), (&b, &a)].map(|(from, to)| {
            let (peer, name) = (from.clone(), to.name().clone());
            tokio::spawn(async move { peer.connect(name).await })
        });
        // At another moment of the handshake each time.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        within(b.shutdown()).await.unwrap();

        for connecting in connecting {
            // It depends on the moment.
            let _ = within(connecting).await.unwrap();
        }
        eventually(|| a.peers().is_empty() && b.peers().is_empty()).await;
    }
}
