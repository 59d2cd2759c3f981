//! Every member of a cluster of both kinds is stopped and started again under load.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use beam_node::NodeName;
use interop::{Beam, Epmd, Otp, eventually, unique_name};
use rpc_load_balancer::{Balancer, RoundRobin};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::mixed::{DEADLINE, GROUP, otp_member_named, rust_node};

/// How long a call takes, and how many are under way at once.
const CALL_MS: u64 = 50;
const CALLERS: usize = 32;

pub(crate) async fn every_member_is_restarted_in_turn_and_no_call_fails(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let names = [unique_name("otp"), unique_name("otp")];
    let beams = [
        start_otp(&otp, &epmd, &names[0]).await,
        start_otp(&otp, &epmd, &names[1]).await,
    ];
    let client = rust_node(&epmd, &beams).await;
    let workers = [unique_name("w"), unique_name("w")].map(|alive| format!("{alive}@127.0.0.1"));
    let mut rust = [
        start_rust(&epmd, &workers[0], beams[0].name()).await,
        start_rust(&epmd, &workers[1], beams[0].name()).await,
    ];
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false);
    let balancer = balancer.start(&client).await.unwrap();
    balancer.wait_for_members(4, DEADLINE).await.unwrap();

    let load = Load::default();
    let restarts = async {
        for (worker, name) in rust.iter_mut().zip(&workers) {
            load.goes_on().await;
            terminate(worker).await;
            gone(&balancer, name).await;
            load.goes_on().await;
            *worker = start_rust(&epmd, name, beams[1].name()).await;
            balancer.wait_for_members(4, DEADLINE).await.unwrap();
        }
        let mut started = Vec::new();
        for (mut beam, name) in beams.into_iter().zip(&names) {
            load.goes_on().await;
            // OTP ends the calls that it serves: leave, let them end, then stop.
            let leave = "ok = pg:leave(rpc_load_balancer, my_balancer, whereis(member))";
            beam.expression(leave).external().await.unwrap();
            gone(&balancer, beam.name()).await;
            let idle = async || {
                client
                    .peers()
                    .iter()
                    .all(|peer| peer.name.as_str() != beam.name() || peer.calling == 0)
            };
            eventually("the calls to end", DEADLINE, idle).await;
            beam.stop().await.unwrap();
            load.goes_on().await;
            started.push(start_otp(&otp, &epmd, name).await);
            balancer.wait_for_members(4, DEADLINE).await.unwrap();
        }
        load.goes_on().await;
        load.stop.store(true, Ordering::Relaxed);
        started
    };
    let callers = (0..CALLERS).map(|_| load.call_on(&balancer));
    let (_started, _) = tokio::join!(restarts, futures_util::future::join_all(callers));

    let failures = load.failures.into_inner().unwrap();
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(balancer.in_flight(), 0);
    for worker in &mut rust {
        terminate(worker).await;
    }
}

/// Calls, one after the other from each caller.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    done: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    async fn call_on(&self, balancer: &Balancer) {
        while !self.stop.load(Ordering::Relaxed) {
            let call = balancer.call::<beam_term::Atom, _>(("demo", "sleep"), (CALL_MS,));
            if let Err(error) = call.await {
                let mut failures = self.failures.lock().unwrap();
                failures.push(format!("{error} at {:?}", error.details.node));
            }
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until many more calls were made than there are callers.
    async fn goes_on(&self) {
        let before = self.done.load(Ordering::Relaxed);
        let went_on = async || self.done.load(Ordering::Relaxed) > before + 4 * CALLERS as u64;
        eventually("calls to go on", DEADLINE, went_on).await;
    }
}

async fn gone(balancer: &Balancer, name: &str) {
    let name: NodeName = name.parse().unwrap();
    let gone = async || !balancer.members().unwrap().contains(&name);
    eventually("a member to leave", DEADLINE, gone).await;
}

async fn start_otp(otp: &Otp, epmd: &Epmd, name: &str) -> Beam {
    otp_member_named(
        otp,
        epmd,
        name,
        "
        -module(demo).
        -export([sleep/1]).
        sleep(Ms) -> timer:sleep(Ms).
    ",
    )
    .await
}

/// Starts `rlb node`, and waits until others can call it.
async fn start_rust(epmd: &Epmd, name: &str, peer: &str) -> Child {
    let mut child = Command::new(rlb())
        .args(["node", "--name", name, "--join", GROUP, "--peer", peer])
        .args(["--cookie", crate::mixed::COOKIE])
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
