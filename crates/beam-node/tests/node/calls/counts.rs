//! What a node counts of the calls that it serves.

use beam_term::Atom;

use crate::support::{Cluster, within};

#[tokio::test]
async fn calls_of_functions_that_every_node_exports_do_not_count_as_served() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    b.export("demo", "one", async || 1).unwrap();

    let nodes = a.call(b.name(), ("erlang", "nodes"), ());
    let _: Vec<Atom> = within(nodes.send()).await.unwrap();
    assert_eq!(b.served(), 0);

    let one = a.call(b.name(), ("demo", "one"), ());
    let one: u32 = within(one.send()).await.unwrap();
    assert_eq!((one, b.served()), (1, 1));
}
