//! A node with 1,000 connected peers, which are members of one group.

use measurement::Progress;

use super::{
    Results, Spread, Table,
    ground::{End, Ground},
    results::Values,
};
use crate::{cli::Plan, failure::Failure, process::Child};

/// What everything is compared with.
const FEW: usize = 8;

/// How many peers there are when memory is looked at.
const MANY: [usize; 3] = [250, 500, 1_000];

const ALGORITHMS: [&str; 10] = [
    "random",
    "round-robin",
    "power-of-two",
    "weighted-round-robin",
    "least-connections",
    "peak-ewma",
    "least-cpu",
    "hash-ring",
    "maglev",
    "bounded-hash",
];

pub(super) fn measure(plan: &Plan, ground: &Ground, results: &mut Results) -> Result<(), Failure> {
    if !plan.wants("hub") {
        return Ok(());
    }
    let millis = if plan.quick { 20 } else { 200 };
    let changes = if plan.quick { 50 } else { 500 };
    let progress = Progress::new(2 * plan.rounds + MANY.len() + 2);
    let (hub, name) = ground.act("hub", "", ground.processor(End::Callee), &[])?;
    let (peers, _) = ground.act("peers", &name, ground.processor(End::Caller), &[])?;
    let mut cluster = Cluster { hub, peers };

    progress.stage(format_args!("{FEW} peers: selections"));
    cluster.grow(FEW)?;
    let few = cluster.selections(plan, millis, &progress)?;
    progress.stage(format_args!("{FEW} peers: joins and leaves"));
    let mut changed = vec![(FEW, cluster.changes(changes)?)];
    progress.step();

    let mut memory = Table::new(
        "Memory of the hub",
        "",
        &["peers", "MB", "KiB for each peer more"],
    );
    let mut last = (FEW, cluster.hub.usage().resident_kb());
    memory.row(FEW.to_string(), vec![Spread::of([last.1 / 1024.0]), None]);
    for count in MANY {
        progress.stage(format_args!("connecting {count} peers"));
        cluster.grow(count)?;
        let kb = cluster.hub.usage().resident_kb();
        let each = (kb - last.1) / (count - last.0) as f64;
        memory.row(
            count.to_string(),
            vec![Spread::of([kb / 1024.0]), Spread::of([each])],
        );
        last = (count, kb);
        progress.step();
    }

    let (count, _) = last;
    progress.stage(format_args!("{count} peers: selections"));
    let many = cluster.selections(plan, millis, &progress)?;
    progress.stage(format_args!("{count} peers: joins and leaves"));
    changed.push((count, cluster.changes(changes)?));
    progress.step();

    let mut selections = Table::new(
        "Selections at the hub",
        "Nanoseconds for a selection through a balancer, its lease and the release; with a short binary as the key \
         where there is one. The members are connected nodes.",
        &["algorithm", "8 members", "1,000 members"],
    );
    for (at, algorithm) in ALGORITHMS.iter().enumerate() {
        let figures = [&few, &many].map(|values| values[at].spread());
        selections.row(*algorithm, figures.to_vec());
    }
    let mut applied = Table::new(
        "Joins and leaves at the hub",
        "Microseconds from the call at the peer, in another process, until selections of the hub's balancer see it; \
         and the hub's processor time for each, that of the measurement included.",
        &["members", "join µs", "leave µs", "hub's CPU µs"],
    );
    for (
        count,
        Changes {
            joins,
            leaves,
            cpu_us,
        },
    ) in changed
    {
        let figures = vec![joins.spread(), leaves.spread(), Spread::of([cpu_us])];
        applied.row(count.to_string(), figures);
    }
    results.tables.extend([selections, applied, memory]);
    Ok(())
}

/// The hub, and the process of its peers.
struct Cluster {
    // The peers go first.
    peers: Child,
    hub: Child,
}

/// What became of many joins and leaves.
struct Changes {
    joins: Values,
    leaves: Values,
    cpu_us: f64,
}

impl Cluster {
    /// Has so many peers connected, and in the group.
    fn grow(&mut self, count: usize) -> Result<(), Failure> {
        self.peers.ask(&format!("connect {count}"))?;
        self.peers.ask(&format!("join {count}"))?;
        self.hub.ask(&format!("members {count}"))?;
        Ok(())
    }

    /// Nanoseconds of each algorithm.
    fn selections(
        &mut self,
        plan: &Plan,
        millis: usize,
        progress: &Progress,
    ) -> Result<Vec<Values>, Failure> {
        let mut nanos = vec![Values::default(); ALGORITHMS.len()];
        for _ in 0..plan.rounds {
            for (values, algorithm) in nanos.iter_mut().zip(ALGORITHMS) {
                values.push(self.hub.ask(&format!("select {algorithm} {millis}"))?);
            }
            progress.step();
        }
        Ok(nanos)
    }

    /// One peer after the other leaves, and comes back.
    fn changes(&mut self, count: usize) -> Result<Changes, Failure> {
        let (mut joins, mut leaves) = (Values::default(), Values::default());
        self.hub.ask("watch")?;
        let before = self.hub.usage().cpu_seconds();
        for turn in 0..count {
            let peer = turn % FEW;
            for (command, values) in [("leave", &mut leaves), ("rejoin", &mut joins)] {
                let begun = self.peers.ask(&format!("{command} {peer}"))?;
                let seen = self.hub.ask("changed")?;
                values.push((seen - begun) / 1e3);
            }
        }
        let cpu = self.hub.usage().cpu_seconds() - before;
        Ok(Changes {
            joins,
            leaves,
            cpu_us: cpu / (2 * count) as f64 * 1e6,
        })
    }
}
