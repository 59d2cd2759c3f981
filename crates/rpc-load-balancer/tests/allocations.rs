//! Selections do not allocate.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use rpc_load_balancer::{
    Algorithm, BoundedHash, CallDirect, Candidate, HashRing, LeastConnections, LeastCpu, Maglev,
    NodeName, PeakEwma, Pool, PowerOfTwo, Random, RoundRobin, Selection, Term, WeightedRoundRobin,
};

fn assert_selections_do_not_allocate(algorithm: impl Algorithm) {
    assert_selections_among_do_not_allocate(32, algorithm);
}

fn assert_selections_among_do_not_allocate(members: u32, algorithm: impl Algorithm) {
    let pool = Pool::new(algorithm);
    let node = |n| -> NodeName { format!("n{n}@host").parse().unwrap() };
    pool.update((0..members).map(|n| Candidate::new(node(n), 1 + n % 3)));
    let key = Term::binary("key");
    let select = || black_box(pool.select(&Selection::with_key(&key))).unwrap();
    // The first selection of a thread sets up what the thread keeps.
    drop(select());

    let counted = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            let (first, second) = (select(), select());
            drop(first);
            drop(second);
        }
    });
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0));
}

#[test]
fn a_selection_by_random_does_not_allocate() {
    assert_selections_do_not_allocate(Random::new());
}

#[test]
fn a_selection_by_round_robin_does_not_allocate() {
    assert_selections_do_not_allocate(RoundRobin::new());
}

#[test]
fn a_selection_by_power_of_two_does_not_allocate() {
    assert_selections_do_not_allocate(PowerOfTwo::new());
}

#[test]
fn a_selection_by_hash_ring_does_not_allocate() {
    assert_selections_do_not_allocate(HashRing::new());
}

#[test]
fn a_selection_by_maglev_does_not_allocate() {
    assert_selections_do_not_allocate(Maglev::new());
}

#[test]
fn a_selection_by_bounded_hash_does_not_allocate() {
    assert_selections_do_not_allocate(BoundedHash::new());
}

#[test]
fn a_selection_by_weighted_round_robin_does_not_allocate() {
    assert_selections_do_not_allocate(WeightedRoundRobin::new());
}

#[test]
fn a_selection_of_the_least_busy_of_few_or_many_does_not_allocate() {
    assert_selections_do_not_allocate(LeastConnections::new());
    assert_selections_among_do_not_allocate(1_000, LeastConnections::new());
}

#[test]
fn a_selection_by_latency_does_not_allocate() {
    assert_selections_do_not_allocate(PeakEwma::new());
}

#[test]
fn a_selection_by_processors_does_not_allocate() {
    assert_selections_do_not_allocate(LeastCpu::new());
}

#[test]
fn a_direct_selection_does_not_allocate() {
    assert_selections_do_not_allocate(CallDirect::new());
}

#[test]
fn the_counter_sees_an_allocation() {
    let counted = allocation_counter::measure(|| drop(black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}
