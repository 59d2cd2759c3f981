//! Selections do not allocate.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use rpc_load_balancer::{
    Algorithm, BoundedHash, HashRing, Maglev, NodeName, Pool, PowerOfTwo, Random, RoundRobin,
    Selection, Term,
};

fn assert_selections_do_not_allocate(algorithm: impl Algorithm) {
    let pool = Pool::new(algorithm);
    pool.update((0..32).map(|n| -> NodeName { format!("n{n}@host").parse().unwrap() }));
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
fn the_counter_sees_an_allocation() {
    let counted = allocation_counter::measure(|| drop(black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}
