//! A node that calls members of all kinds in all ways, for long: small and large calls, casts, calls that time out, that
//! are given up, that raise, and that go to all members at once.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rpc_load_balancer::{Arguments, Balancer, Binary, Code, Error, Function, RoundRobin, Term};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::{PATIENCE, Place, Values, answer, member, number, ready, text};
use crate::{
    child::{
        lifeline::Commands,
        stack::node::{self, GROUP, MODULE},
    },
    failure::Failure,
};

/// Tasks that make small calls.
const SMALL: usize = 8;

/// Every so many large calls one is larger.
const SELDOM: u64 = 50;
const LARGE: usize = 1 << 20;
const LARGER: usize = 16 << 20;

/// How often every member gets a call of the largest at first.
const FILLINGS: usize = 5;

/// How long a call may take that is expected to be answered.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a function takes that nobody waits for to the end, and how long it is waited for. On a busy machine a timer
/// of 20 ms may be late by more than a moment.
const SLOW_MS: u64 = 2_000;
const TOO_SHORT: Duration = Duration::from_millis(20);

/// Commands: `members N` waits for so many, `fill` sends each of them what is largest, `begin` has the calls begin, `stats` tells what the node holds and what
/// became of the calls, `stop` ends them all.
pub(super) async fn run(place: &Place, mut commands: Commands) -> Result<(), Failure> {
    let node = node::builder(&place.name, place).start().await;
    let node = node.map_err(Failure::node("starting the caller"))?;
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .timeout(TIMEOUT)
        .join(false);
    let balancer = balancer.start(&node).await;
    let balancer = balancer.map_err(Failure::node("starting the balancer"))?;
    let calls = Arc::new(Calls::new(balancer.clone())?);
    let mut tasks = JoinSet::new();
    ready(&place.name);
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        answer(match words[..] {
            ["members", count] => members(&balancer, count).await,
            ["fill"] => calls.fill().await,
            ["begin"] => {
                begin(&calls, &mut tasks);
                Ok(Vec::new())
            }
            ["stats"] => {
                let mut stats = member::stats(&node);
                stats.push(("in_flight", balancer.in_flight() as f64));
                stats.extend(calls.counts());
                Ok(stats)
            }
            ["stop"] => stop(&calls, &mut tasks).await,
            _ => Err(format!("{line:?} is no command")),
        });
    }
    Ok(())
}

async fn members(balancer: &Balancer, count: &str) -> Values {
    let members = balancer.wait_for_members(number(count)?, PATIENCE);
    members.await.map_err(text)?;
    Ok(Vec::new())
}

fn begin(calls: &Arc<Calls>, tasks: &mut JoinSet<()>) {
    for _ in 0..SMALL {
        tasks.spawn(every(5, Arc::clone(calls), Calls::small));
    }
    tasks.spawn(every(100, Arc::clone(calls), Calls::large));
    tasks.spawn(every(5, Arc::clone(calls), Calls::cast));
    tasks.spawn(every(100, Arc::clone(calls), Calls::late));
    tasks.spawn(every(100, Arc::clone(calls), Calls::given_up));
    tasks.spawn(every(100, Arc::clone(calls), Calls::undefined));
    tasks.spawn(every(1_000, Arc::clone(calls), Calls::of_all));
}

async fn stop(calls: &Calls, tasks: &mut JoinSet<()>) -> Values {
    calls.over.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(text)?;
    }
    Ok(Vec::new())
}

/// Does something again and again, with pauses of so many milliseconds.
async fn every<C: Future<Output = ()> + Send>(
    pause_ms: u64,
    calls: Arc<Calls>,
    call: impl Fn(Arc<Calls>, u64) -> C + Send,
) {
    for turn in 0.. {
        if calls.over.load(Ordering::Relaxed) {
            return;
        }
        call(Arc::clone(&calls), turn).await;
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

/// What is called, and what became of it.
struct Calls {
    balancer: Balancer,
    add: Function,
    echo: Function,
    note: Function,
    sleep: Function,
    nothing: Function,
    arrived: Function,
    large: Binary,
    larger: Binary,
    over: AtomicBool,
    counts: Counts,
}

/// How many calls ended how.
#[derive(Debug, Default)]
struct Counts {
    /// Answered, or failed as they were meant to.
    expected: AtomicU64,
    /// Without a member, or with one that was lost.
    unavailable: AtomicU64,
    /// Not answered in time, although they were meant to be.
    timed_out: AtomicU64,
    /// Anything else.
    wrong: AtomicU64,
}

impl Calls {
    fn new(balancer: Balancer) -> Result<Self, Failure> {
        let function =
            |name| Function::parse((MODULE, name)).map_err(Failure::node("naming a function"));
        Ok(Self {
            balancer,
            add: function("add")?,
            echo: function("echo")?,
            note: function("note")?,
            sleep: function("sleep")?,
            nothing: function("nothing")?,
            arrived: function("arrived")?,
            large: Binary::from(vec![b'x'; LARGE]),
            larger: Binary::from(vec![b'y'; LARGER]),
            over: AtomicBool::new(false),
            counts: Counts::default(),
        })
    }

    fn counts(&self) -> [(&'static str, f64); 4] {
        let Counts {
            expected,
            unavailable,
            timed_out,
            wrong,
        } = &self.counts;
        [
            ("expected", expected),
            ("unavailable", unavailable),
            ("timed_out", timed_out),
            ("wrong", wrong),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed) as f64))
    }

    /// Has every member grow to what the largest calls take.
    async fn fill(&self) -> Values {
        for _ in 0..FILLINGS {
            let echo = self
                .balancer
                .multicall::<Binary, _>(&self.echo, (self.larger.clone(),));
            for (_, answer) in echo.await.map_err(text)? {
                answer.map_err(text)?;
            }
        }
        Ok(Vec::new())
    }

    async fn small(self: Arc<Self>, turn: u64) {
        let sum = self.call(&self.add, (turn, 7)).await;
        self.note(sum.map(|sum: u64| sum == turn + 7));
    }

    async fn large(self: Arc<Self>, turn: u64) {
        let sent = match turn % SELDOM {
            0 => &self.larger,
            _ => &self.large,
        };
        let echo = self.call(&self.echo, (sent.clone(),)).await;
        self.note(echo.map(|echo: Binary| echo.len() == sent.len()));
    }

    async fn cast(self: Arc<Self>, _: u64) {
        let cast = self.balancer.cast(&self.note, ()).await;
        self.note(cast.map(|()| true));
    }

    /// Not answered in time.
    async fn late(self: Arc<Self>, _: u64) {
        let call = self.balancer.call::<Term, _>(&self.sleep, (SLOW_MS,));
        self.note_failure(call.timeout(TOO_SHORT).await, Code::RequestTimeout);
    }

    /// Dropped before it is answered.
    async fn given_up(self: Arc<Self>, _: u64) {
        let call = self.balancer.call::<Term, _>(&self.sleep, (SLOW_MS,));
        match tokio::time::timeout(TOO_SHORT, call.send()).await {
            Ok(ended) => self.note(ended.map(|_| false)),
            Err(_given_up) => self.note(Ok(true)),
        }
    }

    /// There is no such function.
    async fn undefined(self: Arc<Self>, _: u64) {
        let call: Result<Term, Error> = self.call(&self.nothing, ()).await;
        self.note_failure(call, Code::InternalServerError);
    }

    async fn of_all(self: Arc<Self>, _: u64) {
        let answers = self.balancer.multicall::<u64, _>(&self.arrived, ());
        match answers.timeout(TIMEOUT).await {
            Ok(answers) => {
                for (_, answer) in answers {
                    self.note(answer.map(|_| true));
                }
            }
            Err(error) => self.note(Err(error)),
        }
    }

    async fn call<T: DeserializeOwned + Send>(
        &self,
        function: &Function,
        arguments: impl Arguments,
    ) -> Result<T, Error> {
        self.balancer.call(function, arguments).send().await
    }

    fn note(&self, result: Result<bool, Error>) {
        let Counts {
            expected,
            unavailable,
            timed_out,
            wrong,
        } = &self.counts;
        let count = match result {
            Ok(true) => expected,
            Ok(false) => {
                eprintln!("a call had an answer that is not meant for it");
                wrong
            }
            Err(error) => match error.code {
                Code::ServiceUnavailable => unavailable,
                Code::RequestTimeout => timed_out,
                _ => {
                    eprintln!("a call failed: {error}");
                    wrong
                }
            },
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn note_failure<T>(&self, result: Result<T, Error>, meant: Code) {
        self.note(match result {
            Err(error) if error.code == meant => Ok(true),
            Err(error) => Err(error),
            Ok(_) => Ok(false),
        });
    }
}
