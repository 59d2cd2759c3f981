//! The embedded EPMD, with the nodes of each release as its clients.

#![allow(clippy::unwrap_used)]

use std::{net::IpAddr, time::Duration};

use beam_node::EpmdServer;
use interop::{Beam, Error, Network, Otp, eventually, free_port, on_each_release, unique_name};

const DEADLINE: Duration = Duration::from_secs(30);

on_each_release! {
    nodes_register_and_find_each_other,
    nodes_of_ipv6_register_too,
    a_second_node_of_the_same_name_does_not_start,
    the_registration_of_a_killed_node_is_gone_at_once,
    nodes_register_again_with_the_next_epmd,
    nodes_of_other_hosts_may_ask_but_not_register,
}

async fn nodes_register_and_find_each_other(otp: Otp) {
    let epmd = EpmdServer::bind(0, []).unwrap();
    let left = otp.beam().name(unique_name("left")).epmd_port(epmd.port());
    let right = otp.beam().name(unique_name("right")).epmd_port(epmd.port());
    let left = left.start().await.unwrap();
    let right = right.hidden().start().await.unwrap();

    assert_eq!(names(&left, "127.0.0.1").await, [&left, &right].map(alive));
    let ping = format!("net_adm:ping('{}')", right.name());
    assert_eq!(text(&left, &ping).await, "pong");
    let creations = [
        text(&left, "erlang:system_info(creation)").await,
        text(&right, "erlang:system_info(creation)").await,
    ];
    assert_ne!(creations[0], creations[1]);
}

async fn nodes_of_ipv6_register_too(otp: Otp) {
    let epmd = EpmdServer::bind(0, []).unwrap();
    let node = otp.beam().name(format!("{}@::1", unique_name("six")));
    let node = node.flags(["-proto_dist", "inet6_tcp"]);

    let node = node.epmd_port(epmd.port()).start().await.unwrap();

    assert_eq!(names(&node, "127.0.0.1").await, [alive(&node)]);
}

async fn a_second_node_of_the_same_name_does_not_start(otp: Otp) {
    let epmd = EpmdServer::bind(0, []).unwrap();
    let node = otp.beam().name(unique_name("w")).epmd_port(epmd.port());
    let first = node.clone().start().await.unwrap();

    let error = node.start().await.unwrap_err();

    assert!(matches!(error, Error::Gone { .. }), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
    assert_eq!(names(&first, "127.0.0.1").await, [alive(&first)]);
}

async fn the_registration_of_a_killed_node_is_gone_at_once(otp: Otp) {
    let epmd = EpmdServer::bind(0, []).unwrap();
    let node = otp.beam().name(unique_name("w")).epmd_port(epmd.port());
    let mut first = node.clone().start().await.unwrap();
    first.kill().await.unwrap();

    let again = node.start().await.unwrap();

    assert_eq!(names(&again, "127.0.0.1").await, [alive(&again)]);
}

async fn nodes_register_again_with_the_next_epmd(otp: Otp) {
    let epmd = EpmdServer::bind(free_port(), []).unwrap();
    let port = epmd.port();
    let node = otp.beam().name(unique_name("w")).epmd_port(port);
    let node = node.start().await.unwrap();
    epmd.shutdown().await;

    let _next = EpmdServer::bind(port, []).unwrap();

    let registered = async || names(&node, "127.0.0.1").await == [alive(&node)];
    eventually("the node to register again", DEADLINE, registered).await;
}

async fn nodes_of_other_hosts_may_ask_but_not_register(otp: Otp) {
    let network = Network::create().unwrap();
    let host = network.host().unwrap();
    let address = network.address();
    let epmd = EpmdServer::bind(0, [IpAddr::from(address)]).unwrap();
    let here = otp.beam().name(unique_name("w")).epmd_port(epmd.port());
    let here = here.start().await.unwrap();
    let there = otp.beam().on(&host).epmd_port(epmd.port());
    let there = there.start().await.unwrap();

    assert_eq!(names(&there, &address.to_string()).await, [alive(&here)]);
    let register = format!(
        r#"{{ok, S}} = gen_tcp:connect("{address}", {port}, [binary, {{active, false}}]),
        ok = gen_tcp:send(S, <<17:16, $x, 9100:16, 77, 0, 6:16, 6:16, 4:16, "evil", 0:16>>),
        gen_tcp:recv(S, 0)"#,
        port = epmd.port()
    );
    assert_eq!(text(&there, &register).await, "{error,closed}");
    assert_eq!(names(&there, &address.to_string()).await, [alive(&here)]);
}

/// The names that EPMD has at this address, as the node sees them, in their order.
async fn names(beam: &Beam, address: &str) -> Vec<String> {
    let source = format!(
        r#"case erl_epmd:names(element(2, inet:parse_address("{address}"))) of
            {{ok, Names}} -> lists:join($ , lists:sort([Name || {{Name, _}} <- Names]));
            {{error, _}} -> []
        end"#
    );
    let source = format!("list_to_atom(lists:flatten({source}))");
    let names = text(beam, &source).await;
    let names = names.trim_matches('\'').split(' ').map(str::to_owned);
    names.filter(|name| !name.is_empty()).collect()
}

fn alive(beam: &Beam) -> String {
    let (alive, _) = beam.name().split_once('@').unwrap();
    alive.to_owned()
}

async fn text(beam: &Beam, source: &str) -> String {
    beam.expression(source).text().await.unwrap()
}
