//! Nodes that nobody told of each other.

use std::time::Duration;

use beam_node::Node;
use beam_term::Term;
use interop::{Beam, Otp, eventually, on_each_release};

use crate::nodes::{Cluster, DEADLINE, name, rust_name};

on_each_release! { hidden_nodes_find_each_other_through_one_of_otp }

async fn hidden_nodes_find_each_other_through_one_of_otp(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam().start().await.unwrap();
    let first = start(&cluster, &beam).await;
    let second = start(&cluster, &beam).await;
    know_each_other(&[&first, &second], &beam).await;
    let _member = first.join(Term::atom("workers")).unwrap();

    let third = start(&cluster, &beam).await;
    let nodes = [&first, &second, &third];
    know_each_other(&nodes, &beam).await;
    for node in nodes {
        let workers = Term::atom("workers");
        let members = node.wait_for_members(workers, 1, DEADLINE).await.unwrap();
        assert!(members.contains(first.name()));
    }
}

async fn start(cluster: &Cluster, beam: &Beam) -> Node {
    let node = cluster
        .rust(&rust_name("rust"), &[beam])
        .discovery(true)
        .discovery_interval(Duration::from_millis(100));
    node.start().await.unwrap()
}

async fn know_each_other(nodes: &[&Node], beam: &Beam) {
    for node in nodes {
        let others = nodes.iter().map(|other| other.name().clone());
        let mut expected: Vec<_> = others.chain([name(beam)]).collect();
        expected.retain(|name| name != node.name());
        expected.sort();
        let found = async || {
            let peers = node.peers();
            peers.iter().map(|peer| &peer.name).eq(&expected)
        };
        let what = format!("{} to find {expected:?}", node.name());
        eventually(&what, DEADLINE, found).await;
    }
}
