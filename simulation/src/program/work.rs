//! What nodes run for each other.

use std::{collections::BTreeMap, time::Duration};

use rpc_load_balancer::{Binary, Export, Node};
use tokio::time::sleep;

use crate::{
    clock,
    ledger::{CallId, Ledger, Life},
};

/// The module and the name of the function.
pub(super) const FUNCTION: (&str, &str) = ("simulation", "work");

/// Those of the same as a function that blocks, though it takes no time.
pub(super) const BLOCKING: (&str, &str) = ("simulation", "block");

/// Those of the function by which nodes tell how busy they are.
const CPU: (&str, &str) = (
    "Elixir.RpcLoadBalancer.LoadBalancer.NodeCpuCache",
    "get_local_cpu",
);

/// What is asked for, beside what is carried: the call, how long it takes in milliseconds, and how
/// large the result is to be.
type Work = (CallId, u64, usize);

/// Offers the work of a node.
pub(super) fn export(node: &Node, life: Life, ledger: &Ledger) -> rpc_load_balancer::Result<()> {
    let book = ledger.clone();
    node.export(
        FUNCTION.0,
        FUNCTION.1,
        move |work: Work, carried: Binary| work_for(work, carried, life, book.clone()),
    )?;
    let book = ledger.clone();
    node.register(Export::blocking(
        BLOCKING.0,
        BLOCKING.1,
        move |work: Work, carried: Binary| block_for(work, &carried, life, &book),
    ))?;
    // Before the balancer offers the same, which would tell of the machine that the simulation runs on.
    let busy = || async { Ok::<_, ()>(BTreeMap::from([("cpu", fastrand::f64() * 100.0)])) };
    node.register(Export::new(CPU.0, CPU.1, busy).housekeeping())
}

fn block_for(work: Work, carried: &Binary, life: Life, ledger: &Ledger) -> (CallId, Binary) {
    let (id, _takes, result) = work;
    let _working = ledger.work(carried.len() + result);
    let _running = Running::begin(ledger, life);
    ledger.run(id, life, clock::now());
    (id, Binary::from(vec![0; result]))
}

async fn work_for(work: Work, carried: Binary, life: Life, ledger: Ledger) -> (CallId, Binary) {
    let (id, takes, result) = work;
    let _working = ledger.work(carried.len() + result);
    let _running = Running::begin(&ledger, life);
    ledger.run(id, life, clock::now());
    if takes > 0 {
        sleep(Duration::from_millis(takes)).await;
    }
    (id, Binary::from(vec![0; result]))
}

/// Counts a handler, until it is over.
struct Running {
    ledger: Ledger,
    life: Life,
}

impl Running {
    fn begin(ledger: &Ledger, life: Life) -> Self {
        *ledger.book().running.entry(life).or_default() += 1;
        Self {
            ledger: ledger.clone(),
            life,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(count) = self.ledger.book().running.get_mut(&self.life) {
            *count -= 1;
        }
    }
}
