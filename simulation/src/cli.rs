//! The command line.

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use simulation::{Passed, Plan, log_in_simulated_time, run};

/// Runs clusters of nodes in simulated time, on a simulated network, under random faults.
///
/// Each seed is a simulation, which is the same whenever it runs. RUST_LOG says what to log, with the
/// time and the host of the simulation.
#[derive(Debug, Parser)]
#[command(name = "simulation")]
struct Cli {
    /// Run these seeds, the last one excluded.
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range, default_value = "0..1000")]
    seeds: Range<u64>,

    /// Run this seed only, tell its plan, and log.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,

    /// How many simulations run at a time; by default as many as there are processors.
    #[arg(long)]
    threads: Option<usize>,

    /// Run each seed twice, and find whether both runs are the same.
    #[arg(long)]
    twice: bool,

    /// Go on after so many seeds have failed.
    #[arg(long, default_value_t = 10)]
    failures: usize,
}

pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    if std::env::var_os("RUST_LOG").is_some() {
        log_in_simulated_time();
    }
    if let Some(seed) = cli.seed {
        println!("{}", Plan::new(seed));
        return match tried(seed, cli.twice) {
            Ok(passed) => {
                println!("passed: {passed}");
                ExitCode::SUCCESS
            }
            Err(what) => {
                println!("FAILED:\n{what}");
                ExitCode::FAILURE
            }
        };
    }
    let processors = thread::available_parallelism().map_or(1, Into::into);
    let threads = cli.threads.unwrap_or(processors);
    Runner::new(cli).run(threads)
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(from, to)| {
        let range = from.parse().ok()?..to.parse().ok()?;
        (!range.is_empty()).then_some(range)
    });
    range.ok_or_else(|| "expected two numbers, as in 0..1000".to_owned())
}

/// Runs a seed, twice if that is asked for.
fn tried(seed: u64, twice: bool) -> Result<Passed, String> {
    let once = || match catch_unwind(AssertUnwindSafe(|| run(seed))) {
        Ok(Ok(passed)) => Ok(passed),
        Ok(Err(failed)) => Err(failed.to_string()),
        Err(_panic) => Err(format!("  the simulation panicked\n{}", Plan::new(seed))),
    };
    let first = once()?;
    if twice {
        let second = once()?;
        if first != second {
            return Err(format!("  two runs differ:\n  {first}\n  {second}"));
        }
    }
    Ok(first)
}

/// Runs many seeds on several threads.
struct Runner {
    cli: Cli,
    next: AtomicU64,
    totals: Mutex<Totals>,
}

#[derive(Default)]
struct Totals {
    passed: u64,
    failed: Vec<u64>,
    calls: usize,
    answered: usize,
    simulated: Duration,
    reachable: Vec<u64>,
    silent: Vec<u64>,
    slowest: (Duration, u64),
    running: BTreeMap<u64, Instant>,
}

/// A simulation that takes longer goes round in a circle: nothing in it can wait for real time.
const LONGEST: Duration = Duration::from_secs(900);

impl Runner {
    fn new(cli: Cli) -> Self {
        Self {
            next: AtomicU64::new(cli.seeds.start),
            cli,
            totals: Mutex::default(),
        }
    }

    fn run(self, threads: usize) -> ExitCode {
        let begun = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.work());
            }
            scope.spawn(|| self.tell_progress(begun));
        });
        let mut totals = self
            .totals
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let [reachable, silent] = [totals.reachable, totals.silent].map(|mut after| {
            after.sort_unstable();
            let share = |share: f64| {
                let last = after.len().saturating_sub(1);
                let after = after.get((last as f64 * share) as usize);
                Duration::from_millis(after.copied().unwrap_or_default())
            };
            [share(0.5), share(0.99), share(1.0)]
        });
        println!(
            "{} seeds passed and {} failed, in {:.0?}: {} calls, {} of them answered, in {:.0?} of \
             simulated time; nodes agreed after {:?} (median), {:?} (99 %), {:?} (longest), on \
             hosts without power after {:?}, {:?}, {:?}; the slowest seed, {}, took {:.1?}",
            totals.passed,
            totals.failed.len(),
            begun.elapsed(),
            totals.calls,
            totals.answered,
            totals.simulated,
            reachable[0],
            reachable[1],
            reachable[2],
            silent[0],
            silent[1],
            silent[2],
            totals.slowest.1,
            totals.slowest.0,
        );
        if totals.failed.is_empty() {
            return ExitCode::SUCCESS;
        }
        totals.failed.sort_unstable();
        println!("failed: {:?}", totals.failed);
        ExitCode::FAILURE
    }

    fn work(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if !self.cli.seeds.contains(&seed) {
                return;
            }
            let begun = Instant::now();
            self.totals().running.insert(seed, begun);
            let outcome = tried(seed, self.cli.twice);
            let took = begun.elapsed();
            let mut totals = self.totals();
            totals.running.remove(&seed);
            totals.slowest = totals.slowest.max((took, seed));
            match outcome {
                Ok(passed) => {
                    totals.passed += 1;
                    totals.calls += passed.calls;
                    totals.answered += passed.answered;
                    totals.simulated += Duration::from_millis(passed.simulated);
                    totals.reachable.push(passed.settled.reachable);
                    totals.silent.extend(passed.settled.silent);
                }
                Err(what) => {
                    totals.failed.push(seed);
                    println!(
                        "seed {seed} FAILED; replay it with\n  RUST_LOG=debug simulation/run --seed {seed}\n{what}"
                    );
                    if totals.failed.len() >= self.cli.failures {
                        self.next.store(self.cli.seeds.end, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// A line a while, for those who wait.
    fn tell_progress(&self, begun: Instant) {
        let count = self.cli.seeds.end - self.cli.seeds.start;
        let mut told = Instant::now();
        loop {
            thread::sleep(Duration::from_millis(100));
            let totals = self.totals();
            let done = totals.passed + totals.failed.len() as u64;
            let stuck = totals
                .running
                .iter()
                .find(|(_, since)| since.elapsed() > LONGEST);
            if let Some((seed, _)) = stuck {
                println!("seed {seed} FAILED: it has not ended after {LONGEST:?}");
                std::process::exit(1);
            }
            if done >= count
                || (totals.running.is_empty()
                    && self.next.load(Ordering::Relaxed) >= self.cli.seeds.end)
            {
                return;
            }
            if told.elapsed() >= Duration::from_secs(10) {
                told = Instant::now();
                println!(
                    "{done} of {count} seeds, {} failed, after {:.0?}",
                    totals.failed.len(),
                    begun.elapsed()
                );
            }
        }
    }

    fn totals(&self) -> std::sync::MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
