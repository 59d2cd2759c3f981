//! Callers: they make the load that they are told to, and tell what became of it.

mod casts;
mod closed;
mod open;
mod phases;

pub(super) use closed::measure_links;

use super::{
    Place,
    lifeline::Commands,
    say,
    stack::{self, Callee, Fields},
};
use crate::{
    failure::Failure,
    protocol::{Answer, Load, Run, Tally},
    workload::{Route, Workload},
};
use bytes::Bytes;

/// Connects to the callee, and does what it is told to.
pub(super) async fn run(
    name: stack::Name,
    callee: &str,
    place: &Place,
    mut commands: Commands,
) -> Result<(), Failure> {
    match name {
        stack::Name::Node => {
            let (direct, balanced) = stack::node::connect(place, callee).await?;
            ready(callee);
            while let Some(line) = commands.recv().await {
                answer(match line.parse::<Run>() {
                    Ok(run) if run.route == Route::RoundRobin => measure(&balanced, run).await,
                    Ok(run) => measure(&direct, run).await,
                    Err(error) => Err(error),
                });
            }
        }
        stack::Name::Tarpc => calls(stack::tarpc::connect(callee).await?, callee, commands).await,
        stack::Name::Tonic => calls(stack::grpc::connect(callee).await?, callee, commands).await,
    }
    Ok(())
}

async fn calls<C: Callee>(client: C, callee: &str, mut commands: Commands) {
    ready(callee);
    while let Some(line) = commands.recv().await {
        answer(match line.parse::<Run>() {
            Ok(run) if run.route == Route::RoundRobin => Err("it has no balancer".to_owned()),
            Ok(run) => measure(&client, run).await,
            Err(error) => Err(error),
        });
    }
}

pub(super) fn ready(callee: &str) {
    say(&Answer::Ready(vec![callee.to_owned()]));
}

pub(super) fn answer(result: Result<Tally, String>) {
    say(&match result {
        Ok(tally) => Answer::Result(Box::new(tally)),
        Err(message) => Answer::Error(message),
    });
}

async fn measure<C: Callee>(callee: &C, run: Run) -> Result<Tally, String> {
    let job = Job::new(callee.clone(), run.workload);
    match (run.workload, run.load) {
        (Workload::Cast, Load::Closed { concurrency }) => {
            casts::measure(callee, concurrency, run).await
        }
        (Workload::Cast, Load::Open { .. }) => Err("casts have no open loop".to_owned()),
        (_, Load::Closed { concurrency }) => closed::measure(job, concurrency, run).await,
        (_, Load::Open { per_second }) => open::measure(job, per_second, run).await,
    }
}

/// A call to be made again and again.
#[derive(Clone)]
pub(super) struct Job<C> {
    callee: C,
    workload: Workload,
    payload: Bytes,
    fields: std::sync::Arc<Fields>,
    expected: i64,
}

impl<C: Callee> Job<C> {
    pub(super) fn new(callee: C, workload: Workload) -> Self {
        let fields = Fields::sample();
        Self {
            callee,
            workload,
            payload: Bytes::from(vec![b'x'; workload.payload_bytes()]),
            expected: fields.digest(),
            fields: std::sync::Arc::new(fields),
        }
    }

    /// Makes it once; a wrong answer is an error.
    async fn call(&self, turn: i64) -> Result<(), String> {
        match self.workload {
            Workload::Add => expect(self.callee.add(turn, 7).await?, turn + 7),
            Workload::Echo(size) => {
                let back = self.callee.echo(self.payload.clone()).await?;
                expect(back.len(), size.bytes())
            }
            Workload::Map20 => expect(self.callee.map20(&self.fields).await?, self.expected),
            Workload::Cast => self.callee.cast().await,
        }
    }
}

fn expect<T: PartialEq + std::fmt::Display>(found: T, expected: T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("the answer was {found} instead of {expected}"))
    }
}
