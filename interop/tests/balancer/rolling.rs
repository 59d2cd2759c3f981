//! Every member of a cluster of both kinds is stopped and started again while nodes of both kinds call it.

use std::path::PathBuf;
use std::process::Stdio;

use beam_node::{Node, NodeName};
use interop::{Beam, Epmd, Otp, eventually, unique_name};
use rpc_load_balancer::{Balancer, RoundRobin};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::callers::{OtpCallers, RustCallers};
use crate::mixed::{COOKIE, DEADLINE, GROUP, otp_member_named, rust_node};

const MEMBERS: usize = 4;

/// How long calls take.
const BRIEF_MS: u64 = 50;
const LONG_MS: u64 = 3_000;

pub(crate) async fn every_member_is_restarted_in_turn_and_no_call_fails(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let otp_callers = OtpCallers::start(&otp, &epmd).await;
    let names = [unique_name("otp"), unique_name("otp")];
    let beams = [
        start_otp(&otp, &epmd, &names[0], &otp_callers.beam).await,
        start_otp(&otp, &epmd, &names[1], &otp_callers.beam).await,
    ];
    let nodes = [
        rust_node(&epmd, &beams).await,
        rust_node(&epmd, &beams).await,
    ];
    let workers = [unique_name("w"), unique_name("w")].map(|alive| format!("{alive}@127.0.0.1"));
    let peers = [beams[0].name(), otp_callers.beam.name()];
    let mut rust = [
        start_rust(&epmd, &workers[0], &peers).await,
        start_rust(&epmd, &workers[1], &peers).await,
    ];
    // Calls of each length have a node of their own, which tells how many are in flight.
    let balancers = [balancer(&nodes[0]).await, balancer(&nodes[1]).await];
    let [brief, long] = [
        RustCallers::new(&balancers[0], BRIEF_MS),
        RustCallers::new(&balancers[1], LONG_MS),
    ];
    let load = Load {
        brief: &brief,
        long: &long,
        otp: &otp_callers,
    };

    let restarts = async {
        load.complete().await;
        otp_callers.begin(32, BRIEF_MS).await;
        otp_callers.begin(16, LONG_MS).await;
        for (worker, name) in rust.iter_mut().zip(&workers) {
            load.keeps_busy(name).await;
            terminate(worker).await;
            load.is_without(name).await;
            *worker = start_rust(&epmd, name, &[beams[1].name(), otp_callers.beam.name()]).await;
            load.complete().await;
        }
        let mut started = Vec::new();
        for (mut beam, name) in beams.into_iter().zip(&names) {
            load.keeps_busy(beam.name()).await;
            // OTP ends the calls that it serves: leave, let them end, then stop.
            let leave = "ok = pg:leave(rpc_load_balancer, my_balancer, whereis(member))";
            beam.expression(leave).external().await.unwrap();
            load.is_without(beam.name()).await;
            load.leaves_alone(beam.name()).await;
            beam.stop().await.unwrap();
            started.push(start_otp(&otp, &epmd, name, &otp_callers.beam).await);
            load.complete().await;
        }
        for name in &workers {
            load.keeps_busy(name).await;
        }
        brief.stop();
        long.stop();
        started
    };
    let (_started, ..) = tokio::join!(restarts, brief.call(32), long.call(16));
    otp_callers.stop().await;

    assert_eq!(brief.failures(), Vec::<String>::new());
    assert_eq!(long.failures(), Vec::<String>::new());
    assert_eq!(otp_callers.failures().await, "[]");
    for balancer in &balancers {
        assert_eq!(balancer.in_flight(), 0);
    }
    for worker in &mut rust {
        terminate(worker).await;
    }
}

/// Everybody who calls.
struct Load<'a> {
    brief: &'a RustCallers,
    long: &'a RustCallers,
    otp: &'a OtpCallers,
}

impl Load<'_> {
    /// Waits until all callers see all members.
    async fn complete(&self) {
        for callers in [self.brief, self.long] {
            let members = callers.balancer.wait_for_members(MEMBERS, DEADLINE);
            members.await.unwrap();
        }
        let seen = async || self.otp.members().await.len() == MEMBERS;
        eventually("nodes of OTP to see all members", DEADLINE, seen).await;
    }

    /// Waits until calls go on everywhere, and this member has long ones from nodes of both kinds.
    async fn keeps_busy(&self, name: &str) {
        let before = (self.brief.done(), self.otp.done(BRIEF_MS).await);
        let busy = async || {
            self.brief.done() > before.0 + 64
                && self.otp.done(BRIEF_MS).await > before.1 + 64
                && self.long.in_flight_at(name) > 0
                && self.otp.in_flight_at(name, LONG_MS).await > 0
        };
        eventually("a member to be busy", DEADLINE, busy).await;
    }

    /// Waits until nobody sees this member any more.
    async fn is_without(&self, name: &str) {
        let parsed: NodeName = name.parse().unwrap();
        let gone = async || {
            let left =
                |callers: &RustCallers| !callers.balancer.members().unwrap().contains(&parsed);
            left(self.brief)
                && left(self.long)
                && !self.otp.members().await.contains(&name.to_owned())
        };
        eventually("a member to leave", DEADLINE, gone).await;
        // Who has picked it before has called it by now.
        let called = async || self.otp.picking().await == 0;
        eventually("calls to begin", DEADLINE, called).await;
    }

    /// Waits until this member, which gets no more calls, has answered those that it had.
    async fn leaves_alone(&self, name: &str) {
        let idle = async || {
            self.brief.in_flight_at(name) == 0
                && self.long.in_flight_at(name) == 0
                && self.otp.in_flight_at(name, BRIEF_MS).await == 0
                && self.otp.in_flight_at(name, LONG_MS).await == 0
        };
        eventually("the calls to end", DEADLINE, idle).await;
    }
}

async fn balancer(node: &Node) -> Balancer {
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false);
    balancer.start(node).await.unwrap()
}

async fn start_otp(otp: &Otp, epmd: &Epmd, name: &str, caller: &Beam) -> Beam {
    let module = "
        -module(demo).
        -export([sleep/1]).
        sleep(Ms) -> timer:sleep(Ms).
    ";
    let beam = otp_member_named(otp, epmd, name, module).await;
    let connect = format!("pong = net_adm:ping('{}')", caller.name());
    beam.expression(&connect).external().await.unwrap();
    beam
}

/// Starts `rlb node`, and waits until others can call it.
async fn start_rust(epmd: &Epmd, name: &str, peers: &[&str]) -> Child {
    let mut child = Command::new(rlb())
        .args(["node", "--name", name, "--join", GROUP, "--cookie", COOKIE])
        .args(peers.iter().flat_map(|peer| ["--peer", peer]))
        .args(["--epmd-port", &epmd.port().to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.next_line().await.unwrap();
    assert_eq!(ready.as_deref(), Some(name));
    child
}

/// Sends SIGTERM and nothing else, and waits for the end.
async fn terminate(child: &mut Child) {
    let id = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .unwrap()
            .success()
    );
    let ended = tokio::time::timeout(DEADLINE, child.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}

/// The program `rlb`, which is built with the workspace.
fn rlb() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let directory = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = directory.join("rlb");
    let path = program.display();
    assert!(
        program.exists(),
        "{path} is missing: run `cargo build -p rlb` first"
    );
    program
}
