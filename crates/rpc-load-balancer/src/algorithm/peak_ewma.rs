//! Of two random members the one that answers sooner.
//!
//! Source: the Peak EWMA load balancer of Finagle (Twitter), also in `tower` and `linkerd2-proxy`,
//! with the choice between two of "The Power of Two Choices in Randomized Load Balancing"
//! (Mitzenmacher, 1996). The cost of a member is the average of its latency times the calls that it
//! would have in flight with the next one, an estimate of how long that one would wait, divided by
//! its weight. A selection costs one random number, a few reads and one exponential, whatever the
//! number of members, and does not read the clock; the end of a call reads it and costs two more.
//!
//! * A latency above the average replaces it at once; lower ones draw it down over `decay`, 10 s by
//!   default. Without calls it sinks by itself, so that a member which was slow is tried again.
//! * A failed call, of whatever kind, counts as one of `failure_penalty` at least, 1 s by default, because a member
//!   that fails at once would look like the fastest of all and draw the calls of all others. It is
//!   a fixed time and no multiple of the average, so that failures in a row do not add up: a member
//!   is back at an average `a` after `decay × ln(penalty / a)`, with the defaults 69 s where calls
//!   take 1 ms, or sooner if the others are that busy. A call that ran into its timeout counts for
//!   as long as it took. So does one that was given up, where that is longer than the average.
//! * The first members start at `default_latency`, 30 ms as in `tower`. A newcomer to others starts
//!   at their geometric mean: whatever calls take in this cluster, it gets its share at once, and no
//!   rush of calls before the first has come back. The geometric one, because the other kind of
//!   mean is that of the slowest.
//!
//! At low load nearly every call goes to the faster of the two, so the slowest member of all gets
//! few. Choose it when members, or the ways to them, differ in speed, as across zones; where they
//! do not, [`PowerOfTwo`](super::PowerOfTwo) is cheaper and more even.

use std::{sync::Arc, time::Duration};

use beam_dist::NodeName;
use tokio::time::Instant;

use super::{
    Algorithm, Rng, Selection,
    latency::{Latency, Now},
};
use crate::members::{Member, Outcome, OutcomeKind, Snapshot};

/// Picks two different members at random, and of these the one with the lower cost: its average
/// latency times its calls in flight and the next one, divided by its weight.
///
/// The average learns from calls that end through a balancer, or by [`Lease::end`](crate::Lease::end).
///
/// ```
/// use std::time::Duration;
///
/// use rpc_load_balancer::{NodeName, Outcome, OutcomeKind, PeakEwma, Pool, Selection};
///
/// let pool = Pool::new(PeakEwma::new().decay(Duration::from_secs(5)));
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?]);
///
/// let slow = pool.select(&Selection::default()).expect("there are two");
/// let node = slow.node().clone();
/// slow.end(Outcome::new(OutcomeKind::Success, Duration::from_secs(3)));
/// let next = pool.select(&Selection::default()).expect("there are two");
/// assert_ne!(*next.node(), node);
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Debug)]
pub struct PeakEwma {
    rng: Rng,
    /// What time is counted from.
    epoch: Instant,
    decay: Duration,
    default_latency: Duration,
    failure_penalty: Duration,
}

impl PeakEwma {
    /// The algorithm, with random numbers that differ in every run.
    pub fn new() -> Self {
        Self {
            rng: Rng::thread_local(),
            epoch: Instant::now(),
            decay: Duration::from_secs(10),
            default_latency: Duration::from_millis(30),
            failure_penalty: Duration::from_secs(1),
        }
    }

    /// The algorithm, with the same pairs in every run.
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: Rng::seeded(seed),
            ..Self::new()
        }
    }

    /// Sets the time over which a latency is forgotten: after it, it counts for a factor e less.
    /// Default: 10 s; at least 1 ms.
    pub fn decay(mut self, decay: Duration) -> Self {
        self.decay = decay.max(Duration::from_millis(1));
        self
    }

    /// Sets the latency that members are taken to have before anything is known of any. Default:
    /// 30 ms.
    pub fn default_latency(mut self, latency: Duration) -> Self {
        self.default_latency = latency;
        self
    }

    /// Sets the latency that a failed call counts as, unless it took longer. Default: 1 s. With 0
    /// failures count as other calls do.
    pub fn failure_penalty(mut self, penalty: Duration) -> Self {
        self.failure_penalty = penalty;
        self
    }

    /// The average latency of a member at this moment.
    pub fn latency(&self, member: &Member<Self>) -> Duration {
        let nanos = self.now().average(member.state().level());
        // Lossy only beyond centuries.
        Duration::from_nanos(nanos.round() as u64)
    }

    fn now(&self) -> Now {
        Now {
            nanos: nanos(self.epoch.elapsed()) as u64,
            decay: nanos(self.decay),
        }
    }
}

fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

/// What a member costs, as a logarithm and a factor: the former is the same at any time.
#[derive(Clone, Copy)]
struct Cost {
    level: f64,
    factor: f64,
}

/// Costs that differ by less than this part of them are alike.
const NO_DIFFERENCE: f64 = 0.001;

impl Cost {
    fn of(snapshot: &Snapshot<PeakEwma>, at: usize) -> Self {
        let member = &snapshot.members()[at];
        let calls = f64::from(member.in_flight()) + 1.0;
        Self {
            level: member.state().level(),
            factor: calls / f64::from(snapshot.weights()[at]),
        }
    }

    /// Whether it is less by more than what nobody would notice. Otherwise the member that joined a
    /// microsecond before the others would win every tie among those that nobody has called.
    fn is_below(self, other: Self) -> bool {
        self.factor * (self.level - other.level).exp() < other.factor * (1.0 - NO_DIFFERENCE)
    }

    /// The logarithm of the whole.
    fn level(self) -> f64 {
        self.level + self.factor.ln()
    }
}

impl Algorithm for PeakEwma {
    type Table = ();
    type State = Latency;

    const HEEDS_WEIGHTS: bool = true;

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        let Some((first, second)) = self.rng.pair_below(snapshot.members().len()) else {
            return Some(0);
        };
        let is_second = Cost::of(snapshot, second).is_below(Cost::of(snapshot, first));
        Some([first, second][usize::from(is_second)])
    }

    /// The cheapest ones, in order; ties are broken at random.
    fn choose_nodes(
        &self,
        snapshot: &Snapshot<Self>,
        count: usize,
        _: &Selection<'_>,
    ) -> Vec<usize> {
        let members = snapshot.members().len();
        let nodes = self.rng.sample_below(members, members).into_iter();
        let mut costs: Vec<(f64, usize)> = nodes
            .map(|at| (Cost::of(snapshot, at).level(), at))
            .collect();
        costs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        costs.into_iter().take(count).map(|(_, at)| at).collect()
    }

    fn state(&self, _: &NodeName, members: &[Arc<Member<Self>>]) -> Latency {
        let now = self.now();
        let levels = members.iter().map(|member| member.state().level());
        let level = match members.len() {
            0 => now.level(nanos(self.default_latency)),
            // Levels are logarithms of the same moment, so that their mean is the geometric one.
            count => levels.sum::<f64>() / count as f64,
        };
        Latency::starting_at(level, now)
    }

    fn on_outcome(&self, member: &Member<Self>, outcome: &Outcome) {
        let (state, now) = (member.state(), self.now());
        match outcome.kind {
            OutcomeKind::Success => state.record(nanos(outcome.elapsed), now),
            OutcomeKind::Abandoned => state.record_at_least(nanos(outcome.elapsed), now),
            _ => state.record(nanos(outcome.elapsed.max(self.failure_penalty)), now),
        }
    }
}

impl Default for PeakEwma {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::{Candidate, Lease, Pool, numbered};

    const MS: Duration = Duration::from_millis(1);

    fn select(pool: &Pool<PeakEwma>) -> Lease {
        pool.select(&Selection::default()).unwrap()
    }

    /// Calls that each end before the next one begins; 1 ms goes by with each. Returns how many each
    /// member got.
    async fn calls(
        pool: &Pool<PeakEwma>,
        calls: u32,
        outcome: impl Fn(&str) -> Outcome,
    ) -> Vec<u32> {
        let picks = || -> Vec<u32> {
            let snapshot = pool.snapshot();
            snapshot.members().iter().map(|m| m.picks()).collect()
        };
        let before = picks();
        for _ in 0..calls {
            let lease = select(pool);
            tokio::time::advance(MS).await;
            let outcome = outcome(lease.node().as_str());
            lease.end(outcome);
        }
        let counts = picks().into_iter().zip(before);
        counts.map(|(after, before)| after - before).collect()
    }

    /// Whom the algorithm chose, and the pair that it chose from.
    fn choices(pool: &Pool<PeakEwma>, seed: u64) -> Vec<(usize, usize)> {
        let pairs = Rng::seeded(seed);
        let snapshot = pool.snapshot();
        let members = snapshot.members().len();
        (0..1_000)
            .map(|_| {
                let (first, second) = pairs.pair_below(members).unwrap();
                let chosen = pool.algorithm().choose(&snapshot, &Selection::default());
                let chosen = chosen.unwrap();
                assert!(chosen == first || chosen == second);
                (chosen, if chosen == first { second } else { first })
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_costlier_of_the_two_is_never_picked() {
        let pool = Pool::new(PeakEwma::seeded(7));
        let weights = [1, 2, 3, 1, 1, 5];
        let candidates = numbered(0..6).into_iter().zip(weights);
        pool.update(candidates.map(|(node, weight)| Candidate::new(node, weight)));
        let snapshot = pool.snapshot();
        let mut leases = Vec::new();
        for (at, millis) in [31, 500, 80, 4_000, 32, 90].into_iter().enumerate() {
            tokio::time::advance(MS).await;
            let outcome = Outcome::new(OutcomeKind::Success, MS * millis);
            pool.algorithm()
                .on_outcome(&snapshot.members()[at], &outcome);
            leases.push(select_at(&snapshot, at));
            if at % 2 == 0 {
                leases.push(select_at(&snapshot, at));
            }
        }
        let cost = |at: usize| {
            let member = &snapshot.members()[at];
            let latency = pool.algorithm().latency(member).as_secs_f64();
            latency * f64::from(member.in_flight() + 1) / f64::from(weights[at])
        };
        for (chosen, other) in choices(&pool, 7) {
            assert!(cost(chosen) <= cost(other), "{chosen} {other}");
        }
    }

    fn select_at(snapshot: &Snapshot<PeakEwma>, at: usize) -> Lease {
        Lease::on(Arc::clone(&snapshot.members()[at]))
    }

    #[tokio::test(start_paused = true)]
    async fn members_that_cost_the_same_are_picked_alike() {
        let pool = Pool::new(PeakEwma::seeded(3));
        pool.update(numbered(0..4));
        let mut counts = [0_u32; 4];
        for (chosen, _) in choices(&pool, 3) {
            counts[chosen] += 1;
        }
        // Eight standard deviations are about 110.
        assert!(counts.iter().all(|n| n.abs_diff(250) < 110), "{counts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_member_gets_fewer_calls() {
        let pool = Pool::new(PeakEwma::seeded(1));
        pool.update(numbered(0..4));
        let picks = calls(&pool, 4_000, |node| {
            Outcome::new(
                OutcomeKind::Success,
                if node == "n1@host" { 20 * MS } else { MS },
            )
        });
        let picks = picks.await;
        assert!(picks[1] < 400, "{picks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_fails_at_once_gets_fewer_calls_than_the_others() {
        let pool = Pool::new(PeakEwma::seeded(1));
        pool.update(numbered(0..4));
        let fails_fast = |node: &str| match node {
            "n1@host" => Outcome::new(OutcomeKind::Raised, MS / 10),
            _ => Outcome::new(OutcomeKind::Success, 20 * MS),
        };
        let picks = calls(&pool, 4_000, fails_fast).await;
        assert!(picks[1] < 40, "{picks:?}");

        // Without a penalty it draws nearly all.
        let pool = Pool::new(PeakEwma::seeded(1).failure_penalty(Duration::ZERO));
        pool.update(numbered(0..4));
        let picks = calls(&pool, 4_000, fails_fast).await;
        assert!(picks[1] > 1_500, "{picks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_failed_is_tried_again_when_its_average_has_sunk() {
        let pool = Pool::new(PeakEwma::seeded(2));
        pool.update(numbered(0..2));
        let millisecond = |_: &str| Outcome::new(OutcomeKind::Success, MS);
        calls(&pool, 100, millisecond).await;
        let snapshot = pool.snapshot();
        let failed = &snapshot.members()[0];
        pool.algorithm()
            .on_outcome(failed, &Outcome::new(OutcomeKind::Raised, MS));
        assert_eq!(pool.algorithm().latency(failed).as_millis(), 1_000);

        assert_eq!(calls(&pool, 1_000, millisecond).await[0], 0);
        tokio::time::advance(Duration::from_secs(10)).await;
        let sunk = pool.algorithm().latency(failed).as_millis();
        assert!((320..=340).contains(&sunk), "{sunk}");
        // After 69 s it is at 1 ms, and answers that fast keep it there.
        tokio::time::advance(Duration::from_secs(60)).await;
        let picks = calls(&pool, 1_000, millisecond).await;
        assert!(picks[0] > 100, "{picks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_given_up_makes_the_average_longer_but_never_shorter() {
        let pool = Pool::new(PeakEwma::new().default_latency(30 * MS));
        pool.update(numbered(0..1));
        for (given_up_after, average) in [(200, 200), (100, 200)] {
            let outcome = Outcome::new(OutcomeKind::Abandoned, given_up_after * MS);
            select(&pool).end(outcome);
            let snapshot = pool.snapshot();
            let latency = pool.algorithm().latency(&snapshot.members()[0]);
            assert_eq!(latency.as_millis(), average);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_took_longer_than_the_penalty_counts_as_long_as_it_took() {
        let pool = Pool::new(PeakEwma::new());
        pool.update(numbered(0..1));
        select(&pool).end(Outcome::new(OutcomeKind::TimedOut, Duration::from_secs(10)));
        let snapshot = pool.snapshot();
        let latency = pool.algorithm().latency(&snapshot.members()[0]);
        assert_eq!(latency.as_millis(), 10_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_starts_at_the_mean_of_the_others() {
        let latency = |pool: &Pool<PeakEwma>, at: usize| {
            let snapshot = pool.snapshot();
            let latency = pool.algorithm().latency(&snapshot.members()[at]);
            (latency.as_secs_f64() * 1e3).round()
        };
        let pool = Pool::new(PeakEwma::new().default_latency(100 * MS));
        pool.update(numbered(0..2));
        assert_eq!((latency(&pool, 0), latency(&pool, 1)), (100.0, 100.0));
        let snapshot = pool.snapshot();
        let slow = Outcome::new(OutcomeKind::Success, 400 * MS);
        pool.algorithm().on_outcome(&snapshot.members()[0], &slow);
        pool.update(numbered(0..3));
        assert_eq!(latency(&pool, 2), 200.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_of_twice_the_weight_bears_twice_the_calls() {
        let pool = Pool::new(PeakEwma::seeded(6));
        let candidates = numbered(0..2).into_iter().zip([1, 2]);
        pool.update(candidates.map(|(node, weight)| Candidate::new(node, weight)));
        let _leases: Vec<Lease> = (0..300).map(|_| select(&pool)).collect();
        let snapshot = pool.snapshot();
        let in_flight: Vec<u32> = snapshot.members().iter().map(|m| m.in_flight()).collect();
        assert!(in_flight[0].abs_diff(100) <= 1, "{in_flight:?}");
    }

    #[test]
    fn members_that_nobody_has_called_share_alike() {
        let pool = Pool::new(PeakEwma::seeded(4));
        for members in 1..=3 {
            pool.update(numbered(0..members));
        }
        for _ in 0..3_000 {
            drop(pool.select(&Selection::default()).unwrap());
        }
        let snapshot = pool.snapshot();
        let picks: Vec<u32> = snapshot.members().iter().map(|m| m.picks()).collect();
        // The later ones start at the picks of those before.
        assert!(picks.iter().all(|&n| n.abs_diff(1_000) < 150), "{picks:?}");
    }

    #[test]
    fn the_cheapest_nodes_come_first_and_no_runtime_is_needed() {
        let pool = Pool::new(PeakEwma::seeded(5));
        pool.update(numbered(0..4));
        let snapshot = pool.snapshot();
        for (at, seconds) in [(0, 3), (1, 1), (2, 4), (3, 2)] {
            let outcome = Outcome::new(OutcomeKind::Success, Duration::from_secs(seconds));
            pool.algorithm()
                .on_outcome(&snapshot.members()[at], &outcome);
        }
        let nodes = |count| {
            let selection = Selection::default();
            pool.algorithm().choose_nodes(&snapshot, count, &selection)
        };
        assert_eq!(nodes(3), [1, 3, 0]);
        assert_eq!(nodes(9), [1, 3, 0, 2]);
        assert!(
            Pool::new(PeakEwma::new())
                .select(&Selection::default())
                .is_none()
        );
    }
}
