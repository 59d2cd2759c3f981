//! Start-up time, and memory of idle nodes, of idle peers, and of calls that wait.

use std::{path::Path, process::Command};

use measurement::Progress;

use super::{
    Results, Table,
    ground::{End, Ground},
    results::Values,
};
use crate::{cli::Plan, failure::Failure, process::starter};

/// Nodes that are connected to one.
const PEERS: usize = 1_000;

/// Calls that wait for an answer that never comes. Those before are left out of the account, for what grows by steps
/// has room for more than them.
const CALLS: usize = 50_000;
const CALLS_BEFORE: usize = 1_000;

/// Starts of each program in each round.
const STARTS: usize = 3;

pub(super) fn measure(plan: &Plan, ground: &Ground, results: &mut Results) -> Result<(), Failure> {
    let memory_rounds = if plan.quick { 1 } else { plan.rounds.min(3) };
    let progress = Progress::new(plan.rounds + 2 * memory_rounds);
    if let Some(rlb) = &ground.rlb
        && let Err(failure) = start_up(plan, ground, rlb, &progress, results)
    {
        results.failures.push(failure.to_string());
    }
    let mut table = Table::new(
        "Memory of what is idle",
        "Growth of the resident memory, divided by how many there are.",
        &["what", "KiB each"],
    );
    if plan.wants("peer") {
        let mut each = Values::default();
        for _ in 0..memory_rounds {
            progress.stage(format_args!("{PEERS} idle peers"));
            each.push(idle_peers(ground)?);
            progress.step();
        }
        let name = format!("connected peer, idle, of {PEERS}");
        table.row(name, vec![each.spread()]);
    }
    if plan.wants("slot") {
        let mut sides: [Values; 2] = Default::default();
        for _ in 0..memory_rounds {
            progress.stage(format_args!("{CALLS} calls that wait"));
            let [caller, callee] = waiting_calls(ground)?;
            sides[0].push(caller);
            sides[1].push(callee);
            progress.step();
        }
        let name = |side: &str| format!("waiting call of {CALLS}, {side}");
        table.row(
            name("at the caller, with its task"),
            vec![sides[0].spread()],
        );
        table.row(name("at the callee"), vec![sides[1].spread()]);
    }
    results.tables.push(table);
    Ok(())
}

fn start_up(
    plan: &Plan,
    ground: &Ground,
    rlb: &Path,
    progress: &Progress,
    results: &mut Results,
) -> Result<(), Failure> {
    let mut ours: [Values; 2] = Default::default();
    let mut theirs: [Values; 2] = Default::default();
    for _ in 0..plan.rounds {
        progress.stage("starting nodes");
        for _ in 0..STARTS {
            let mut command = Command::new(rlb);
            command.args(["node", "--stop-with-stdin", "--name"]);
            command.arg(ground.name("rlb"));
            command.env("RLB_COOKIE", &ground.cookie);
            command.env("ERL_EPMD_PORT", ground.mapper.port().to_string());
            let started = starter::start(command)?;
            ours[0].push(started.millis);
            ours[1].push(started.resident_mb);
            if let Some(module) = &ground.module {
                let mut command = module.plain_node(&ground.name("erl"), &ground.cookie);
                command.env("ERL_EPMD_PORT", ground.mapper.port().to_string());
                let started = starter::start(command)?;
                theirs[0].push(started.millis);
                theirs[1].push(started.resident_mb);
            }
        }
        progress.step();
    }
    let mut table = Table::new(
        "Starting a node",
        "From exec to the line that says it is ready, registered with an EPMD that runs already; and the resident \
         memory then.",
        &["program", "ms", "MB"],
    );
    table.row("rlb node", ours.iter().map(Values::spread).collect());
    if ground.module.is_some() {
        table.row("erl -name", theirs.iter().map(Values::spread).collect());
    }
    results.tables.push(table);
    Ok(())
}

/// KiB that a node has for each of many idle peers.
fn idle_peers(ground: &Ground) -> Result<f64, Failure> {
    let (hub, name) = ground.act("hub", "", ground.processor(End::Callee), &[])?;
    let (mut peers, _) = ground.act("peers", &name, ground.processor(End::Caller), &[])?;
    peers.ask("connect 1")?;
    let before = hub.usage().resident_kb();
    peers.ask(&format!("connect {}", PEERS + 1))?;
    let after = hub.usage().resident_kb();
    Ok((after - before) / PEERS as f64)
}

/// KiB for each of many calls, at the caller and at the callee.
fn waiting_calls(ground: &Ground) -> Result<[f64; 2], Failure> {
    let (mut silent, name) = ground.act("silent", "", ground.processor(End::Callee), &[])?;
    let (mut waiting, _) = ground.act("waiting", &name, ground.processor(End::Caller), &[])?;
    waiting.ask(&format!("call {CALLS_BEFORE}"))?;
    silent.ask(&format!("serving {CALLS_BEFORE}"))?;
    let resident = [waiting.usage(), silent.usage()];
    let before = resident.map(|usage| usage.resident_kb());
    waiting.ask(&format!("call {CALLS}"))?;
    silent.ask(&format!("serving {}", CALLS + CALLS_BEFORE))?;
    let after = resident.map(|usage| usage.resident_kb());
    Ok([0, 1].map(|side| (after[side] - before[side]) / CALLS as f64))
}
