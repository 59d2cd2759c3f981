//! Asking the members how busy their processors are.

use std::time::Duration;

use beam_dist::NodeName;
use beam_node::{Error, Node};
use beam_term::{Atom, Term};
use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::LeastCpu;
use crate::{
    algorithm::{Background, Rng},
    node_cpu::{self, LocalCpu},
};

/// Asks every member again and again, until the balancer is gone.
pub(super) async fn run(background: Background<LeastCpu>) {
    let Some((delay, period)) = background.pool().map(|pool| {
        let algorithm = pool.algorithm();
        (algorithm.initial_delay, algorithm.interval)
    }) else {
        return;
    };
    sleep(some_of(delay)).await;
    let mut rounds = interval(period);
    // A round that took long is not made up for.
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let Some(pool) = background.pool() else {
            return;
        };
        let snapshot = pool.snapshot();
        let algorithm = pool.algorithm();
        let node = background.node();
        let answers = snapshot.members().iter().map(|member| async move {
            let asked = ask(node, member.node(), algorithm.timeout).await;
            match asked {
                Ok(Some(percent)) => member.state().set(percent, algorithm.begun.elapsed()),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(node = %member.node(), %error, "cannot tell how busy a member is");
                }
            }
        });
        join_all(answers).await;
        pool.refresh();
    }
}

/// A random part of a duration.
fn some_of(duration: Duration) -> Duration {
    let most = usize::try_from(duration.as_millis()).unwrap_or(usize::MAX);
    Duration::from_millis(Rng::thread_local().below(most.saturating_add(1)) as u64)
}

/// How busy the processors of a member are, in percent; `None` if it cannot tell yet.
async fn ask(node: &Node, member: &NodeName, timeout: Duration) -> Result<Option<f32>, Error> {
    let cached = node
        .call::<Result<Option<LocalCpu>, Term>, _>(member, node_cpu::FUNCTION, ())
        .timeout(timeout)
        .send()
        .await;
    match cached {
        Ok(answer) => Ok(answer.ok().flatten().map(|local| local.cpu as f32)),
        Err(error) if error.is_undefined() => load_average(node, member, timeout).await,
        Err(error) => Err(error),
    }
}

/// The load average of a node that only has OTP, as a share of its processors.
async fn load_average(
    node: &Node,
    member: &NodeName,
    timeout: Duration,
) -> Result<Option<f32>, Error> {
    // In 256ths; `{error, Reason}` where the operating system does not tell.
    let average = node.call::<Term, _>(member, ("cpu_sup", "avg1"), ());
    let logical = (Atom::from_static("logical_processors"),);
    let processors = node.call::<Term, _>(member, ("erlang", "system_info"), logical);
    let (average, processors) = tokio::join!(
        average.timeout(timeout).send(),
        processors.timeout(timeout).send()
    );
    let (average, processors) = (average?, processors?);
    // OTP says `unknown` where it cannot count them.
    let (Some(average), Some(processors)) = (average.as_i64(), processors.as_i64()) else {
        return Ok(None);
    };
    Ok((processors > 0).then(|| average as f32 / 256.0 / processors as f32 * 100.0))
}
