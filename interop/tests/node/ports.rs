//! Ports that are known without a port mapper.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use beam_node::{Epmd, Listen, Node};
use interop::{Beam, Otp, free_port, on_each_release, unique_name};

use crate::cluster::{Cluster, HIDDEN_AND_VISIBLE, lost, rust_name, seen, sees};

on_each_release! {
    nodes_find_each_other_at_the_port_that_all_of_them_have,
    a_node_of_otp_is_found_at_its_address_and_answered,
}

/// A host of its own for the node of Rust, where the port of all nodes is free.
const RUST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

async fn nodes_find_each_other_at_the_port_that_all_of_them_have(otp: Otp) {
    let port = free_port();
    let beam = otp.beam().name(unique_name("otp")).flags([
        "-erl_epmd_port",
        &port.to_string(),
        // By default it takes the port of every address.
        "-kernel",
        "inet_dist_use_interface",
        "{127,0,0,1}",
    ]);
    let beam = beam.start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let node = Node::builder(format!("{}@{RUST}", unique_name("rust")))
            .cookie("interop")
            .visible(visible)
            .listen(Listen::from(port))
            .epmd(Epmd::Off)
            .fixed_port(port)
            .discovery(false);
        let node = node.start().await.unwrap();
        // Nobody counts the starts of a node that nobody knows.
        assert!(node.creation().get() > 3);
        node.ping(beam.name()).await.unwrap();
        calls_both_ways(&beam, &node).await;
        node.disconnect(beam.name());
        lost(&node, beam.name()).await;
        sees(&beam, node.name(), false).await;

        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pong");
        calls_both_ways(&beam, &node).await;
        // The port is free for the next one.
        node.shutdown().await.unwrap();
    }
}

async fn a_node_of_otp_is_found_at_its_address_and_answered(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let port = free_port().to_string();
    let beam = cluster.beam("otp").flags([
        "-kernel",
        "inet_dist_listen_min",
        &port,
        "inet_dist_listen_max",
        &port,
    ]);
    let beam = beam.start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let address = SocketAddr::new(IpAddr::from(Ipv4Addr::LOCALHOST), port.parse().unwrap());
        let node = Node::builder(rust_name("rust"))
            .cookie("interop")
            .visible(visible)
            .epmd(Epmd::Off)
            .address(beam.name(), address)
            .discovery(false);
        let node = node.start().await.unwrap();
        // A node of OTP asks the port mapper, which does not know this one.
        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pang");
        node.ping(beam.name()).await.unwrap();
        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pong");
        calls_both_ways(&beam, &node).await;
    }
}

async fn calls_both_ways(beam: &Beam, node: &Node) {
    let sum: i64 = node
        .call(beam.name(), ("erlang", "+"), (1, 2))
        .await
        .unwrap();
    assert_eq!(sum, 3);
    assert_eq!(
        seen(beam, node, "N =:= erpc:call(N, erlang, node, [])").await,
        "true"
    );
}
