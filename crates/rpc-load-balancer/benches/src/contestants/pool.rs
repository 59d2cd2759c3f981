//! The algorithms of this project, by [`Pool::select`]: a balancer without its node, which is what
//! there can be 10,000 members of. [`balancer`](super::balancer) measures what the rest adds.

use std::{hint::black_box, mem, sync::Arc};

use rpc_load_balancer::{
    Algorithm, BoundedHash, CallDirect, Candidate, HashRing, LeastConnections, LeastCpu, Maglev,
    NodeName, PeakEwma, Pool, PowerOfTwo, Random, RoundRobin, Selection, Term, WeightedRoundRobin,
};

use super::{Change, Changing, Contestant, Entry, Library, Turn, key_terms, weight};

pub(super) fn entries() -> Vec<Entry> {
    vec![
        unkeyed::<Random>("Random"),
        unkeyed::<RoundRobin>("RoundRobin"),
        unkeyed::<PowerOfTwo>("PowerOfTwo"),
        weighted::<WeightedRoundRobin>("WeightedRoundRobin"),
        unkeyed::<LeastConnections>("LeastConnections"),
        unkeyed::<PeakEwma>("PeakEwma"),
        unkeyed::<LeastCpu>("LeastCpu"),
        unkeyed::<CallDirect>("CallDirect"),
        keyed::<HashRing>("HashRing"),
        keyed::<Maglev>("Maglev"),
        keyed::<BoundedHash>("BoundedHash"),
    ]
}

fn unkeyed<A: Algorithm + Default>(algorithm: &'static str) -> Entry {
    Entry::new(
        Library::Ours,
        algorithm,
        |members| Arc::new(Unkeyed(pool::<A>(equal(members)))),
        |members| Changes::<A>::boxed(members, |_| 1),
    )
}

fn weighted<A: Algorithm + Default>(algorithm: &'static str) -> Entry {
    Entry::new(
        Library::Ours,
        algorithm,
        |members| Arc::new(Unkeyed(pool::<A>(candidates(members, weight)))),
        |members| Changes::<A>::boxed(members, weight),
    )
}

fn keyed<A: Algorithm + Default>(algorithm: &'static str) -> Entry {
    Entry::new(
        Library::Ours,
        algorithm,
        |members| {
            Arc::new(Keyed {
                pool: pool::<A>(equal(members)),
                keys: key_terms(),
                turn: Turn::default(),
            })
        },
        |members| Changes::<A>::boxed(members, |_| 1),
    )
}

fn pool<A: Algorithm + Default>(members: Vec<Candidate>) -> Pool<A> {
    let pool = Pool::new(A::default());
    pool.update(members);
    pool
}

fn equal(members: usize) -> Vec<Candidate> {
    candidates(members, |_| 1)
}

fn candidates(members: usize, weight: impl Fn(usize) -> u32) -> Vec<Candidate> {
    let candidate = |number| {
        let node: NodeName = format!("n{number:05}@host").parse().expect("a valid name");
        Candidate::new(node, weight(number))
    };
    (0..members).map(candidate).collect()
}

struct Unkeyed<A: Algorithm>(Pool<A>);

impl<A: Algorithm> Contestant for Unkeyed<A> {
    fn alone(&self, selections: u32) {
        let selection = Selection::default();
        for _ in 0..selections {
            let lease = self.0.select(&selection).expect("there are members");
            black_box(&lease);
        }
    }
}

struct Keyed<A: Algorithm> {
    pool: Pool<A>,
    keys: Vec<Term>,
    turn: Turn,
}

impl<A: Algorithm> Contestant for Keyed<A> {
    fn alone(&self, selections: u32) {
        for key in self.turn.take(selections) {
            let lease = self.pool.select(&Selection::with_key(&self.keys[key]));
            black_box(&lease.expect("there are members"));
        }
    }
}

struct Changes<A: Algorithm> {
    pool: Pool<A>,
    without: Vec<Candidate>,
    with: Vec<Candidate>,
    next: Vec<Candidate>,
}

impl<A: Algorithm + Default> Changes<A> {
    fn boxed(members: usize, weight: fn(usize) -> u32) -> Box<dyn Changing> {
        let with = candidates(members + 1, weight);
        // Neither the first nor the last by name.
        let mut without = with.clone();
        without.remove(members / 2);
        Box::new(Self {
            pool: pool(without.clone()),
            without,
            with,
            next: Vec::new(),
        })
    }
}

impl<A: Algorithm> Changing for Changes<A> {
    fn prepare(&mut self, change: Change) {
        self.next = match change {
            Change::Join => self.with.clone(),
            Change::Leave => self.without.clone(),
        };
    }

    fn apply(&mut self) {
        assert!(self.pool.update(mem::take(&mut self.next)));
    }
}
