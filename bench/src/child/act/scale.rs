//! A node that calls several others, over a link to each, in one process with them.

use super::{Place, ready};
use crate::{
    child::{lifeline::Commands, load, stack::node},
    failure::Failure,
    protocol::{Load, Run},
};

/// Takes the commands of a caller, for all links at once; the concurrency is that of each.
pub(super) async fn run(place: &Place, mut commands: Commands) -> Result<(), Failure> {
    let named = |name: String| Place {
        name: format!("{name}-{}", place.name),
        ..place.clone()
    };
    let caller = node::start(&named("caller".to_owned())).await?;
    let mut callees = Vec::new();
    let mut links = Vec::new();
    for link in 0..place.links {
        let callee = named(format!("callee{link}"));
        callees.push(node::serve(&callee).await?);
        links.push(node::Direct::to(&caller, &callee.name).await?);
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
                let job = |link: &node::Direct| load::Job::new(link.clone(), run.workload);
                let jobs = links.iter().map(job).collect();
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
