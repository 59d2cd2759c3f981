//! The members whose processors are least busy.
//!
//! Source: the algorithm of this name in the Elixir library `rpc_load_balancer`, whose members and
//! these ask each other. Every member is asked how busy its processors are, by default every 5 s;
//! calls go to any of the members within 5 percentage points of the least busy one. A member that
//! has not answered counts as half busy, and so does one whose last answer is older than 10 s. A
//! choice costs one random number: who is within reach is computed after each round of questions, and
//! whenever an answer becomes too old.
//!
//! A member without the function that is asked for, which is any node without one of the two
//! libraries, is asked for `cpu_sup:avg1()` of OTP's application `os_mon`: the load average of one
//! minute, here as a share of the processors. Where that application does not run, the member counts
//! as one that has not answered.
//!
//! Choose it when calls are few and heavy, and keep processors busy for seconds. What it knows is
//! old: for many small calls [`PowerOfTwo`](super::PowerOfTwo) and [`PeakEwma`](super::PeakEwma) are
//! quicker to see that a member is busy.

mod poll;
mod reading;

use std::{sync::Arc, time::Duration};

use beam_dist::NodeName;
use tokio::time::Instant;

use super::{Algorithm, Background, BackgroundTask, Rng, Selection};
use crate::members::{Member, Snapshot};

use reading::CpuReading;

/// Picks any of the members whose processors are the least busy.
///
/// ```no_run
/// use std::time::Duration;
///
/// use rpc_load_balancer::{Balancer, LeastCpu, Node};
///
/// # async fn example(node: Node) -> Result<(), rpc_load_balancer::Error> {
/// let algorithm = LeastCpu::new().interval(Duration::from_secs(2)).tolerance(10.0);
/// let balancer = Balancer::builder("my_balancer").algorithm(algorithm).start(&node).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LeastCpu {
    rng: Rng,
    begun: Instant,
    interval: Duration,
    initial_delay: Duration,
    timeout: Duration,
    max_age: Duration,
    tolerance: f32,
}

/// What a member that has not answered counts as, in percent.
const UNKNOWN: f32 = 50.0;

impl LeastCpu {
    /// The algorithm, with the defaults of the library.
    pub fn new() -> Self {
        Self {
            rng: Rng::thread_local(),
            begun: Instant::now(),
            interval: Duration::from_secs(5),
            initial_delay: Duration::from_secs(60),
            timeout: Duration::from_secs(2),
            max_age: Duration::from_secs(10),
            tolerance: 5.0,
        }
    }

    /// The algorithm, with the same choices in every run that has the same answers.
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: Rng::seeded(seed),
            ..Self::new()
        }
    }

    /// Sets how often the members are asked. Default: 5 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(SHORTEST_INTERVAL);
        self
    }

    /// Sets within which time the first question comes, at random, so that nodes that are started
    /// together do not ask together. Default: 60 s.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// Sets how long a member may take to answer, also where it is asked for its load average after
    /// all. Default: 2 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets for how long an answer is believed, from the moment that it came. Default: 10 s.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets by how many percentage points a member may be busier than the least busy one and still
    /// be picked. Default: 5.
    pub fn tolerance(mut self, points: f32) -> Self {
        self.tolerance = points.max(0.0);
        self
    }

    /// How busy a member is believed to be.
    fn busyness(&self, reading: &CpuReading) -> f32 {
        reading
            .within(self.max_age, self.begun.elapsed())
            .unwrap_or(UNKNOWN)
    }

    /// How long it takes until one of the answers is too old, at the latest one that comes now.
    fn next_expiry(&self, members: &[Arc<Member<Self>>]) -> Duration {
        let now = self.begun.elapsed();
        members
            .iter()
            .filter_map(|member| member.state().expiry(self.max_age, now))
            .fold(self.max_age, Duration::min)
            .max(SHORTEST_INTERVAL)
    }
}

/// Asking more often than this would keep the processors busy by itself.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

impl Default for LeastCpu {
    fn default() -> Self {
        Self::new()
    }
}

/// The members that may be picked, by their indices.
#[derive(Debug, Default)]
pub struct Idle(Box<[u32]>);

impl Algorithm for LeastCpu {
    type Table = Idle;
    type State = CpuReading;

    const READS_LOAD: bool = false;

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        let Idle(idle) = snapshot.table();
        let picked = idle.get(self.rng.below(idle.len()))?;
        Some(*picked as usize)
    }

    /// The least busy first, whatever the tolerance.
    fn choose_nodes(
        &self,
        snapshot: &Snapshot<Self>,
        count: usize,
        _: &Selection<'_>,
    ) -> Vec<usize> {
        let busyness: Vec<f32> = snapshot
            .members()
            .iter()
            .map(|member| self.busyness(member.state()))
            .collect();
        // In random order, so that equals take turns.
        let mut nodes = self.rng.sample_below(busyness.len(), busyness.len());
        nodes.sort_by(|&a, &b| busyness[a].total_cmp(&busyness[b]));
        nodes.truncate(count);
        nodes
    }

    fn table(&self, members: &[Arc<Member<Self>>], _: &[u32], _: &Snapshot<Self>) -> Idle {
        let busyness: Vec<f32> = members
            .iter()
            .map(|member| self.busyness(member.state()))
            .collect();
        let least = busyness.iter().copied().fold(f32::INFINITY, f32::min);
        let idle = (0_u32..)
            .zip(&busyness)
            .filter(|(_, busyness)| **busyness <= least + self.tolerance)
            .map(|(index, _)| index)
            .collect();
        Idle(idle)
    }

    fn state(&self, _: &NodeName, _: &[Arc<Member<Self>>]) -> CpuReading {
        CpuReading::none()
    }

    fn background(&self, background: Background<Self>) -> Option<BackgroundTask> {
        Some(Box::pin(poll::run(background)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::members::{Pool, numbered};

    /// A pool whose members have just said that they are so busy.
    fn pool(answers: &[Option<f32>]) -> Pool<LeastCpu> {
        let pool = Pool::new(LeastCpu::seeded(1));
        pool.update(numbered(0..answers.len()));
        answer(&pool, answers);
        pool
    }

    fn answer(pool: &Pool<LeastCpu>, answers: &[Option<f32>]) {
        let now = pool.algorithm().begun.elapsed();
        for (member, answer) in pool.snapshot().members().iter().zip(answers) {
            if let Some(percent) = answer {
                member.state().set(*percent, now);
            }
        }
        pool.refresh();
    }

    /// How often each member is picked.
    fn shares(pool: &Pool<LeastCpu>) -> BTreeMap<usize, u32> {
        let mut shares = BTreeMap::new();
        for _ in 0..3_000 {
            let lease = pool.select(&Selection::default()).unwrap();
            let number = lease.node().alive()[1..].parse().unwrap();
            *shares.entry(number).or_default() += 1;
        }
        shares
    }

    #[tokio::test]
    async fn those_within_the_tolerance_of_the_least_busy_share_alike() {
        let pool = pool(&[Some(30.0), Some(24.9), Some(90.0), Some(29.9), Some(29.8)]);
        let shares = shares(&pool);
        assert_eq!(shares.keys().copied().collect::<Vec<_>>(), [1, 3, 4]);
        assert!(
            shares.values().all(|n| n.abs_diff(1_000) < 150),
            "{shares:?}"
        );
    }

    #[tokio::test]
    async fn a_member_without_an_answer_counts_as_half_busy() {
        let unknown_is_best = pool(&[Some(60.0), None, Some(99.0)]);
        assert_eq!(shares(&unknown_is_best).len(), 1);
        let unknown_is_near = pool(&[Some(46.0), None, Some(99.0)]);
        assert_eq!(shares(&unknown_is_near).len(), 2);
        let unknown_is_worse = pool(&[Some(44.0), None]);
        assert_eq!(
            shares(&unknown_is_worse).into_keys().collect::<Vec<_>>(),
            [0]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_believed_for_ten_seconds() {
        let pool = pool(&[Some(1.0), Some(90.0)]);
        tokio::time::advance(Duration::from_secs(10)).await;
        pool.refresh();
        assert_eq!(shares(&pool).into_keys().collect::<Vec<_>>(), [0]);
        tokio::time::advance(Duration::from_millis(2)).await;
        pool.refresh();
        assert_eq!(shares(&pool).len(), 2);
    }

    #[tokio::test]
    async fn a_newcomer_counts_as_half_busy_and_joins_the_others() {
        let pool = pool(&[Some(50.0)]);
        pool.update(numbered(0..2));
        assert_eq!(shares(&pool).len(), 2);
    }

    #[tokio::test]
    async fn several_nodes_come_with_the_least_busy_first() {
        let pool = pool(&[Some(70.0), Some(10.0), None]);
        let leases = pool.select_nodes(3, &Selection::default());
        let nodes: Vec<_> = leases.iter().map(|lease| lease.node().alive()).collect();
        assert_eq!(nodes, ["n1", "n2", "n0"]);
    }

    #[test]
    fn without_members_nobody_is_picked() {
        let pool = Pool::new(LeastCpu::new());
        assert!(pool.select(&Selection::default()).is_none());
    }
}
