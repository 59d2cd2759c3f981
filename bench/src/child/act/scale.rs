//! Pairs of nodes in one process, each with a link of its own.

use super::{Place, ready};
use crate::{
    child::{lifeline::Commands, load, stack::node},
    failure::Failure,
    protocol::{Load, Run},
};

/// Takes the commands of a caller, for all links at once; the concurrency is that of each.
pub(super) async fn run(place: &Place, mut commands: Commands) -> Result<(), Failure> {
    let mut callees = Vec::new();
    let mut callers = Vec::new();
    for link in 0..place.links {
        let named = |side: &str| Place {
            name: format!("{side}{link}-{}", place.name),
            ..place.clone()
        };
        let callee = named("callee");
        callees.push(node::serve(&callee).await?);
        callers.push(node::connect(&named("caller"), &callee.name).await?);
    }
    ready(&place.name);
    while let Some(line) = commands.recv().await {
        let measured = match line.parse::<Run>() {
            Ok(
                run @ Run {
                    load: Load::Closed { concurrency },
                    ..
                },
            ) => {
                let job = |(direct, _): &(node::Direct, _)| {
                    load::Job::new(node::Direct::clone(direct), run.workload)
                };
                let jobs = callers.iter().map(job).collect();
                // Enough for two threads seldom to meet.
                load::measure_links(jobs, concurrency, run, 16).await
            }
            Ok(_) => Err("it has no open loop".to_owned()),
            Err(error) => Err(error),
        };
        load::answer(measured);
    }
    Ok(())
}
