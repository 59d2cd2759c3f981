//! The whole way of a call: selected, encoded, sent over a TCP connection, served, and answered. Both
//! nodes are in this process, on one thread, so that what they do is counted together.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group};
use rpc_load_balancer::{Balancer, RoundRobin};

use crate::{
    bound::{TIMES, at_most},
    cluster::Cluster,
};

/// How many calls wait for an answer at the same time.
const CONCURRENT: u32 = 64;

async fn call_in_turn(balancer: &Balancer, count: u32) {
    for n in 0..count {
        let sum: i64 = balancer
            .call(("math", "add"), (black_box(i64::from(n)), 2_000_i64))
            .await
            .expect("the member answers");
        assert_eq!(sum, i64::from(n) + 2_000);
    }
}

fn connected() -> Cluster {
    let cluster = Cluster::start(1, RoundRobin::default());
    cluster
        .runtime
        .block_on(call_in_turn(&cluster.balancer, 100));
    cluster
}

#[library_benchmark(setup = connected)]
#[bench::one_at_a_time(config = at_most(33_000))]
fn call(cluster: Cluster) -> Cluster {
    cluster
        .runtime
        .block_on(call_in_turn(&cluster.balancer, TIMES));
    cluster
}

#[library_benchmark(setup = connected)]
#[bench::at_once(config = at_most(22_000))]
fn call_from_tasks(cluster: Cluster) -> Cluster {
    cluster.runtime.block_on(async {
        let callers: Vec<_> = (0..CONCURRENT)
            .map(|caller| {
                let balancer = cluster.balancer.clone();
                let share = TIMES / CONCURRENT + u32::from(caller < TIMES % CONCURRENT);
                tokio::spawn(async move { call_in_turn(&balancer, share).await })
            })
            .collect();
        for caller in callers {
            caller.await.expect("no call panics");
        }
    });
    cluster
}

library_benchmark_group!(name = calls, benchmarks = [call, call_from_tasks]);
