//! What the processes do that are measured. Each ends when its standard input does, so none outlives the orchestrator.

mod act;
mod lifeline;
mod load;
pub(crate) mod stack;

use crate::failure::Failure;

/// What a child is for.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Role {
    /// Serves calls.
    Serve {
        stack: stack::Name,
        #[command(flatten)]
        place: Place,
    },
    /// Calls a callee, as it is told to on standard input.
    Load {
        stack: stack::Name,
        /// The name of the callee's node, or its address.
        callee: String,
        #[command(flatten)]
        place: Place,
    },
    /// Has a part of its own in a measurement, and does what it is told to on standard input.
    Act {
        part: act::Part,
        /// The node that it connects to.
        #[arg(default_value = "")]
        whom: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Where a child runs.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// The processor that it keeps to.
    #[arg(long)]
    processor: Option<usize>,
    /// The name of its node.
    #[arg(long, default_value = "")]
    name: String,
    /// The port of the EPMD.
    #[arg(long, default_value_t = 0)]
    epmd_port: u16,
    /// How many threads work for it.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// How many pairs of nodes it has.
    #[arg(long, default_value_t = 1)]
    links: usize,
}

/// The variable that has the cookie.
pub(crate) const COOKIE: &str = "RLB_BENCH_COOKIE";

/// Does what the child is for, until its standard input ends.
pub(crate) fn run(role: Role) -> Result<(), Failure> {
    let (Role::Serve { place, .. } | Role::Load { place, .. } | Role::Act { place, .. }) = &role;
    // Before there are threads, which then all keep to it.
    if let Some(processor) = place.processor {
        measurement::stay_on(processor).map_err(Failure::io("keeping to a processor"))?;
    }
    let commands = lifeline::commands();
    let runtime = match &role {
        // Even with one thread it is the kind of runtime that it is with two.
        Role::Act { part, place, .. } if *part == act::Part::Scale => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(place.workers).enable_all().build()
        }
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
    };
    let runtime = runtime.map_err(Failure::io("starting tokio"))?;
    runtime.block_on(async {
        match role {
            Role::Serve { stack, place } => stack::serve(stack, &place, commands).await,
            Role::Load {
                stack,
                callee,
                place,
            } => load::run(stack, &callee, &place, commands).await,
            Role::Act { part, whom, place } => act::run(part, &whom, &place, commands).await,
        }
    })
}

/// Tells the orchestrator.
pub(crate) fn say(answer: &crate::protocol::Answer) {
    println!("{answer}");
}
