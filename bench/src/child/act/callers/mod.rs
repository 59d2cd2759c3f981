//! A node that calls the members without a pause, whatever becomes of them.

mod account;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rpc_load_balancer::{
    Arguments, Balancer, Function, NodeName, RoundRobin, health::MemberEvents,
};
use tokio::task::JoinSet;

use self::account::{Account, Ended, WRONG_ANSWER};
use super::{PATIENCE, Place, Values, answer, number, ready, shared_clock, text};
use crate::{
    child::{
        lifeline::Commands,
        stack::node::{self, GROUP, MODULE},
    },
    failure::Failure,
};

/// Commands:
///
/// ```text
/// members N                                  wait for so many members
/// load add|MILLIS CALLERS TIMEOUT_MS         begin to call: `add`, or `sleep` for so long
/// watch NODE                                 keep account, of this member closely
/// account AT                                 tell what became of the calls around this moment
/// taken SINCE PATIENCE_MS                    wait for a call that began there since then, and was answered
/// stop                                       end the calls
/// ```
pub(super) async fn run(place: &Place, mut commands: Commands) -> Result<(), Failure> {
    let node = node::builder(&place.name, place).start().await;
    let node = node.map_err(Failure::node("starting the caller"))?;
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false);
    let balancer = balancer.start(&node).await;
    let balancer = balancer.map_err(Failure::node("starting the balancer"))?;
    let mut callers = Callers {
        balancer,
        account: Arc::default(),
        over: Arc::default(),
        tasks: JoinSet::new(),
    };
    tokio::spawn(note_states(
        callers.balancer.member_events(),
        Arc::clone(&callers.account),
    ));
    ready(&place.name);
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        answer(match words[..] {
            ["members", count] => callers.members(count).await,
            ["load", what, count, timeout] => callers.begin(what, count, timeout),
            ["watch", node] => callers.watch(node),
            ["account", at] => nanos(at).map(|at| callers.account().around(at)),
            ["taken", since, patience] => callers.taken(since, patience).await,
            ["stop"] => callers.stop().await,
            _ => Err(format!("{line:?} is no command")),
        });
    }
    Ok(())
}

async fn note_states(mut events: MemberEvents, account: Arc<Mutex<Account>>) {
    while let Some(event) = events.next().await {
        lock(&account).changed(&event.node, event.state, now());
    }
}

struct Callers {
    balancer: Balancer,
    account: Arc<Mutex<Account>>,
    over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Callers {
    async fn members(&self, count: &str) -> Values {
        let members = self.balancer.wait_for_members(number(count)?, PATIENCE);
        members.await.map_err(text)?;
        Ok(Vec::new())
    }

    fn begin(&mut self, what: &str, count: &str, timeout: &str) -> Values {
        let millis = match what {
            "add" => None,
            millis => Some(number(millis)? as u64),
        };
        let name = if millis.is_some() { "sleep" } else { "add" };
        let function = Function::parse((MODULE, name)).map_err(text)?;
        let timeout = Duration::from_millis(number(timeout)? as u64);
        for _ in 0..number(count)? {
            let caller = Caller {
                balancer: self.balancer.clone(),
                account: Arc::clone(&self.account),
                over: Arc::clone(&self.over),
                function: function.clone(),
                millis,
                timeout,
            };
            self.tasks.spawn(caller.call());
        }
        Ok(Vec::new())
    }

    fn watch(&self, node: &str) -> Values {
        let node = node.parse().map_err(text)?;
        self.account().watch(node);
        Ok(Vec::new())
    }

    async fn taken(&self, since: &str, patience: &str) -> Values {
        let since = nanos(since)?;
        let patience = Duration::from_millis(number(patience)? as u64);
        let found = async {
            loop {
                let found = self.account().first_answered_since(since);
                if let Some(at) = found {
                    return at;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match tokio::time::timeout(patience, found).await {
            Ok(at) => Ok(vec![("at", at as f64)]),
            Err(_) => Ok(Vec::new()),
        }
    }

    async fn stop(&mut self) -> Values {
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(text)?;
        }
        Ok(vec![("in_flight", self.balancer.in_flight() as f64)])
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.account)
    }
}

/// One that makes its next call when the last has ended, however it did.
struct Caller {
    balancer: Balancer,
    account: Arc<Mutex<Account>>,
    over: Arc<AtomicBool>,
    function: Function,
    millis: Option<u64>,
    timeout: Duration,
}

impl Caller {
    async fn call(self) {
        let mut begun = now();
        while !self.over.load(Ordering::Relaxed) {
            let (node, error) = match self.millis {
                None => self.once((3, 4), 7).await,
                Some(millis) => self.once((millis,), millis).await,
            };
            let ended = now();
            let call = Ended {
                begun,
                ended,
                error,
            };
            lock(&self.account).note(node.as_ref(), call);
            if error.is_some() {
                // What fails at once must not keep others from running.
                tokio::task::yield_now().await;
            }
            begun = ended;
        }
    }

    /// Whom a call went to, and why it failed if it did.
    async fn once(
        &self,
        arguments: impl Arguments,
        expected: u64,
    ) -> (Option<NodeName>, Option<&'static str>) {
        let call = self.balancer.call::<u64, _>(&self.function, arguments);
        let (node, result) = call.timeout(self.timeout).send_and_tell().await;
        let error = match result {
            Ok(answer) if answer == expected => None,
            Ok(_) => Some(WRONG_ANSWER),
            Err(error) => Some(error.code.as_str()),
        };
        (node, error)
    }
}

fn nanos(word: &str) -> Result<u64, String> {
    word.parse()
        .map_err(|_| format!("{word:?} is no time in nanoseconds"))
}

fn now() -> u64 {
    shared_clock() as u64
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}
