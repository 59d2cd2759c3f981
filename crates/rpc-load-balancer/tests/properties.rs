//! What holds for every algorithm, whatever happens to the members.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use proptest::prelude::*;
use rpc_load_balancer::{
    Algorithm, BoundedHash, CallDirect, Candidate, HashRing, Lease, LeastConnections, LeastCpu,
    Maglev, NodeName, PeakEwma, Pool, PowerOfTwo, Random, RoundRobin, Selection, Term,
    WeightedRoundRobin,
};

/// What can happen to a pool; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    /// A node joins with a weight, or gets it.
    Join(usize, u32),
    Leave(usize),
    Select,
    SelectNodes(usize),
    Release(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..6_usize, 0..4_u32).prop_map(|(number, weight)| Step::Join(number, weight)),
        2 => (0..6_usize).prop_map(Step::Leave),
        6 => Just(Step::Select),
        1 => (0..8_usize).prop_map(Step::SelectNodes),
        5 => any::<usize>().prop_map(Step::Release),
    ];
    prop::collection::vec(step, 0..100)
}

fn node(number: usize) -> NodeName {
    format!("n{number}@host").parse().unwrap()
}

/// Plays the steps and compares the pool with a model that is simple enough to be right.
fn play(algorithm: impl Algorithm, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let pool = Pool::new(algorithm);
    let mut members: BTreeMap<NodeName, u32> = BTreeMap::new();
    let update = |members: &BTreeMap<NodeName, u32>, resting: Option<Candidate>| {
        let weigh = |(node, &weight): (&NodeName, &u32)| Candidate::new(node.clone(), weight);
        pool.update(members.iter().map(weigh).chain(resting));
    };
    let mut leases: Vec<Lease> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        // Half of the selections are for a key.
        let key = Term::from(number);
        let selection = match number % 2 {
            0 => Selection::default(),
            _ => Selection::with_key(&key),
        };
        match step {
            // Who has no weight gets no calls, as if it were no member.
            Step::Join(number, 0) => {
                members.remove(&node(number));
                update(&members, Some(Candidate::new(node(number), 0)));
            }
            Step::Join(number, weight) => {
                members.insert(node(number), weight);
                update(&members, None);
            }
            Step::Leave(number) => {
                members.remove(&node(number));
                update(&members, None);
            }
            Step::Select => match pool.select(&selection) {
                Some(lease) => {
                    prop_assert!(members.contains_key(lease.node()));
                    leases.push(lease);
                }
                None => prop_assert!(members.is_empty()),
            },
            Step::SelectNodes(count) => {
                let selected = pool.select_nodes(count, &selection);
                prop_assert_eq!(selected.len(), count.min(members.len()));
                prop_assert!(selected.iter().all(|l| members.contains_key(l.node())));
                leases.extend(selected);
            }
            Step::Release(number) => {
                if !leases.is_empty() {
                    leases.swap_remove(number % leases.len());
                }
            }
        }
        let snapshot = pool.snapshot();
        prop_assert!(snapshot.weights().iter().eq(members.values()));
        prop_assert!(
            snapshot
                .members()
                .iter()
                .map(|m| m.node())
                .eq(members.keys())
        );
        for member in snapshot.members() {
            let held = leases.iter().filter(|l| l.node() == member.node()).count();
            prop_assert_eq!(member.in_flight() as usize, held);
        }
    }
    drop(leases);
    prop_assert_eq!(pool.in_flight(), 0);
    Ok(())
}

proptest! {
    #[test]
    fn random_picks_members_only_and_counts_right(steps in steps(), seed: u64) {
        play(Random::seeded(seed), steps)?;
    }

    #[test]
    fn round_robin_picks_members_only_and_counts_right(steps in steps()) {
        play(RoundRobin::new(), steps)?;
    }

    #[test]
    fn hash_ring_picks_members_only_and_counts_right(steps in steps(), seed: u64) {
        play(HashRing::seeded(seed), steps)?;
    }

    #[test]
    fn bounded_hash_picks_members_only_and_counts_right(steps in steps(), seed: u64) {
        play(BoundedHash::over(HashRing::seeded(seed)), steps)?;
    }

    #[test]
    fn weighted_round_robin_picks_members_only_and_counts_right(steps in steps()) {
        play(WeightedRoundRobin::new(), steps)?;
    }

    #[test]
    fn power_of_two_picks_members_only_and_counts_right(steps in steps(), seed: u64) {
        play(PowerOfTwo::seeded(seed), steps)?;
    }

    #[test]
    fn least_connections_picks_members_only_and_counts_right(steps in steps(), seed: u64) {
        play(LeastConnections::seeded(seed), steps)?;
    }

    #[test]
    fn peak_ewma_picks_members_only_and_counts_right(steps in steps(), seed: u64) {
        play(PeakEwma::seeded(seed), steps)?;
    }

    #[test]
    fn least_cpu_picks_members_only_and_counts_right(steps in steps(), seed: u64) {
        play(LeastCpu::seeded(seed), steps)?;
    }

    // Its balancer has one member, the own node.
    #[test]
    fn call_direct_picks_members_only_and_counts_right(steps in steps()) {
        play(CallDirect::new(), steps)?;
    }
}

proptest! {
    // Its table is large, and computed anew with each change.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn maglev_picks_members_only_and_counts_right(steps in steps(), seed: u64) {
        play(Maglev::seeded(seed), steps)?;
    }
}

/// Several threads select and release while the members change under them.
fn change_under_load(algorithm: impl Algorithm) {
    change_so_often_under_load(algorithm, 2_000);
}

fn change_so_often_under_load(algorithm: impl Algorithm, changes: usize) {
    let pool = Pool::new(algorithm);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut leases: [Option<Lease>; 8] = Default::default();
                let key = Term::binary("key");
                let mut at = 0;
                while !done.load(Ordering::Relaxed) {
                    at = (at + 1) % leases.len();
                    leases[at] = match at {
                        0..4 => pool.select(&Selection::default()),
                        _ => pool.select(&Selection::with_key(&key)),
                    };
                }
            });
        }
        for change in 0..changes {
            // From no members to five, and every one comes and goes.
            pool.update((0..6).filter(|n| change / (n + 1) % 2 == 1).map(node));
        }
        done.store(true, Ordering::Relaxed);
    });
    pool.update((0..6).map(node));
    assert_eq!(pool.in_flight(), 0);
    assert!(pool.select(&Selection::default()).is_some());
}

#[test]
fn counters_end_at_zero_when_members_change_under_random_selections() {
    change_under_load(Random::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_round_robin_selections() {
    change_under_load(RoundRobin::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_selections_of_the_less_busy() {
    change_under_load(PowerOfTwo::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_selections_on_a_ring() {
    change_under_load(HashRing::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_selections_on_a_bounded_ring() {
    change_under_load(BoundedHash::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_selections_from_a_table() {
    change_so_often_under_load(Maglev::new(), 100);
}

#[test]
fn counters_end_at_zero_when_members_change_under_weighted_round_robin_selections() {
    change_under_load(WeightedRoundRobin::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_selections_of_the_least_busy() {
    change_under_load(LeastConnections::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_selections_by_latency() {
    change_under_load(PeakEwma::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_selections_by_processors() {
    change_under_load(LeastCpu::new());
}

#[test]
fn counters_end_at_zero_when_members_change_under_direct_selections() {
    change_under_load(CallDirect::new());
}
