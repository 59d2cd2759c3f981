//! What a simulation does, all of which follows from its seed.

mod faults;
mod show;

use std::time::Duration;

use fastrand::Rng;

use crate::{
    clock::{HostId, Millis, millis},
    network::{Delay, Settings},
};

pub(crate) use faults::{Event, Fault};

/// A simulation that is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) seed: u64,
    /// How long a host runs before another one does. Nothing comes sooner from one to the other.
    pub(crate) step: Millis,
    pub(crate) network: Settings,
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) finding: Finding,
    pub(crate) net_ticktime: Duration,
    /// What happens when. Everything is well again after the last of it.
    pub(crate) events: Vec<Event>,
    /// When the faults end.
    pub(crate) healed: Millis,
}

/// How nodes find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// All listen on one port, and know all names.
    AllByFixedPort,
    /// Each host has its EPMD, and everybody knows all names.
    AllByEpmd,
    /// Each host has its EPMD, and everybody knows the first nodes, and learns of the others.
    Learned,
}

/// A node, on a host of its own.
#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    /// Whether it is there from the beginning.
    pub(crate) starts: bool,
    /// Whether it is there in the end.
    pub(crate) stays: bool,
    /// Whether it is a member of the pool, or only calls.
    pub(crate) is_member: bool,
    pub(crate) visible: bool,
    pub(crate) algorithm: &'static str,
    /// How many calls of its balancer may be in flight at a time, to all members and to each.
    pub(crate) in_flight: Option<(usize, u32)>,
    /// How many bytes may be queued for a peer.
    pub(crate) outgoing: usize,
    /// Whether a call waits for room among them, instead of failing.
    pub(crate) waits_for_room: bool,
    /// How long its calls wait for a member that has gone silent, if not as long as for any other.
    pub(crate) grace: Option<Millis>,
    pub(crate) callers: Vec<CallerPlan>,
}

/// A task that makes calls, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct CallerPlan {
    pub(crate) seed: u64,
    /// The longest pause between two calls.
    pub(crate) pause: Millis,
    /// The timeouts of its calls are up to this one.
    pub(crate) timeout: Millis,
    /// What it asks for takes up to so long.
    pub(crate) work: Millis,
    /// One call in so many carries a large argument, or gives a large result.
    pub(crate) large: u32,
    /// One call in so many is given up before it ends.
    pub(crate) abandons: u32,
    /// One call in so many is a cast.
    pub(crate) casts: u32,
    /// One call in so many is of a function that blocks.
    pub(crate) blocking: u32,
    /// One call in so many is one of many at a time, of a node that it knows.
    pub(crate) bursts: u32,
    /// One call in so many of the others is idempotent.
    pub(crate) idempotent: u32,
    /// After so long those go to a second member.
    pub(crate) hedged: Option<Millis>,
}

/// The longest that anything takes that is called.
pub(crate) const LONGEST_WORK: Millis = 3_000;

/// The longest timeout of a call.
pub(crate) const LONGEST_TIMEOUT: Millis = 6_000;

/// All that need nothing but a name.
const ALGORITHMS: [&str; 10] = [
    "bounded-hash",
    "hash-ring",
    "least-connections",
    "least-cpu:interval=1s",
    "maglev",
    "peak-ewma",
    "power-of-two",
    "random",
    "round-robin",
    "weighted-round-robin",
];

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        // Seeds one after the other are to differ in more than their last bits.
        let mut rng = Rng::with_seed(Rng::with_seed(seed).u64(..) ^ seed.rotate_left(32));
        let count = match rng.u32(0..100) {
            0..70 => rng.usize(3..=5),
            70..93 => rng.usize(6..=9),
            93..99 => rng.usize(10..=16),
            _ => rng.usize(17..=30),
        };
        let step = rng.u64(2..=10);
        let delay = Delay {
            least: step,
            most: step + choose(&mut rng, &[0, 2, 10, 60]),
        };
        let network = Settings {
            seed: rng.u64(..),
            delay,
            window: choose(&mut rng, &[16 << 10, 64 << 10, 512 << 10]),
        };
        let finding = choose(
            &mut rng,
            &[
                Finding::AllByFixedPort,
                Finding::AllByEpmd,
                Finding::Learned,
            ],
        );
        let net_ticktime = Duration::from_secs(choose(&mut rng, &[4, 8, 20, 60]));
        let mut nodes: Vec<_> = (0..count).map(|_| NodePlan::new(&mut rng, count)).collect();
        // Somebody calls, somebody is called, and others can find each other by the first ones.
        nodes[0].starts = true;
        nodes[0].stays = true;
        nodes[0].is_member = true;
        nodes[1].starts = true;
        nodes[1].stays = true;
        if nodes[1].callers.is_empty() {
            nodes[1].callers.push(CallerPlan::new(&mut rng));
        }
        let healed = match rng.u32(0..8) {
            0 => rng.u64(30_000..120_000),
            _ => rng.u64(5_000..30_000),
        };
        let mut plan = Self {
            seed,
            step,
            network,
            nodes,
            finding,
            net_ticktime,
            events: Vec::new(),
            healed,
        };
        plan.events = faults::draw(&mut rng, &plan);
        plan
    }

    /// The names of nodes that everybody knows.
    pub(crate) fn known(&self) -> impl Iterator<Item = HostId> {
        let known = match self.finding {
            Finding::AllByFixedPort | Finding::AllByEpmd => self.nodes.len(),
            Finding::Learned => 2,
        };
        0..known
    }

    /// The most calls at a time: what a connection carries within a second or so.
    pub(crate) fn burst(&self) -> usize {
        (self.network.window / 160).min(800)
    }

    /// How long it may take until a silent peer is given up.
    pub(crate) fn noticed_within(&self) -> Millis {
        5 * millis(self.net_ticktime) / 4
    }
}

impl NodePlan {
    fn new(rng: &mut Rng, count: usize) -> Self {
        // Large clusters do not need more calls to be busy.
        let callers = match count {
            ..10 => rng.usize(0..=4),
            _ => rng.usize(0..=1),
        };
        Self {
            starts: rng.u32(0..8) > 0,
            stays: rng.u32(0..8) > 0,
            is_member: rng.u32(0..5) > 0,
            visible: rng.u32(0..4) == 0,
            algorithm: choose(rng, &ALGORITHMS),
            in_flight: choose(rng, &[None, None, None, Some((2, 1)), Some((3, 3))]),
            outgoing: choose(rng, &[64 << 20, 16 << 10]),
            waits_for_room: rng.bool(),
            grace: choose(rng, &[None, None, Some(0), Some(300)]),
            callers: (0..callers).map(|_| CallerPlan::new(rng)).collect(),
        }
    }
}

impl CallerPlan {
    fn new(rng: &mut Rng) -> Self {
        Self {
            seed: rng.u64(..),
            pause: choose(rng, &[10, 100, 500]),
            timeout: choose(rng, &[100, 1_000, LONGEST_TIMEOUT]),
            work: choose(rng, &[0, 20, 300, LONGEST_WORK]),
            large: choose(rng, &[20, 200, u32::MAX]),
            abandons: choose(rng, &[10, 100, u32::MAX]),
            casts: choose(rng, &[5, 50]),
            blocking: choose(rng, &[4, 50, u32::MAX]),
            bursts: choose(rng, &[400, u32::MAX, u32::MAX]),
            idempotent: choose(rng, &[1, 4, u32::MAX]),
            hedged: choose(rng, &[None, Some(5), Some(200)]),
        }
    }
}

impl CallerPlan {
    /// One that makes small calls only, many at a time.
    pub(crate) fn burst(seed: u64) -> Self {
        Self {
            seed,
            pause: 0,
            timeout: 1_000,
            work: 20,
            large: u32::MAX,
            abandons: 10,
            casts: 50,
            blocking: 50,
            bursts: 1,
            idempotent: u32::MAX,
            hedged: None,
        }
    }
}

fn choose<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(0..choices.len())]
}
