//! The selection of one of 8 members, with its lease, and the release of it.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group};
use rpc_load_balancer::{
    Algorithm, HashRing, LeastConnections, PowerOfTwo, Random, RoundRobin, Term,
};

use crate::{
    bound::{TIMES, at_most},
    cluster::Cluster,
};

const MEMBERS: usize = 8;

fn members<A: Algorithm + Default>() -> Cluster {
    let cluster = Cluster::start(MEMBERS, A::default());
    drop(cluster.balancer.select());
    cluster
}

fn members_and_keys() -> (Cluster, Vec<Term>) {
    let keys = (0..TIMES).map(|n| Term::binary(format!("user:{n}")));
    (members::<HashRing>(), keys.collect())
}

#[library_benchmark]
#[bench::random(setup = members::<Random>, args = (), config = at_most(205))]
#[bench::round_robin(setup = members::<RoundRobin>, args = (), config = at_most(210))]
#[bench::power_of_two(setup = members::<PowerOfTwo>, args = (), config = at_most(210))]
#[bench::least_connections(setup = members::<LeastConnections>, args = (), config = at_most(490))]
fn select(cluster: Cluster) -> Cluster {
    for _ in 0..TIMES {
        let lease = cluster.balancer.select();
        black_box(&lease.expect("there are members"));
    }
    cluster
}

#[library_benchmark(setup = members_and_keys)]
#[bench::hash_ring(config = at_most(385))]
fn select_with_key((cluster, keys): (Cluster, Vec<Term>)) -> (Cluster, Vec<Term>) {
    for key in &keys {
        let lease = cluster.balancer.select_with_key(key);
        black_box(&lease.expect("there are members"));
    }
    (cluster, keys)
}

library_benchmark_group!(name = selections, benchmarks = [select, select_with_key]);
