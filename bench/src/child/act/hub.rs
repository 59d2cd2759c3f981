//! A node with many peers.

use std::time::{Duration, Instant};

use rpc_load_balancer::{
    Algorithm, Balancer, Node, NodeChange, Selection, Snapshot, Term, config::AlgorithmConfig,
};
use tokio::sync::mpsc;

use super::{PATIENCE, Place, Values, answer, number, ready, shared_clock, text};
use crate::{
    child::{
        lifeline::Commands,
        stack::node::{self, GROUP},
    },
    failure::Failure,
};

/// Keys of selections that want one.
const KEYS: usize = 1_024;

/// Selections between two looks at the clock.
const CHUNK: u32 = 1_000;

/// Commands: `members N` waits until so many are seen, `select ALGORITHM MS` measures selections, `watch` begins to
/// note changes, and `changed` tells when the next one reached the balancer.
pub(super) async fn run(place: &Place, mut commands: Commands) -> Result<(), Failure> {
    let node = node::builder(&place.name, place).start().await;
    let node = node.map_err(Failure::node("starting the hub"))?;
    let (noting, mut changes) = mpsc::unbounded_channel();
    let noted = Balancer::builder(GROUP)
        .algorithm(Noting(noting))
        .join(false);
    let noted = noted.start(&node).await;
    let noted = noted.map_err(Failure::node("starting the balancer"))?;
    ready(&place.name);
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        answer(match words[..] {
            ["members", count] => members(&noted, count).await,
            ["select", algorithm, millis] => select(&node, &noted, algorithm, millis).await,
            ["watch"] => {
                while changes.try_recv().is_ok() {}
                Ok(Vec::new())
            }
            ["changed"] => match tokio::time::timeout(PATIENCE, changes.recv()).await {
                Ok(Some(at)) => Ok(vec![("at", at)]),
                _ => Err("no change was seen".to_owned()),
            },
            _ => Err(format!("{line:?} is no command")),
        });
    }
    Ok(())
}

async fn members(balancer: &Balancer, count: &str) -> Values {
    let count = number(count)?;
    balancer
        .wait_for_members(count, PATIENCE)
        .await
        .map_err(text)?;
    let found = balancer.members().map_err(text)?.len();
    Ok(vec![("members", found as f64)])
}

/// Nanoseconds for a selection, its lease and the release.
async fn select(node: &Node, noted: &Balancer, algorithm: &str, millis: &str) -> Values {
    let count = noted.members().map_err(text)?.len();
    let duration = Duration::from_millis(number(millis)? as u64);
    let config: AlgorithmConfig = algorithm.parse().map_err(text)?;
    let builder = Balancer::builder(GROUP).algorithm_config(&config);
    let balancer = builder.join(false).start(node).await.map_err(text)?;
    balancer
        .wait_for_members(count, PATIENCE)
        .await
        .map_err(text)?;

    let keyed = ["hash-ring", "maglev", "bounded-hash"].contains(&algorithm);
    let keys: Vec<Term> = (0..KEYS)
        .map(|key| Term::binary(format!("user:{key}")))
        .collect();
    let mut keys = keys.iter().cycle();
    let mut turns = |turns: u32| -> Result<(), String> {
        for _ in 0..turns {
            let lease = match keys.next() {
                Some(key) if keyed => balancer.select_with_key(key),
                _ => balancer.select(),
            };
            drop(std::hint::black_box(lease.map_err(text)?));
        }
        Ok(())
    };
    // Caches and branches learn what comes.
    turns(10 * CHUNK)?;
    let (mut count, begun) = (0_u64, Instant::now());
    while begun.elapsed() < duration {
        turns(CHUNK)?;
        count += u64::from(CHUNK);
    }
    let nanos = begun.elapsed().as_nanos() as f64 / count as f64;
    Ok(vec![("ns", nanos)])
}

/// Tells when changes of the members have reached selections.
struct Noting(mpsc::UnboundedSender<f64>);

impl Algorithm for Noting {
    type Table = ();
    type State = ();

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        (!snapshot.members().is_empty()).then_some(0)
    }

    fn on_node_change(&self, _: &Snapshot<Self>, _: &NodeChange) {
        // Nobody listens once the hub ends.
        let _ = self.0.send(shared_clock());
    }
}
