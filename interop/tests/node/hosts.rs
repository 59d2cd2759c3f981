//! Names whose hosts are not addresses of IPv4: short ones, and addresses of IPv6.

use beam_node::Node;
use interop::{Beam, BeamBuilder, Otp, on_each_release, unique_name};

use crate::cluster::{Cluster, HIDDEN_AND_VISIBLE, lost, seen, sees};

on_each_release! {
    nodes_with_short_names_call_each_other,
    nodes_with_long_names_call_each_other_over_ipv6,
    nodes_with_short_names_call_each_other_over_ipv6,
}

/// OTP uses IPv4 unless it is told otherwise.
const IPV6: [&str; 2] = ["-proto_dist", "inet6_tcp"];

async fn nodes_with_short_names_call_each_other(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").short_name(unique_name("otp"));
    call_each_other(&cluster, beam, "localhost").await;
}

async fn nodes_with_long_names_call_each_other_over_ipv6(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let name = format!("{}@::1", unique_name("otp"));
    let beam = cluster.beam("otp").name(name).flags(IPV6);
    call_each_other(&cluster, beam, "::1").await;
}

/// OTP looks only for dots, and takes an address of IPv6 for a short name as well.
async fn nodes_with_short_names_call_each_other_over_ipv6(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let name = format!("{}@::1", unique_name("otp"));
    let beam = cluster.beam("otp").short_name(name).flags(IPV6);
    call_each_other(&cluster, beam, "::1").await;
}

async fn call_each_other(cluster: &Cluster, beam: BeamBuilder, host: &str) {
    let beam = beam.start().await.unwrap();
    assert_eq!(beam.name().split_once('@').unwrap().1, host);
    for visible in HIDDEN_AND_VISIBLE {
        let name = format!("{}@{host}", unique_name("rust"));
        let node = cluster.node(&name).visible(visible);
        let node = node.start().await.unwrap();
        node.export("rust", "double", async |number: i64| 2 * number)
            .unwrap();

        node.ping(beam.name()).await.unwrap();
        calls_both_ways(&beam, &node).await;
        node.disconnect(beam.name());
        lost(&node, beam.name()).await;
        sees(&beam, node.name(), false).await;

        assert_eq!(seen(&beam, &node, "net_adm:ping(N)").await, "pong");
        calls_both_ways(&beam, &node).await;
    }
}

async fn calls_both_ways(beam: &Beam, node: &Node) {
    let called: beam_term::Atom = node
        .call(beam.name(), ("erlang", "node"), ())
        .await
        .unwrap();
    assert_eq!(called.as_str(), beam.name());
    let call = "{42, N} =:= {erpc:call(N, rust, double, [21]), erpc:call(N, erlang, node, [])}";
    assert_eq!(seen(beam, node, call).await, "true");
}
