//! Members that come, go, hang and are killed for a long time, while all kinds of calls are made: what grows.

mod calls;
mod churn;
mod watched;

use std::{
    thread,
    time::{Duration, Instant},
};

use self::{
    calls::Calls,
    churn::Churn,
    watched::{Kind, Watched},
};
use super::{
    Results, Spread, Table,
    ground::{End, Ground, Member},
};
use crate::{cli::Soak, failure::Failure};

/// How often the processes are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// How often a line tells how it goes.
const TOLD: Duration = Duration::from_secs(10);

/// What grows at first, and is left out: what many calls at once take, and the names of those who come and go.
const WARM_UP: Duration = Duration::from_secs(20);

/// How long what is left of the last calls and members may take to go.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn measure(soak: Soak, ground: &Ground, results: &mut Results) -> Result<(), Failure> {
    let processor = ground.processor(End::Caller);
    let (mut hub, hub_name) = ground.act("soak", "", processor, &[])?;
    let stays = ground.member(Member::Rust, &ground.name("stays"), &hub_name)?;
    let mut watched = vec![Watched::new("member", stays, Kind::Node)];
    if ground.module.is_some() {
        let otp = ground.member(Member::Otp, &ground.name("otp"), &hub_name)?;
        watched.push(Watched::new("OTP member", otp, Kind::Otp));
    }
    hub.ask(&format!("members {}", watched.len()))?;
    // Else it takes long until each has had one of the largest calls.
    hub.ask("fill")?;
    watched.insert(0, Watched::new("caller", hub, Kind::Node));
    let mut churn = Churn::new(ground, &hub_name, soak);

    let others = watched.len() - 1;
    for process in &mut watched {
        process.rest(others, PATIENCE)?;
    }
    println!("Seed {}. Every {} s:", soak.seed, TOLD.as_secs());
    watched[0].child.ask("begin")?;
    let begun = Instant::now();
    let (mut next_look, mut next_line) = (WARM_UP, TOLD);
    while begun.elapsed() < soak.duration {
        churn.turn()?;
        if begun.elapsed() >= next_look {
            next_look += PERIOD;
            for process in &mut watched {
                process.look()?;
            }
        }
        if begun.elapsed() >= next_line {
            next_line += TOLD;
            tell(begun.elapsed(), &mut watched, &churn)?;
        }
        thread::sleep(Duration::from_millis(50));
    }

    let what_came = churn.to_string();
    churn.end()?;
    let calls = come_to_rest(&mut watched)?;
    results.machine.with("seed", soak.seed.to_string());
    results.tables.push(table(&watched, &what_came, calls));
    for process in &watched {
        results.promises.extend(process.verdicts());
    }
    results.promises.extend(calls.verdicts(soak.gentle));
    // It tells what it did not expect.
    let unexpected = watched[0].child.printed();
    if !unexpected.is_empty() {
        results
            .failures
            .push(format!("the caller said: {unexpected}"));
    }
    Ok(())
}

fn tell(elapsed: Duration, watched: &mut [Watched], churn: &Churn<'_>) -> Result<(), Failure> {
    let mut line = format!("{:5} s", elapsed.as_secs());
    for process in watched.iter_mut() {
        line.push_str(&format!("; {}", process.line()?));
    }
    let calls = Calls::of(&mut watched[0].child)?;
    println!("{line}; calls {calls}; {churn}");
    Ok(())
}

/// Ends the calls, and waits until nothing is left of them and of those who came and went.
fn come_to_rest(watched: &mut [Watched]) -> Result<Calls, Failure> {
    watched[0].child.ask("stop")?;
    let calls = Calls::of(&mut watched[0].child)?;
    let begun = Instant::now();
    for process in watched.iter_mut() {
        while !process.rests_as_before()? && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(calls)
}

fn table(watched: &[Watched], what_came: &str, calls: Calls) -> Table {
    let mut table = Table::new(
        "Soak",
        &format!(
            "Medians of the first and of the last quarter of the time, without the first {} s; *at rest*: before the first \
             call, and after the last one with nobody left who came. Came and went: {what_came}. Calls: {calls}.",
            WARM_UP.as_secs(),
        ),
        &["what", "first quarter", "last quarter", "may grow by"],
    );
    for process in watched {
        for (name, growth) in process.growths() {
            table.row(
                format!("{}: {name}", process.name),
                vec![
                    Spread::of([growth.first]),
                    Spread::of([growth.last]),
                    Spread::of([growth.allowed]),
                ],
            );
        }
    }
    table
}
