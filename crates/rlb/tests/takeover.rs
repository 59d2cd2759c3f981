//! Nodes that serve EPMD among themselves, and lose the one that does.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    collections::BTreeSet,
    io::{BufRead, Read, Write},
    net::{Ipv4Addr, TcpStream},
    sync::mpsc,
    thread,
    time::Instant,
};

use rustix::process::Signal;
use support::{Cluster, PATIENCE, Running};

/// Members of the balancer `pool`, and what they log.
struct Pool {
    cluster: Cluster,
    members: Vec<(String, Running)>,
    log: mpsc::Receiver<(String, String)>,
    logs: mpsc::Sender<(String, String)>,
}

#[test]
fn a_node_that_loses_epmd_and_serves_it_has_nothing_to_warn_of() {
    let cluster = Cluster::without_epmd();
    let first = cluster.node("w1@127.0.0.1", &[]);
    let second = cluster.node("w2@127.0.0.1", &[]);
    first.signal(Signal::KILL);
    first.ended();
    let expected = BTreeSet::from(["w2".to_owned()]);
    eventually(&expected, || {
        registered(cluster.epmd_port()).unwrap_or_default()
    });
    second.signal(Signal::TERM);
    let ended = second.ended();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

impl Pool {
    fn new() -> Self {
        let (logs, log) = mpsc::channel();
        Self {
            cluster: Cluster::without_epmd(),
            members: Vec::new(),
            log,
            logs,
        }
    }

    /// Starts a member that knows the first of those that run.
    fn start(&mut self, name: &str) {
        let mut arguments = vec!["-v", "--join", "pool"];
        if let Some((peer, _)) = self.members.first() {
            arguments.extend(["--peer", peer]);
        }
        let mut member = self.cluster.node(name, &arguments);
        let (log, logs, name) = (member.stderr(), self.logs.clone(), name.to_owned());
        self.members.push((name.clone(), member));
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // The test may be over.
                let _ = logs.send((name.clone(), line));
            }
        });
    }

    /// The next member that says that it serves EPMD.
    fn next_server(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (name, line) = self.log.recv_timeout(left).expect("nobody serves EPMD");
            if line.contains("this node serves it") {
                return name;
            }
        }
    }

    fn kill(&mut self, name: &str) {
        let at = self.members.iter().position(|(member, _)| member == name);
        let (_, member) = self.members.remove(at.unwrap());
        member.signal(Signal::KILL);
        member.ended();
    }

    fn names(&self) -> BTreeSet<String> {
        self.members.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Waits until exactly the members are registered.
    fn await_registered(&self) {
        let names = self.names();
        let expected: BTreeSet<_> = names
            .iter()
            .map(|name| name.split('@').next().unwrap().to_owned())
            .collect();
        eventually(&expected, || {
            registered(self.cluster.epmd_port()).unwrap_or_default()
        });
    }

    /// Waits until every member sees all of them, and has each of them called.
    fn await_seen_and_called(&self) {
        let names = self.names();
        for peer in &names {
            eventually(&names, || {
                let found = self.cluster.run(&["members", "pool", "--peer", peer]);
                found.stdout.lines().map(str::to_owned).collect()
            });
            let own = self.cluster.run(&["call", peer, "demo", "node"]);
            assert_eq!(own.line(), format!("'{peer}'"));

            let count = names.len().to_string();
            let call = [
                "call",
                "--balancer",
                "pool",
                "--peer",
                peer,
                "--algorithm",
                "round-robin",
                "--count",
                &count,
                "demo",
                "node",
            ];
            let called = self.cluster.run(&call);
            let called = called
                .lines()
                .into_iter()
                .map(|name| name.trim_matches('\''));
            assert_eq!(called.map(str::to_owned).collect::<BTreeSet<_>>(), names);
        }
    }
}

/// Asks again until the answer is the expected one.
#[track_caller]
fn eventually(expected: &BTreeSet<String>, ask: impl Fn() -> BTreeSet<String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = ask();
        if found == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} is not {expected:?}");
        thread::yield_now();
    }
}

/// The names that the EPMD at this port knows.
fn registered(epmd_port: u16) -> std::io::Result<BTreeSet<String>> {
    let mut epmd = TcpStream::connect((Ipv4Addr::LOCALHOST, epmd_port))?;
    epmd.write_all(b"\0\x01n")?;
    let mut port = [0; 4];
    epmd.read_exact(&mut port)?;
    let mut answer = String::new();
    epmd.read_to_string(&mut answer)?;
    // name w1 at port 41234
    let names = answer.lines().filter_map(|line| line.split(' ').nth(1));
    Ok(names.map(str::to_owned).collect())
}

#[test]
fn the_cluster_survives_the_end_of_each_node_that_serves_epmd() {
    let mut pool = Pool::new();
    for name in ["w1@127.0.0.1", "w2@127.0.0.1", "w3@127.0.0.1"] {
        pool.start(name);
    }
    let mut server = pool.next_server();
    assert_eq!(server, "w1@127.0.0.1");
    pool.await_registered();
    pool.await_seen_and_called();

    for newcomer in ["n1@127.0.0.1", "n2@127.0.0.1"] {
        pool.kill(&server);
        let successor = pool.next_server();
        assert!(pool.names().contains(&successor));
        pool.await_registered();
        pool.await_seen_and_called();

        pool.start(newcomer);
        pool.await_seen_and_called();
        pool.start(&server);
        pool.await_seen_and_called();
        pool.await_registered();
        server = successor;
    }
}
