//! A link after its handshake: a node with all that it does, and a peer that says anything.

mod book;
mod frames;
mod input;
mod names;
#[path = "../../../simulation/src/panics.rs"] // Simulations look for the same.
mod panics;
mod peer;
mod pipes;
mod said;
mod speech;
mod user;
mod wire;

use std::{sync::Arc, time::Duration};

use beam_dist::NodeName;
use beam_node::network;
use tokio::{
    runtime::{Builder, RngSeed},
    time::sleep,
};

use input::Input;
use peer::Peer;
use pipes::Pipes;
use user::User;

const NODE: &str = "node@127.0.0.1";
const PEERS: [&str; 2] = ["peer@127.0.0.2", "other@127.0.0.2"];
const COOKIE: &str = "fuzz";

/// An input of more has no more to say.
const STEPS: usize = 256;

/// Takes the input for what befalls a node: what a peer says that knows the cookie, under one name or two,
/// what the user of the node does meanwhile, and how time passes. The first two bytes say what the two
/// nodes can do.
///
/// What the node sends must be readable and what was asked for, each request answered once; what it
/// holds must stay within its limits; every call that it makes must end once, with what the peer has
/// answered, if anything; and nothing may be left when the peer is gone.
///
/// The node is a real one. Its time is simulated, and the network is made of pipes, so that an input
/// does the same every time.
pub fn link(input: &[u8]) {
    panics::note();
    panics::take();
    fastrand::seed(1);
    let pipes = Pipes::default();
    network::enter(Arc::new(pipes.clone()));
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(b"link"))
        .build()
        .expect("a runtime without sockets needs nothing from the system");
    runtime.block_on(run(Input::new(input), pipes));
    let tasks = runtime.metrics().num_alive_tasks();
    let panics = panics::take();
    assert!(panics.is_empty(), "{panics:#?}");
    assert_eq!(tasks, 0, "tasks are left");
}

async fn run(mut input: Input<'_>, pipes: Pipes) {
    let names = PEERS.map(|name| name.parse::<NodeName>().expect("the name is valid"));
    let mut user = User::start(&mut input, &names[0]).await;
    let node = (user.node.name(), user.node.creation());
    let flags = peer::flags(input.byte());
    let mut peer = Peer::new(pipes, names, node, user.book.clone(), flags);
    let (mut reads, mut held) = (true, 0_usize);
    let mut steps = 0;
    while !input.is_empty() && steps < STEPS {
        steps += 1;
        peer.connect().await;
        match input.below(16) {
            0..9 => peer.speak(&mut input),
            9..12 => user.act(&mut input, &peer.names).await,
            12 => pass_time(&mut input, &mut peer).await,
            13 => reads = !reads,
            14 => held = 1 + input.below(16),
            _ => peer.leave(&mut input),
        }
        // What is held comes in one piece.
        held = held.saturating_sub(1);
        if held == 0 {
            peer.exchange(reads).await;
            peer.accept().await;
            user.check_bounds();
        }
    }
    wind_up(&mut peer, &user).await;
    peer.end();
    // Every call has a timeout, and every function ends.
    sleep(Duration::from_secs(60)).await;
    user.check_nothing_is_left().await;
    // What the node has told to end ends.
    sleep(Duration::from_secs(1)).await;
}

async fn pass_time(input: &mut Input<'_>, peer: &mut Peer) {
    let choice = input.byte();
    if choice & 0x80 != 0 {
        peer.tick();
    }
    let ms = [1, 10, 100, 500, 1_000, 3_000, 10_000, 30_000][usize::from(choice & 7)];
    sleep(Duration::from_millis(ms)).await;
}

/// The peer listens and says nothing more until all that it has asked for is done.
async fn wind_up(peer: &mut Peer, user: &User) {
    if peer.is_garbled() {
        return;
    }
    for _ in 0..8 {
        peer.tick();
        peer.exchange(true).await;
        sleep(Duration::from_millis(500)).await;
    }
    user.check_bounds();
    peer.exchange(true).await;
    peer.check_all_is_answered();
}
