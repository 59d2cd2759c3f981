//! Small calls while something large crosses the same link, again and again.

use std::time::Duration;

use measurement::Progress;

use super::{
    Results, Table,
    ground::Ground,
    results::Values,
    running::{Running, Stretch},
};
use crate::{
    cli::Plan,
    failure::Failure,
    pair::Pair,
    protocol::{Large, Load, Run},
    workload::{Route, Workload},
};

const PAIRS: [Pair; 4] = [
    Pair::BeamBeam,
    Pair::RustBeam,
    Pair::BeamRust,
    Pair::RustRust,
];
/// Slow answers hold up a closed loop, which then has few of them; the open loop counts what they hold up.
const LOADS: [Load; 3] = [
    Load::Closed { concurrency: 1 },
    Load::Closed { concurrency: 16 },
    Load::Open { per_second: 500 },
];
const BESIDE: [Option<Large>; 3] = [None, Some(Large::Result), Some(Large::Argument)];

/// Several large ones have to cross.
const LEAST: Duration = Duration::from_millis(500);

/// What is measured, and what came of it in each round.
struct Contest {
    load: Load,
    beside: Option<Large>,
    running: usize,
    stretches: Vec<Stretch>,
    failure: Option<Failure>,
}

pub(super) fn measure(plan: &Plan, ground: &Ground, results: &mut Results) -> Result<(), Failure> {
    let pairs = ground.pairs(plan).into_iter();
    let pairs: Vec<Pair> = pairs.filter(|pair| PAIRS.contains(pair)).collect();
    let mut contests = Vec::new();
    for load in LOADS.into_iter().skip(usize::from(plan.quick)) {
        for beside in BESIDE {
            for (running, pair) in pairs.iter().enumerate() {
                let contest = Contest {
                    load,
                    beside,
                    running,
                    stretches: Vec::new(),
                    failure: None,
                };
                if plan.wants(&format!("{pair}/{}", contest.name())) {
                    contests.push(contest);
                }
            }
        }
    }
    if contests.is_empty() {
        return Ok(());
    }
    let progress = Progress::new(plan.rounds * contests.len());
    progress.stage("starting the pairs for interference");
    let started = pairs.iter().map(|&pair| Running::start(ground, pair));
    let mut running = started.collect::<Result<Vec<_>, _>>()?;
    for round in 0..plan.rounds {
        for contest in &mut contests {
            let pair = &mut running[contest.running];
            progress.stage(format_args!(
                "{} {}, round {}",
                pair.pair,
                contest.name(),
                round + 1
            ));
            if contest.failure.is_none() {
                match pair.stretch(&contest.run(plan)) {
                    Ok(stretch) => contest.stretches.push(stretch),
                    Err(failure) => contest.failure = Some(failure),
                }
            }
            progress.step();
        }
    }

    let mut table = Table::new(
        "Small calls beside large ones",
        "`add`, so many at a time or 500 each second (`open`), while 64 MiB cross the same link as a result or as an \
         argument, one after the other.",
        &[
            "pair, at a time, beside",
            "calls/s",
            "p50 µs",
            "p99 µs",
            "max µs",
            "large/s",
        ],
    );
    // The sort is stable.
    contests.sort_by_key(|contest| contest.running);
    for contest in contests {
        let name = format!("{}/{}", pairs[contest.running], contest.name());
        match &contest.failure {
            Some(failure) => results.failures.push(format!("{name}: {failure}")),
            None => contest.report(&name, &mut table),
        }
    }
    results.tables.push(table);
    Ok(())
}

impl Contest {
    fn name(&self) -> String {
        let load = match self.load {
            Load::Closed { concurrency } => concurrency.to_string(),
            Load::Open { .. } => "open".to_owned(),
        };
        match self.beside {
            Some(large) => format!("{load}/{large}"),
            None => format!("{load}/nothing"),
        }
    }

    fn run(&self, plan: &Plan) -> Run {
        let measured = Duration::from_secs_f64(plan.seconds).max(LEAST);
        Run {
            load: self.load,
            workload: Workload::Add,
            route: Route::Direct,
            // One of the large ones has to be on its way.
            warm_up: measured / 4,
            measured,
            beside: self.beside,
        }
    }

    fn report(&self, name: &str, table: &mut Table) {
        let mut columns: [Values; 5] = Default::default();
        for Stretch { tally, .. } in &self.stretches {
            let seconds = tally.elapsed.as_secs_f64();
            columns[0].push(tally.calls as f64 / seconds);
            for (column, percent) in [(1, 50.0), (2, 99.0), (3, 100.0)] {
                if let Some(nanos) = tally.latencies.percentile(percent) {
                    columns[column].push(nanos / 1e3);
                }
            }
            if self.beside.is_some() {
                columns[4].push(tally.large as f64 / seconds);
            }
        }
        table.row(name, columns.iter().map(Values::spread).collect());
    }
}
