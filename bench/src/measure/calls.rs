//! Calls of every kind, by all pairs in turn.

use std::time::Duration;

use measurement::Progress;

use super::{
    Measured, Results, Spread,
    ground::Ground,
    running::{Running, Stretch},
};
use crate::{
    cell::{self, Cell, Pressure, RATE_GIVER},
    cli::Plan,
    failure::Failure,
    pair::Pair,
    protocol::{Load, Run},
};

/// A round is quiet if other programs had no more of the two processors. Others are repeated, up to as many times again as
/// there are rounds. What is chosen does not depend on what was found.
const QUIET_PERCENT: f64 = 4.0;

/// So many quiet rounds are worth more than as many again that are not.
const ENOUGH_QUIET: usize = 3;

/// The open loop's rate where no other is known.
const FALLBACK_RATE: u64 = 20_000;

pub(super) fn measure(plan: &Plan, ground: &Ground, results: &mut Results) -> Result<(), Failure> {
    let mut cells = if plan.quick {
        cell::quick()
    } else {
        cell::all()
    };
    cells.retain(|cell| plan.wants(&cell.to_string()));
    let pairs = ground.pairs(plan);
    let contests = |cell: &Cell| pairs.iter().filter(|pair| pair.has(cell)).count();
    let steps = plan.rounds * cells.iter().map(contests).sum::<usize>();
    if steps == 0 {
        return Ok(());
    }
    let progress = Progress::new(steps + pairs.len());

    let mut running = Vec::new();
    for pair in pairs {
        progress.stage(format_args!("starting {pair}"));
        match Running::start(ground, pair) {
            Ok(started) => running.push(started),
            Err(failure) => results.failures.push(failure.to_string()),
        }
        progress.step();
    }
    if let Some(otp) = running.iter().find_map(|pair| pair.otp.clone()) {
        results.machine.with("OTP", otp);
    }
    for cells in cells.chunk_by(Cell::is_beside) {
        measure_beside(plan, cells, &mut running, &progress, results);
    }
    Ok(())
}

/// Measures cells that differ by their route alone: for each round, every pair by every route in turn.
fn measure_beside(
    plan: &Plan,
    cells: &[Cell],
    running: &mut [Running],
    progress: &Progress,
    results: &mut Results,
) {
    let mut contests: Vec<Contest> = Vec::new();
    for (at, running) in running.iter().enumerate() {
        let had = cells.iter().filter(|cell| running.pair.has(cell));
        contests.extend(had.map(|&cell| Contest::new(cell, at)));
    }
    let rate = open_rate(plan, results);
    let most = if plan.quick {
        plan.rounds
    } else {
        2 * plan.rounds
    };
    for round in 0..most {
        for turn in 0..contests.len() {
            // Each round begins with another one, so that nobody always follows the same.
            let at = (turn + round) % contests.len();
            let contest = &mut contests[at];
            if contest.wants_more(plan.rounds, round) {
                let pair = &mut running[contest.running];
                progress.stage(format_args!(
                    "{} {}, round {}",
                    pair.pair,
                    contest.cell,
                    round + 1
                ));
                contest.take(pair.stretch(&run(plan, &contest.cell, rate)));
            }
            if round < plan.rounds {
                progress.step();
            }
        }
    }
    for contest in &mut contests {
        contest.keep_quietest(plan.rounds);
    }
    if cells
        .iter()
        .any(|cell| cell.pressure == Pressure::FixedRate)
    {
        results.open_rate = Some(rate);
    }
    for contest in contests {
        let pair = running[contest.running].pair;
        if let Some(failure) = contest.failure {
            results
                .failures
                .push(format!("{pair} {}: {failure}", contest.cell));
        } else {
            results
                .calls
                .extend(summary(contest.cell, pair, &contest.stretches));
        }
    }
}

/// A cell and a pair.
struct Contest {
    cell: Cell,
    running: usize,
    stretches: Vec<Stretch>,
    failure: Option<Failure>,
}

impl Contest {
    fn new(cell: Cell, running: usize) -> Self {
        Self {
            cell,
            running,
            stretches: Vec::new(),
            failure: None,
        }
    }

    fn quiet(&self) -> usize {
        let is_quiet = |stretch: &&Stretch| stretch.others_percent <= QUIET_PERCENT;
        self.stretches.iter().filter(is_quiet).count()
    }

    /// Whether there are not enough rounds, or not enough quiet ones.
    fn wants_more(&self, rounds: usize, done: usize) -> bool {
        self.failure.is_none() && (done < rounds || self.quiet() < rounds)
    }

    fn take(&mut self, stretch: Result<Stretch, Failure>) {
        match stretch {
            Ok(stretch) if stretch.tally.calls == 0 => {
                let message = "no call was answered in the time measured".to_owned();
                self.failure = Some(Failure::Other(message));
            }
            Ok(stretch) => self.stretches.push(stretch),
            Err(failure) => self.failure = Some(failure),
        }
    }

    fn keep_quietest(&mut self, rounds: usize) {
        let kept = match self.quiet() {
            quiet if quiet >= ENOUGH_QUIET => quiet.min(rounds),
            _ => rounds,
        };
        let others = |stretch: &Stretch| stretch.others_percent;
        self.stretches
            .sort_by(|a, b| others(a).total_cmp(&others(b)));
        self.stretches.truncate(kept);
    }
}

fn run(plan: &Plan, cell: &Cell, rate: u64) -> Run {
    let measured = Duration::from_secs_f64(plan.seconds);
    Run {
        load: match cell.pressure {
            Pressure::Concurrency(concurrency) => Load::Closed { concurrency },
            Pressure::FixedRate => Load::Open { per_second: rate },
        },
        workload: cell.workload,
        route: cell.route,
        warm_up: (measured / 4).max(Duration::from_millis(50)),
        measured,
        beside: None,
    }
}

/// Half of what BEAM to BEAM does, or of what the slowest does that was measured.
fn open_rate(plan: &Plan, results: &Results) -> u64 {
    let reached = |pair| {
        let workload = RATE_GIVER.workload.to_string();
        let pressure = RATE_GIVER.pressure.to_string();
        let found = results.find(&workload, &pressure, RATE_GIVER.route, pair);
        found.map(|measured| measured.calls_per_second.median)
    };
    let slowest = || {
        Pair::ALL
            .into_iter()
            .filter_map(reached)
            .min_by(f64::total_cmp)
    };
    let found = reached(Pair::BeamBeam).or_else(slowest);
    plan.rate
        .or(found.map(|reached| (reached / 2.0) as u64))
        .unwrap_or(FALLBACK_RATE)
        .max(1)
}

fn summary(cell: Cell, pair: Pair, stretches: &[Stretch]) -> Option<Measured> {
    let spread = |value: &dyn Fn(&Stretch) -> f64| Spread::of(stretches.iter().map(value));
    let latency = |percent: f64| {
        let nanos = |stretch: &Stretch| stretch.tally.latencies.percentile(percent);
        Spread::of(stretches.iter().filter_map(nanos).map(|nanos| nanos / 1e3))
    };
    let calls = |stretch: &Stretch| stretch.tally.calls as f64;
    let seconds = |stretch: &Stretch| stretch.tally.elapsed.as_secs_f64();
    Some(Measured {
        workload: cell.workload.to_string(),
        pressure: cell.pressure.to_string(),
        route: cell.route.to_string(),
        pair: pair.to_string(),
        rounds: stretches.len(),
        calls_per_second: spread(&|stretch| calls(stretch) / seconds(stretch))?,
        p50_us: latency(50.0),
        p99_us: latency(99.0),
        p999_us: latency(99.9),
        max_us: latency(100.0),
        caller_cpu: spread(&|stretch| stretch.caller.cpu_seconds / calls(stretch) * 1e5)?,
        callee_cpu: spread(&|stretch| stretch.callee.cpu_seconds / calls(stretch) * 1e5)?,
        caller_busy_percent: spread(&|stretch| {
            stretch.caller.cpu_seconds / seconds(stretch) * 100.0
        })?,
        callee_busy_percent: spread(&|stretch| {
            stretch.callee.cpu_seconds / seconds(stretch) * 100.0
        })?,
        others_percent: spread(&|stretch| stretch.others_percent)?,
        caller_peak_mb: spread(&|stretch| stretch.caller.peak_kb / 1024.0)?,
        callee_peak_mb: spread(&|stretch| stretch.callee.peak_kb / 1024.0)?,
    })
}
