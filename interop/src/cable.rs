//! Cables that lose, delay, repeat and reorder what passes.
//!
//! Linux has such a thing, `tc netem`, but not every kernel is built with it, and nobody can give it a
//! seed. So frames pass through the test here: the two ends of a cable are network devices whose
//! other sides a thread of the test reads and writes. What is tested sees the network of its kernel.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::pending;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_tun::Tun;

use crate::{Error, Result};

/// The largest frame: a packet of 1,500 bytes and its header.
const FRAME_BYTES: usize = 2048;

/// The most frames that are under way in one direction; more are lost, as with `netem`.
const LIMIT: usize = 10_000;

/// What becomes of the frames in one direction of a [`Cable`].
///
/// The shares are those of `tc netem`: 0.25 is a quarter of the frames. The default is a cable that
/// does nothing to them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// The share that is lost.
    pub loss: f64,
    /// How long a frame is under way.
    pub delay: Duration,
    /// How much longer or shorter it may be, at random. It lets frames overtake others.
    pub jitter: Duration,
    /// The share that arrives twice.
    pub duplication: f64,
    /// The share that is not delayed, and so overtakes all others.
    pub reordering: f64,
}

impl Conditions {
    /// Nothing passes, and nobody is told.
    pub const CUT: Self = Self {
        loss: 1.0,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        duplication: 0.0,
        reordering: 0.0,
    };
}

/// How many frames met with what, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Those that went in.
    pub frames: u64,
    /// Those of them that were lost.
    pub lost: u64,
    /// Those that arrived twice.
    pub duplicated: u64,
    /// Those that arrived before another that went in earlier.
    pub overtook: u64,
}

/// The cable of a host, with a direction each way.
///
/// Without it the host is unplugged for good.
#[derive(Debug)]
pub struct Cable {
    shared: Arc<Shared>,
    _end: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Shared {
    outgoing: Direction,
    incoming: Direction,
}

#[derive(Debug, Default)]
struct Direction {
    conditions: Mutex<Conditions>,
    frames: AtomicU64,
    lost: AtomicU64,
    duplicated: AtomicU64,
    overtook: AtomicU64,
}

impl Cable {
    /// Makes two network devices of these names, and lets frames pass between them. They go with
    /// the cable.
    pub(crate) fn connect(network: &str, host: &str) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (end, ended) = oneshot::channel();
        let (made, is_made) = mpsc::channel();
        // A random one each time: it is printed, to be put here when a test fails by it.
        let seed = RandomState::new().hash_one(0);
        eprintln!("the cable between {network} and {host} has the seed {seed}");
        let names = [network, host].map(str::to_owned);
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || run(&names, seed, &shared, ended, &made)
        });
        let failed = |error: io::Error| Error::Run {
            program: "a network device of /dev/net/tun".into(),
            source: error,
        };
        match is_made.recv() {
            Ok(outcome) => outcome.map_err(failed)?,
            Err(_) => return Err(failed(io::Error::other("its thread ended"))),
        }
        Ok(Self { shared, _end: end })
    }

    /// Changes both directions. Frames that are under way are not touched.
    pub fn set(&self, conditions: Conditions) {
        self.set_outgoing(conditions);
        self.set_incoming(conditions);
    }

    /// Changes what becomes of what the host sends.
    pub fn set_outgoing(&self, conditions: Conditions) {
        *self.shared.outgoing.conditions() = conditions;
    }

    /// Changes what becomes of what is sent to the host.
    pub fn set_incoming(&self, conditions: Conditions) {
        *self.shared.incoming.conditions() = conditions;
    }

    /// Loses all frames, both ways, until [`Cable::mend`].
    pub fn cut(&self) {
        self.set(Conditions::CUT);
    }

    /// Lets all frames pass as if it were nothing.
    pub fn mend(&self) {
        self.set(Conditions::default());
    }

    /// What has passed since the cable was made.
    pub fn passed(&self) -> Passed {
        let [out, into] = [&self.shared.outgoing, &self.shared.incoming];
        let sum = |of: fn(&Direction) -> &AtomicU64| {
            of(out).load(Ordering::Relaxed) + of(into).load(Ordering::Relaxed)
        };
        Passed {
            frames: sum(|direction| &direction.frames),
            lost: sum(|direction| &direction.lost),
            duplicated: sum(|direction| &direction.duplicated),
            overtook: sum(|direction| &direction.overtook),
        }
    }
}

impl Direction {
    fn conditions(&self) -> MutexGuard<'_, Conditions> {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets frames pass until the cable is dropped, with a thread that nothing of the test holds up.
fn run(
    names: &[String; 2],
    seed: u64,
    shared: &Shared,
    ended: oneshot::Receiver<()>,
    made: &mpsc::Sender<io::Result<()>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return drop(made.send(Err(error))),
    };
    runtime.block_on(async {
        let [network, host] = match [device(&names[0]), device(&names[1])] {
            [Ok(network), Ok(host)] => [network, host],
            [Err(error), _] | [_, Err(error)] => return drop(made.send(Err(error))),
        };
        drop(made.send(Ok(())));
        let mut seeds = fastrand::Rng::with_seed(seed);
        let [outgoing, incoming] = [seeds.fork(), seeds.fork()];
        tokio::select! {
            _ = ended => {}
            () = pass(&host, &network, &shared.outgoing, outgoing) => {}
            () = pass(&network, &host, &shared.incoming, incoming) => {}
        }
    });
}

fn device(name: &str) -> io::Result<Tun> {
    let devices = Tun::builder().name(name).tap().build();
    let devices = devices.map_err(io::Error::other)?;
    devices
        .into_iter()
        .next()
        .ok_or_else(|| io::Error::other("no device was made"))
}

/// A frame under way: when it arrives, its number, and what it is.
type UnderWay = Reverse<(Instant, u64, Vec<u8>)>;

/// Lets frames pass in one direction.
async fn pass(from: &Tun, to: &Tun, direction: &Direction, mut random: fastrand::Rng) {
    let mut frame = [0; FRAME_BYTES];
    let mut under_way = BinaryHeap::<UnderWay>::new();
    let mut sent = 0;
    let mut latest = 0;
    loop {
        let due = under_way.peek().map(|Reverse((due, ..))| *due);
        let arrival = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = arrival => {
                let Some(Reverse((_, number, frame))) = under_way.pop() else { continue };
                if number < latest {
                    direction.overtook.fetch_add(1, Ordering::Relaxed);
                }
                latest = latest.max(number);
                // A device that is down takes no frames.
                let _ = to.send(&frame).await;
            }
            received = from.recv(&mut frame) => {
                let Ok(length) = received else {
                    // Reading from a device that is not up fails.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                };
                direction.frames.fetch_add(1, Ordering::Relaxed);
                sent += 1;
                let conditions = *direction.conditions();
                if random.f64() < conditions.loss || under_way.len() >= LIMIT {
                    direction.lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let is_duplicated = random.f64() < conditions.duplication;
                if is_duplicated {
                    direction.duplicated.fetch_add(1, Ordering::Relaxed);
                }
                for _ in 0..=u32::from(is_duplicated) {
                    let due = Instant::now() + conditions.takes(&mut random);
                    under_way.push(Reverse((due, sent, frame[..length].to_vec())));
                }
            }
        }
    }
}

impl Conditions {
    /// How long a frame takes.
    fn takes(&self, random: &mut fastrand::Rng) -> Duration {
        if random.f64() < self.reordering {
            return Duration::ZERO;
        }
        let shift = self.jitter.mul_f64(2.0 * random.f64());
        (self.delay + shift).saturating_sub(self.jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_takes_as_long_as_the_conditions_say() {
        let mut random = fastrand::Rng::with_seed(1);
        let [delay, jitter] = [100, 50].map(Duration::from_millis);
        let conditions = Conditions {
            delay,
            jitter,
            ..Conditions::default()
        };
        let taken: Vec<_> = (0..1000).map(|_| conditions.takes(&mut random)).collect();
        assert!(
            taken
                .iter()
                .all(|taken| *taken >= delay - jitter && *taken <= delay + jitter)
        );
        assert!(
            taken.iter().any(|taken| *taken < delay) && taken.iter().any(|taken| *taken > delay)
        );

        let overtaking = Conditions {
            reordering: 1.0,
            ..conditions
        };
        assert_eq!(overtaking.takes(&mut random), Duration::ZERO);
    }
}
