//! What a program gains from a second processor: a node with one link or two, in one process with those that it calls.

use std::time::Duration;

use measurement::Progress;

use super::{
    Results, Table,
    ground::{End, Ground},
    results::Values,
};
use crate::{
    cli::Plan,
    failure::Failure,
    process::Child,
    protocol::{Load, Run},
    workload::{Route, Workload},
};

const CONCURRENCY: usize = 256;
const LINKS: [usize; 2] = [1, 2];
const WORKERS: [usize; 2] = [1, 2];

pub(super) fn measure(plan: &Plan, ground: &Ground, results: &mut Results) -> Result<(), Failure> {
    if !plan.wants("scale") {
        return Ok(());
    }
    let Some(one) = ground.processor(End::Caller) else {
        results
            .failures
            .push("scale: it takes two processors".to_owned());
        return Ok(());
    };
    let measured = Duration::from_secs_f64(plan.seconds);
    let run = Run {
        load: Load::Closed {
            concurrency: CONCURRENCY,
        },
        workload: Workload::Add,
        route: Route::Direct,
        warm_up: (measured / 4).max(Duration::from_millis(50)),
        measured,
        beside: None,
    };
    let mut contests = Vec::new();
    for links in LINKS {
        for workers in WORKERS {
            let further = [format!("--links={links}"), format!("--workers={workers}")];
            // Two threads have both processors, one has one.
            let processor = (workers == 1).then_some(one);
            let (child, _) = ground.act("scale", "", processor, &further)?;
            contests.push((links, workers, child, Values::default(), Values::default()));
        }
    }
    let progress = Progress::new(plan.rounds * contests.len());
    for _ in 0..plan.rounds {
        for (links, workers, child, rate, busy) in &mut contests {
            progress.stage(format_args!("{links} links, {workers} threads"));
            let (calls_per_second, percent) = stretch(child, &run)?;
            rate.push(calls_per_second);
            busy.push(percent);
            progress.step();
        }
    }

    let mut table = Table::new(
        "One processor and two",
        "`add`, 256 at a time for each link; the caller and the callees, one for each link, are nodes of one process, \
         which has tokio's multi-threaded runtime.",
        &[
            "links",
            "calls/s, 1 thread",
            "calls/s, 2 threads",
            "×",
            "busy %, 1",
            "busy %, 2",
        ],
    );
    for pair in contests.chunks(WORKERS.len()) {
        let [(links, _, _, one, one_busy), (_, _, _, two, two_busy)] = pair else {
            continue;
        };
        let gain = two.ratio(one);
        table.row(
            links.to_string(),
            vec![
                one.spread(),
                two.spread(),
                gain,
                one_busy.spread(),
                two_busy.spread(),
            ],
        );
    }
    results.tables.push(table);
    Ok(())
}

/// Calls per second of all links together, and how busy the process was.
fn stretch(child: &mut Child, run: &Run) -> Result<(f64, f64), Failure> {
    let usage = child.usage();
    let (mut before, mut after) = (0.0, 0.0);
    let tally = child.run(
        run,
        || before = usage.cpu_seconds(),
        || after = usage.cpu_seconds(),
    )?;
    let seconds = tally.elapsed.as_secs_f64();
    Ok((
        tally.calls as f64 / seconds,
        (after - before) / seconds * 100.0,
    ))
}
