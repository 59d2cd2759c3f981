//! Each way in which a node cannot be reached has its own message and code.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
};

use support::{Cluster, rlb, run};

const W1: &str = "w1@127.0.0.1";

#[test]
fn a_wrong_cookie() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);

    let ended = cluster.run(&["ping", W1, "--cookie", "other"]);
    ended.failed(
        2,
        &[
            W1,
            "cookie",
            "--cookie-file, RLB_COOKIE or ~/.erlang.cookie",
        ],
    );
    assert!(!ended.stderr.contains("other\""), "{ended:?}");
}

#[test]
fn no_epmd() {
    let port = free_port().to_string();
    let ended = run(with_cookie(&["ping", W1, "--epmd-port", &port]));
    ended.failed(3, &["no EPMD answers", &port]);
}

#[test]
fn a_node_that_is_not_registered() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    cluster
        .run(&["ping", "w2@127.0.0.1"])
        .failed(3, &["w2@127.0.0.1 is not registered", "w1"]);
}

#[test]
fn a_port_that_nobody_listens_on() {
    let address = format!("{W1}=127.0.0.1:{}", free_port());
    let ended = run(with_cookie(&["ping", W1, "--address", &address]));
    ended.failed(3, &[W1, "cannot be reached"]);
}

#[test]
fn a_host_that_is_not_known() {
    // The top-level domain `invalid` is reserved to have no hosts.
    let ended = run(with_cookie(&["ping", "w1@host.invalid"]));
    ended.failed(3, &["host.invalid", "does not resolve"]);
}

#[test]
fn a_node_that_says_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("{W1}={}", listener.local_addr().unwrap());
    let ended = run(with_cookie(&[
        "ping",
        W1,
        "--address",
        &address,
        "--timeout",
        "100ms",
    ]));
    ended.failed(4, &[W1, "100ms"]);
}

#[test]
fn an_epmd_that_says_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let silent = ["--epmd-port", &port, "--timeout", "100ms"];
    let ended = run(with_cookie(&[&["ping", W1], &silent[..]].concat()));
    ended.failed(
        4,
        &[
            "100ms",
            &format!("the EPMD at 127.0.0.1:{port} does not answer: "),
        ],
    );
}

#[test]
fn the_timeout_covers_the_question_whether_the_own_name_is_taken() {
    for (name, questions, told) in [
        // What was chosen is not asked about, and all of the time is left.
        (&[][..], 1, "within 4s"),
        (&["--name", "app@127.0.0.1"], 2, "within "),
    ] {
        let epmd = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = epmd.local_addr().unwrap().port().to_string();
        let ping = ["ping", W1, "--epmd-port", &port, "--timeout", "4s"];
        let ended = run(with_cookie(&[&ping[..], name].concat()));
        ended.failed(4, &["the EPMD at 127.0.0.1:", told]);
        assert_eq!(
            ended.stderr.contains("within 4s"),
            questions == 1,
            "{ended:?}"
        );
        epmd.set_nonblocking(true).unwrap();
        let asked = epmd.incoming().take_while(Result::is_ok).count();
        assert_eq!(asked, questions, "{ended:?}");
    }
}

#[test]
fn a_peer_that_says_nothing_leaves_time_for_the_others() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &["--join", "pool"]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent = "silent@127.0.0.1";
    let address = format!("{silent}={}", listener.local_addr().unwrap());
    let peers = ["--peer", silent, "--peer", W1, "--address", &address];
    let timeout = ["--timeout", "4s"];
    for command in [&["members", "pool"][..], &["select", "pool"]] {
        let ended = cluster.run(&[command, &peers, &timeout].concat());
        assert_eq!(ended.line(), W1);
        assert!(ended.stderr.contains("do not answer"), "{ended:?}");
    }
    let nodes = cluster.run(&[&["nodes"], &peers[..], &timeout].concat());
    assert!(nodes.line().starts_with(W1), "{nodes:?}");
}

#[test]
fn a_node_that_refuses() {
    let address = answering(b"\0\x0csnot_allowed");
    let ended = run(with_cookie(&[
        "ping",
        W1,
        "--address",
        &format!("{W1}={address}"),
    ]));
    ended.failed(3, &[W1, "does not allow"]);
}

#[test]
fn a_node_of_another_version() {
    // A challenge with none of the flags that nodes must have.
    let mut answer = b"\0\x03sok".to_vec();
    let name = W1.as_bytes();
    let challenge = [
        &b"N"[..],
        &0_u64.to_be_bytes(),
        &7_u32.to_be_bytes(),
        &4_u32.to_be_bytes(),
        &(name.len() as u16).to_be_bytes(),
        name,
    ]
    .concat();
    answer.extend((challenge.len() as u16).to_be_bytes());
    answer.extend(challenge);
    let address = answering(&answer);
    let ended = run(with_cookie(&[
        "ping",
        W1,
        "--address",
        &format!("{W1}={address}"),
    ]));
    ended.failed(3, &[W1, "Erlang/OTP 25 or later"]);
}

#[test]
fn a_name_that_is_taken() {
    let cluster = Cluster::new();
    let _w1 = cluster.node(W1, &[]);
    cluster
        .run(&["node", "--name", W1])
        .failed(2, &["refuses the name w1", "another name"]);
}

#[test]
fn a_port_that_is_taken() {
    let cluster = Cluster::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let ended = cluster.run(&["node", "--name", W1, "--listen", &port]);
    ended.failed(2, &["port", &port, "taken"]);
}

#[test]
fn a_node_without_epmd_is_reached_at_its_address() {
    let port = free_port().to_string();
    let mut node = support::Running::start(with_cookie(&[
        "node",
        "--name",
        W1,
        "--no-epmd",
        "--listen",
        &port,
    ]));
    assert_eq!(node.line(), W1);
    let address = format!("{W1}=127.0.0.1:{port}");
    assert_eq!(
        run(with_cookie(&["ping", W1, "--address", &address])).code,
        0
    );
}

fn with_cookie(arguments: &[&str]) -> std::process::Command {
    let mut command = rlb(arguments);
    command.env("RLB_COOKIE", support::COOKIE);
    command
}

/// A port that nobody listens on, unless somebody takes it right now.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The address of a node that answers the first packet with these bytes, whatever it says.
fn answering(answer: &[u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.to_vec();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|stream| answer_on(stream, &answer));
        }
    });
    address
}

fn answer_on(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet)?;
    stream.write_all(answer)?;
    // Closed by the other side.
    stream.read(&mut length).map(drop)
}
