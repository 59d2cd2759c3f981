//! What happens in the demo, in its order.

use std::{io, process::ExitStatus};

use tokio::time::{Instant, timeout};

use super::{
    Settings,
    cluster::{Cluster, PATIENCE},
    progress::Progress,
    report::{Killed, Report, Started, Stopped},
    traffic::Traffic,
    worker::Worker,
};
use crate::failure::Failure;

/// Starts the workers, makes the calls, and lets things go wrong meanwhile.
pub(super) async fn play(cluster: &mut Cluster, settings: Settings) -> Result<Report, Failure> {
    let Settings {
        calls,
        workers,
        concurrency,
    } = settings;
    let mut progress = Progress::new();
    for _ in 0..workers {
        let name = cluster.add_worker().await?;
        progress.say(format_args!("{name} is started"));
    }

    let balancer = cluster.balancer().await?;
    let traffic = Traffic::start(balancer, calls, concurrency);
    progress.follow(calls, traffic.progress());
    let begun = Instant::now();

    // Calls go on while a worker dies and while one leaves: that is what the demo is about. Only
    // where the next act would come too late for them do they wait for it.
    traffic.allow(calls / 2);
    traffic.reached(calls / 4).await;
    progress.say("the first worker is killed");
    let killed = kill(cluster).await?;

    traffic.allow(calls / 4 * 3);
    traffic.reached(calls / 2).await;
    progress.say("the second worker is stopped gracefully, and another one started");
    let asked = Instant::now();
    let mut leaving = cluster.part_with_first()?;
    leaving
        .terminate()
        .map_err(|error| no_signal(&leaving, &error))?;
    cluster.await_membership(leaving.name(), false).await?;
    let out_of_pool_after = asked.elapsed();

    let rest = async {
        let started = start(cluster).await?;
        traffic.allow(calls);
        Ok::<_, Failure>((started, traffic.finish().await?, begun.elapsed()))
    };
    let ended = async { Ok::<_, Failure>((end(&mut leaving).await?, asked.elapsed())) };
    let ((started, tally, took), (status, ended_after)) = tokio::try_join!(rest, ended)?;
    Ok(Report {
        tally,
        took,
        killed,
        stopped: Stopped {
            node: leaving.name().clone(),
            out_of_pool_after,
            ended_after,
            status,
        },
        started,
    })
}

async fn kill(cluster: &mut Cluster) -> Result<Killed, Failure> {
    let mut victim = cluster.part_with_first()?;
    let killed = Instant::now();
    victim.kill().map_err(|error| no_signal(&victim, &error))?;
    cluster.await_membership(victim.name(), false).await?;
    let out_of_pool_after = killed.elapsed();
    end(&mut victim).await?;
    Ok(Killed {
        node: victim.name().clone(),
        out_of_pool_after,
    })
}

async fn start(cluster: &mut Cluster) -> Result<Started, Failure> {
    let begun = Instant::now();
    Ok(Started {
        node: cluster.add_worker().await?,
        member_after: begun.elapsed(),
    })
}

async fn end(worker: &mut Worker) -> Result<ExitStatus, Failure> {
    let name = worker.name().clone();
    match timeout(PATIENCE, worker.ended()).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(error)) => Err(Failure::internal(format!(
            "failed to wait for {name}: {error}"
        ))),
        Err(_elapsed) => Err(Failure::internal(format!(
            "{name} still runs after {PATIENCE:?}"
        ))),
    }
}

fn no_signal(worker: &Worker, error: &io::Error) -> Failure {
    Failure::internal(format!(
        "failed to send a signal to {}: {error}",
        worker.name()
    ))
}
