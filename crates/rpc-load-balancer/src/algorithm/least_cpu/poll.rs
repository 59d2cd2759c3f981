//! Asking the members how busy their processors are.

use std::{sync::Arc, time::Duration};

use beam_dist::NodeName;
use beam_node::{Error, Node};
use beam_term::{Atom, Term};
use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::LeastCpu;
use crate::{
    algorithm::{Background, Rng},
    members::Pool,
    node_cpu::{self, LocalCpu},
};

/// Asks every member again and again, and lets go of old answers, until the balancer is gone.
pub(super) async fn run(background: Background<LeastCpu>) {
    tokio::select! {
        () = ask_in_rounds(&background) => {}
        () = let_go_of_old_answers(|| background.pool()) => {}
    }
}

/// Computes anew who may be picked whenever an answer becomes too old, however far away the end of
/// the next round is.
async fn let_go_of_old_answers(pool: impl Fn() -> Option<Arc<Pool<LeastCpu>>>) {
    loop {
        let next = pool().map(|pool| pool.algorithm().next_expiry(pool.snapshot().members()));
        let Some(next) = next else {
            return;
        };
        sleep(next).await;
        let Some(pool) = pool() else {
            return;
        };
        pool.refresh();
    }
}

async fn ask_in_rounds(background: &Background<LeastCpu>) {
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

/// How busy the processors of a member are, in percent; `None` if it cannot tell yet. The timeout is
/// for all that it is asked.
async fn ask(node: &Node, member: &NodeName, timeout: Duration) -> Result<Option<f32>, Error> {
    let asked = Instant::now();
    let cached = node
        .call::<Result<Option<LocalCpu>, Term>, _>(member, node_cpu::FUNCTION, ())
        .timeout(timeout)
        .send()
        .await;
    match cached {
        Ok(answer) => Ok(answer.ok().flatten().map(|local| local.cpu as f32)),
        Err(error) if error.is_undefined() => {
            load_average(node, member, timeout.saturating_sub(asked.elapsed())).await
        }
        Err(error) => Err(error),
    }
}

/// The load average of a node that only has OTP, as a share of its processors.
async fn load_average(
    node: &Node,
    member: &NodeName,
    timeout: Duration,
) -> Result<Option<f32>, Error> {
    // In 256ths; `{error, Reason}` where the operating system does not tell. Where the application
    // does not run it is 0, as on an idle machine.
    let average = node.call::<Term, _>(member, ("cpu_sup", "avg1"), ());
    let supervisor = (Atom::from_static("cpu_sup"),);
    let supervisor = node.call::<Term, _>(member, ("erlang", "whereis"), supervisor);
    let logical = (Atom::from_static("logical_processors"),);
    let processors = node.call::<Term, _>(member, ("erlang", "system_info"), logical);
    let (average, supervisor, processors) = tokio::join!(
        average.timeout(timeout).send(),
        supervisor.timeout(timeout).send(),
        processors.timeout(timeout).send()
    );
    let (average, supervisor, processors) = (average?, supervisor?, processors?);
    if !matches!(supervisor, Term::Pid(_)) {
        return Ok(None);
    }
    // OTP says `unknown` where it cannot count them.
    let (Some(average), Some(processors)) = (average.as_i64(), processors.as_i64()) else {
        return Ok(None);
    };
    Ok((processors > 0).then(|| average as f32 / 256.0 / processors as f32 * 100.0))
}

#[cfg(test)]
mod tests {
    use beam_node::{Class, Epmd, Exception, Export};
    use tokio::time::pause;

    use super::*;
    use crate::members::numbered;

    #[tokio::test(start_paused = true)]
    async fn answers_become_too_old_without_another_round() {
        let pool = Arc::new(Pool::new(LeastCpu::seeded(1)));
        let weak = Arc::downgrade(&pool);
        let expiry = tokio::spawn(let_go_of_old_answers(move || weak.upgrade()));
        pool.update(numbered(0..2));
        let answer = |member: usize, percent| {
            let now = pool.algorithm().begun.elapsed();
            pool.snapshot().members()[member].state().set(percent, now);
            pool.refresh();
        };
        let may_be_picked = || pool.snapshot().table().0.to_vec();

        sleep(Duration::from_secs(7)).await;
        answer(0, 1.0);
        sleep(Duration::from_secs(4)).await;
        answer(1, 2.0);
        assert_eq!(may_be_picked(), [0, 1]);
        // That of the first is over after ten seconds, and that of the second four seconds later.
        sleep(Duration::from_secs(6)).await;
        assert_eq!(may_be_picked(), [0, 1]);
        sleep(Duration::from_millis(10)).await;
        assert_eq!(may_be_picked(), [1]);
        sleep(Duration::from_secs(4)).await;
        assert_eq!(may_be_picked(), [0, 1]);

        drop(pool);
        expiry.await.unwrap();
    }

    #[tokio::test]
    async fn a_member_has_one_timeout_for_all_that_it_is_asked() {
        let node = Node::builder("asked@127.0.0.1")
            .cookie("secret")
            .epmd(Epmd::Off)
            .start()
            .await
            .unwrap();
        // One that takes its time to say that it does not have the function.
        let (module, function) = node_cpu::FUNCTION;
        let undefined = move |_, _| async move {
            sleep(Duration::from_millis(1_500)).await;
            Err(Exception {
                class: Class::Error,
                reason: Term::atom("undef"),
                stack: Term::list([Term::tuple([
                    Term::atom(module),
                    Term::atom(function),
                    Term::nil(),
                    Term::nil(),
                ])]),
            })
        };
        node.register(Export::raw(module, function, 0, undefined))
            .unwrap();
        let never = || std::future::pending::<()>();
        node.export("cpu_sup", "avg1", never).unwrap();

        // The clock jumps to what happens next.
        pause();
        let asked = Instant::now();
        let error = ask(&node, node.name(), Duration::from_secs(2)).await;
        assert!(error.is_err(), "{error:?}");
        assert!(asked.elapsed() >= Duration::from_millis(1_500));
        assert!(asked.elapsed() < Duration::from_millis(2_100));
    }
}
