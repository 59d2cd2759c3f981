//! What is left of a cluster when its network fails around a node of Rust, and that it heals.
//!
//! The nodes of OTP hold to their default: they prevent overlapping partitions, and would rather
//! cut each other off than have a node that some of them reach and others do not.

use std::time::Duration;

use beam_node::{Cause, Code, DownReason, Error, Event, Events, Membership, Node, NodeName};
use beam_term::{Pid, Term};
use interop::{Beam, Epmd, Host, Network, Otp, eventually, on_each_release, unique_name};
use tokio::{join, time::timeout};

use crate::{
    members::{JOIN, SCOPE, processes, run, seen_by_otp, seen_by_rust},
    mesh,
    nodes::{Cluster, DEADLINE, name, text},
};

on_each_release! {
    nodes_of_otp_stay_together_when_a_hidden_node_of_rust_is_cut_off,
    nodes_of_otp_stay_together_when_a_visible_node_of_rust_is_cut_off,
    a_cut_between_a_hidden_node_of_rust_and_one_of_otp_leaves_all_others_connected,
    a_cut_between_a_visible_node_of_rust_and_one_of_otp_leaves_all_others_connected,
    a_node_of_otp_that_is_unplugged_comes_back_to_those_of_otp_and_of_rust,
    a_cut_that_nobody_noticed_loses_nothing,
}

/// A silent peer is given up after three to five quarters of this. A busy machine does not keep a
/// node silent for as long.
const NET_TICKTIME: Duration = Duration::from_secs(8);

/// Longer than it takes to give a silent peer up.
const PATIENT: Duration = Duration::from_secs(60);

async fn nodes_of_otp_stay_together_when_a_hidden_node_of_rust_is_cut_off(otp: Otp) {
    stay_together_when_a_node_of_rust_is_cut_off(otp, false).await;
}

async fn nodes_of_otp_stay_together_when_a_visible_node_of_rust_is_cut_off(otp: Otp) {
    stay_together_when_a_node_of_rust_is_cut_off(otp, true).await;
}

async fn stay_together_when_a_node_of_rust_is_cut_off(otp: Otp, visible: bool) {
    let spread = Spread::start(otp).await;
    let (node, member) = spread.rust(visible).await;
    spread.is_whole(&node, &member).await;
    let beams = &spread.beams;
    let observers = mesh::observe(beams).await;
    let mut events = node.events();

    let from_otp = beams.each_ref().map(|beam| {
        let call = format!("erpc:call('{}', rust, wait, [])", node.name());
        beam.expression(&caught(&call)).deadline(PATIENT).start()
    });
    let cut_off = async {
        let busy = async || (node.calling(), node.serving()) == (3, 3);
        eventually("all calls to run", DEADLINE, busy).await;
        for host in &spread.hosts {
            host.cut(spread.network.address()).unwrap();
        }
        for _ in beams {
            let (_, reason) = down(&mut events).await;
            assert!(matches!(reason, DownReason::Silent(_)), "{reason}");
        }
    };
    let (first, second, third, ()) = join!(
        wait(&node, &beams[0]),
        wait(&node, &beams[1]),
        wait(&node, &beams[2]),
        cut_off
    );
    for error in [first, second, third] {
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(matches!(error.cause(), Cause::ConnectionLost), "{error}");
        assert!(error.may_have_run());
    }
    let mut lost = Vec::new();
    for call in from_otp {
        lost.push(call.term().await.unwrap().to_string());
    }
    assert_eq!(lost, ["{error,{erpc,noconnection}}"; 3]);

    for (beam, observer) in beams.iter().zip(&observers) {
        mesh::down(observer, node.name()).await;
        seen_by_otp(beam, "workers", node.name(), &[]).await;
        seen_by_rust(&node, "workers", &name(beam), &[]).await;
    }
    let alone: Vec<_> = node
        .members(&Term::atom("workers"))
        .nodes()
        .cloned()
        .collect();
    assert_eq!(alone, [node.name().clone()]);
    spread.members_of_otp_are_seen_by_otp().await;
    mesh::undisturbed(beams, &observers).await;
    // Now that the connections are gone nothing is sent at all.
    let error = sum(&node, &beams[0]).await.unwrap_err();
    assert!(!error.may_have_run(), "{error}");
    let call = caught(&format!("erpc:call('{}', erlang, node, [])", node.name()));
    assert_eq!(text(&beams[0], &call).await, "{error,{erpc,noconnection}}");

    for host in &spread.hosts {
        host.mend(spread.network.address()).unwrap();
    }
    spread.is_whole(&node, &member).await;
    mesh::undisturbed(beams, &observers).await;
}

async fn a_cut_between_a_hidden_node_of_rust_and_one_of_otp_leaves_all_others_connected(otp: Otp) {
    all_others_stay_connected_when_one_of_otp_is_cut_from_rust(otp, false).await;
}

async fn a_cut_between_a_visible_node_of_rust_and_one_of_otp_leaves_all_others_connected(otp: Otp) {
    all_others_stay_connected_when_one_of_otp_is_cut_from_rust(otp, true).await;
}

async fn all_others_stay_connected_when_one_of_otp_is_cut_from_rust(otp: Otp, visible: bool) {
    let spread = Spread::start(otp).await;
    let (node, member) = spread.rust(visible).await;
    spread.is_whole(&node, &member).await;
    let beams = &spread.beams;
    let observers = mesh::observe(beams).await;
    let mut events = node.events();

    spread.hosts[0].cut(spread.network.address()).unwrap();
    let (peer, reason) = down(&mut events).await;
    assert_eq!(peer, name(&beams[0]), "{reason}");
    assert!(matches!(reason, DownReason::Silent(_)), "{reason}");
    mesh::down(&observers[0], node.name()).await;
    seen_by_otp(&beams[0], "workers", node.name(), &[]).await;
    seen_by_rust(&node, "workers", &name(&beams[0]), &[]).await;
    for (beam, worker) in beams.iter().zip(&spread.workers).skip(1) {
        assert_eq!(sum(&node, beam).await.unwrap(), 3);
        assert_eq!(text(beam, &called(&node)).await, "true");
        seen_by_rust(&node, "workers", &name(beam), std::slice::from_ref(worker)).await;
        seen_by_otp(beam, "workers", node.name(), &[&member]).await;
    }
    mesh::undisturbed(beams, &observers).await;

    spread.hosts[0].mend(spread.network.address()).unwrap();
    spread.is_whole(&node, &member).await;
    mesh::undisturbed(beams, &observers).await;
    for observer in &observers {
        assert_eq!(mesh::lost(observer).await, "[]");
    }
}

async fn a_node_of_otp_that_is_unplugged_comes_back_to_those_of_otp_and_of_rust(otp: Otp) {
    let spread = Spread::start(otp).await;
    let nodes = [spread.rust(false).await, spread.rust(true).await];
    let beams = &spread.beams;
    for (node, member) in &nodes {
        spread.is_whole(node, member).await;
    }
    let observers = mesh::observe(beams).await;
    let mut events = nodes.each_ref().map(|(node, _)| node.events());

    spread.hosts[0].unplug().unwrap();
    for ((node, member), events) in nodes.iter().zip(&mut events) {
        let (peer, _) = down(events).await;
        assert_eq!(peer, name(&beams[0]));
        mesh::down(&observers[0], node.name()).await;
        seen_by_otp(&beams[0], "workers", node.name(), &[]).await;
        seen_by_rust(node, "workers", &peer, &[]).await;
        for beam in &beams[1..] {
            seen_by_otp(beam, "workers", node.name(), &[member]).await;
            assert_eq!(sum(node, beam).await.unwrap(), 3);
        }
    }
    for observer in &observers[1..] {
        mesh::down(observer, &name(&beams[0])).await;
    }
    mesh::undisturbed(&beams[1..], &observers[1..]).await;

    spread.hosts[0].plug().unwrap();
    for (node, member) in &nodes {
        spread.is_reached(node, member).await;
    }
    mesh::connect(beams).await;
    for (node, member) in &nodes {
        spread.is_whole(node, member).await;
    }
    mesh::undisturbed(&beams[1..], &observers[1..]).await;
    for observer in &observers[1..] {
        assert_eq!(mesh::lost(observer).await, "[]");
    }
}

async fn a_cut_that_nobody_noticed_loses_nothing(otp: Otp) {
    let spread = Spread::start(otp).await;
    let nodes = [spread.rust(false).await, spread.rust(true).await];
    let beams = &spread.beams;
    for (node, member) in &nodes {
        spread.is_whole(node, member).await;
    }
    let observers = mesh::observe(beams).await;

    for host in &spread.hosts {
        host.cut(spread.network.address()).unwrap();
    }
    let from_otp = beams.each_ref().map(|beam| {
        let both = format!("{} andalso {}", called(&nodes[0].0), called(&nodes[1].0));
        beam.expression(&both).start()
    });
    let mend = async {
        let sent = async || nodes.iter().all(|(node, _)| node.calling() == 1);
        eventually("the calls to be sent", DEADLINE, sent).await;
        for host in &spread.hosts {
            host.mend(spread.network.address()).unwrap();
        }
    };
    let (first, second, ()) = join!(
        sum(&nodes[0].0, &beams[0]),
        sum(&nodes[1].0, &beams[1]),
        mend
    );
    assert_eq!((first.unwrap(), second.unwrap()), (3, 3));
    for call in from_otp {
        assert_eq!(call.term().await.unwrap(), Term::atom("true"));
    }
    for (node, member) in &nodes {
        spread.is_whole(node, member).await;
    }
    mesh::undisturbed(beams, &observers).await;
    for observer in &observers {
        assert_eq!(mesh::lost(observer).await, "[]");
    }
}

/// Three nodes of OTP, each on a host of its own, all connected, each with a member of `workers`.
/// The nodes of Rust are in the test's process, which is in the same network.
struct Spread {
    beams: [Beam; 3],
    workers: [Pid; 3],
    cluster: Cluster,
    _epmds: [Epmd; 3],
    hosts: [Host; 3],
    network: Network,
}

impl Spread {
    async fn start(otp: Otp) -> Self {
        let cluster = Cluster::start(otp).await;
        let network = Network::create().unwrap();
        let hosts = [(); 3].map(|()| network.host().unwrap());
        let (first, second, third) = join!(
            start(&cluster, &hosts[0]),
            start(&cluster, &hosts[1]),
            start(&cluster, &hosts[2]),
        );
        let beams = [first.1, second.1, third.1];
        mesh::connect(&beams).await;
        let workers = [first.2, second.2, third.2];
        Self {
            beams,
            workers,
            cluster,
            _epmds: [first.0, second.0, third.0],
            hosts,
            network,
        }
    }

    /// Starts a node of Rust that is a member of `workers`, and answers some calls.
    async fn rust(&self, visible: bool) -> (Node, Membership) {
        let address = self.network.address();
        let name = format!("{}@{address}", unique_name("rust"));
        let node = self.cluster.rust(&name, &self.beams.each_ref());
        let node = node.visible(visible).net_ticktime(NET_TICKTIME);
        let node = node.start().await.unwrap();
        node.export("rust", "double", async |number: i64| 2 * number)
            .unwrap();
        node.export("rust", "wait", async || std::future::pending::<()>().await)
            .unwrap();
        let member = node.join(Term::atom("workers")).unwrap();
        (node, member)
    }

    /// Waits until everybody sees all members, and calls both ways.
    async fn is_whole(&self, node: &Node, member: &Membership) {
        self.is_reached(node, member).await;
        self.members_of_otp_are_seen_by_otp().await;
    }

    /// Waits until nodes of OTP and of Rust see the members of each other, and calls both ways.
    async fn is_reached(&self, node: &Node, member: &Membership) {
        for (beam, worker) in self.beams.iter().zip(&self.workers) {
            seen_by_otp(beam, "workers", node.name(), &[member]).await;
            seen_by_rust(node, "workers", &name(beam), std::slice::from_ref(worker)).await;
            assert_eq!(sum(node, beam).await.unwrap(), 3);
            assert_eq!(text(beam, &called(node)).await, "true");
        }
    }

    async fn members_of_otp_are_seen_by_otp(&self) {
        let names = mesh::list(self.beams.iter().map(Beam::name));
        for beam in &self.beams {
            let unseen =
                format!("{names} -- [node(P) || P <- pg:get_members(rpc_load_balancer, workers)]");
            let seen = async || text(beam, &unseen).await == "[]";
            eventually("the members of OTP to be seen", DEADLINE, seen).await;
        }
    }
}

async fn start(cluster: &Cluster, host: &Host) -> (Epmd, Beam, Pid) {
    let epmd = cluster.epmd_on(host).await;
    let seconds = NET_TICKTIME.as_secs().to_string();
    let beam = cluster.beam().on(host);
    let beam = beam.flags(["-kernel", "net_ticktime", &seconds]);
    let beam = beam.start().await.unwrap();
    text(&beam, SCOPE).await;
    let worker = processes(&beam, 1).await;
    run(&beam, JOIN, &worker).await;
    let [worker] = worker.try_into().unwrap();
    (epmd, beam, worker)
}

/// A call of a node of OTP to one of Rust, which is `true`.
fn called(node: &Node) -> String {
    format!("42 =:= erpc:call('{}', rust, double, [21])", node.name())
}

/// An expression whose exception, class and reason, is its value.
fn caught(source: &str) -> String {
    format!("try {source} catch Class:Reason -> {{Class, Reason}} end")
}

async fn sum(node: &Node, beam: &Beam) -> Result<i64, Error> {
    node.call(beam.name(), ("erlang", "+"), (1, 2)).await
}

/// Calls what does not return, and gives the error that ends it.
async fn wait(node: &Node, beam: &Beam) -> Error {
    let forever = (Term::atom("infinity"),);
    let call = node.call::<Term, _>(beam.name(), ("timer", "sleep"), forever);
    call.timeout(PATIENT).send().await.unwrap_err()
}

/// Waits for the next connection to be lost.
async fn down(events: &mut Events) -> (NodeName, DownReason) {
    let down = async {
        loop {
            if let Event::Down { peer, reason } = events.next().await.expect("the node runs") {
                return (peer, reason);
            }
        }
    };
    timeout(DEADLINE, down).await.expect("a connection is lost")
}
