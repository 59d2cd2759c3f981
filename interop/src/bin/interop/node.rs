//! A node that does what it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use beam_node::{CallContext, Cause, Epmd, Error as CallError, Event, Mailbox, Node};
use beam_term::{Atom, Pid, Term};
use rpc_load_balancer::{Balancer, RoundRobin};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tracing_subscriber::EnvFilter;

use crate::pipes::{self, Answers, Command};

type Error = Box<dyn std::error::Error>;

/// Starts the node and does what it is told, until nobody is there to tell it anything.
pub(crate) fn run(name: &str, settings: &[&str]) -> Result<(), Error> {
    let mut filter = "info";
    let mut builder = Node::builder(name)
        .cookie("interop")
        .drain_linger(Duration::ZERO);
    for setting in settings {
        let (key, value) = setting.split_once('=').ok_or("expected KEY=VALUE")?;
        builder = match key {
            "peer" => builder.peer(value),
            "net_ticktime_ms" => builder.net_ticktime(Duration::from_millis(value.parse()?)),
            "visible" => builder.visible(value.parse()?),
            "discovery" => builder.discovery(value.parse()?),
            "epmd_port" => builder.epmd_port(value.parse()?),
            "epmd" if value == "external" => builder.epmd(Epmd::External),
            "log" => {
                filter = value;
                builder
            }
            _ => return Err(format!("unknown setting {setting}").into()),
        };
    }
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut commands, answers) = pipes::open()?;
        let told = Told::start(builder.start().await?)?;
        answers.ready()?;
        while let Some(command) = commands.recv().await {
            tokio::spawn(answer(Arc::clone(&told), answers.clone(), command));
        }
        Ok(())
    })
}

/// What the node can be told. Names of nodes and functions are atoms, times are in milliseconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Calls a function, and gives `{ok, Value}` or `{error, {Code, MayHaveRun, Text}}`.
    Call(Atom, Atom, Atom, Vec<Term>, u64),
    /// Calls a function of a member of a balancer, the next one each time, with the same outcome.
    Balance(Atom, Atom, Atom, Vec<Term>, u64),
    /// Joins a balancer, and has it ready for `balance`.
    Join(Atom),
    /// The nodes that have members of a group, sorted.
    Members(Atom),
    /// The connected nodes, each with its creation, sorted.
    Peers,
    /// Its own creation.
    Creation,
    /// What it has: tasks, calls that it waits for, calls that it serves.
    Counts,
    /// What has happened to its connections, as text.
    Events,
    /// Sends the pid of its inbox to the inbox of another node.
    Tell(Atom),
    /// Sends a message to the pid that it was told last.
    SendToTold(Term),
    /// Sends a message to the inbox of a node, by name.
    SendToInbox(Atom, Term),
    /// What has come to its inbox, but for pids.
    Received,
}

#[derive(Debug)]
struct Told {
    node: Node,
    balancers: Mutex<HashMap<Atom, Balancer>>,
    inbox: Pid,
    received: Mutex<Vec<Term>>,
    told: Mutex<Option<Pid>>,
    events: Mutex<Vec<String>>,
}

impl Told {
    fn start(node: Node) -> Result<Arc<Self>, Error> {
        export(&node)?;
        let inbox = node.mailbox(Some("inbox"))?;
        let told = Arc::new(Self {
            balancers: Mutex::default(),
            inbox: inbox.pid().clone(),
            received: Mutex::default(),
            told: Mutex::default(),
            events: Mutex::default(),
            node,
        });
        tokio::spawn(receive(Arc::clone(&told), inbox));
        tokio::spawn(watch(Arc::clone(&told)));
        Ok(told)
    }

    async fn obey(&self, order: Order) -> Result<Term, Error> {
        let node = &self.node;
        Ok(match order {
            Order::Call(peer, module, function, arguments, timeout) => {
                let call = node.call::<Term, _>(peer.as_str(), (module, function), arguments);
                outcome(call.timeout(Duration::from_millis(timeout)).send().await)
            }
            Order::Balance(name, module, function, arguments, timeout) => {
                let balancer = lock(&self.balancers).get(&name).cloned();
                let balancer = balancer.ok_or("join the balancer first")?;
                let call = balancer.call::<Term, _>((module, function), arguments);
                outcome(call.timeout(Duration::from_millis(timeout)).send().await)
            }
            Order::Join(name) => {
                let balancer = Balancer::builder(name.as_str())
                    .algorithm(RoundRobin::new())
                    .start(node)
                    .await?;
                lock(&self.balancers).insert(name, balancer);
                Term::atom("ok")
            }
            Order::Members(group) => {
                let members = node.members(&Term::Atom(group));
                let names = members
                    .nodes()
                    .map(|name| Term::Atom(name.as_atom().clone()));
                let mut names: Vec<Term> = names.collect();
                names.sort();
                Term::list(names)
            }
            Order::Peers => {
                let peers = node.peers().into_iter().map(|peer| {
                    let creation = Term::from(peer.creation.get());
                    Term::tuple([Term::Atom(peer.name.as_atom().clone()), creation])
                });
                Term::list(peers)
            }
            Order::Creation => Term::from(node.creation().get()),
            Order::Counts => {
                let tasks = Handle::current().metrics().num_alive_tasks();
                let counts = [tasks, node.calling(), node.serving()];
                Term::tuple(counts.map(|count| Term::from(count as u64)))
            }
            Order::Events => {
                let events = lock(&self.events);
                Term::list(events.iter().map(|event| Term::from(event.as_str())))
            }
            Order::Tell(peer) => {
                let to = (peer.as_str(), "inbox");
                node.send(to, &Term::from(self.inbox.clone())).await?;
                Term::atom("ok")
            }
            Order::SendToTold(message) => {
                let pid = lock(&self.told).clone().ok_or("nobody told a pid")?;
                outcome(node.send(pid, &message).await.map(|()| Term::atom("sent")))
            }
            Order::SendToInbox(peer, message) => {
                let sent = node.send((peer.as_str(), "inbox"), &message).await;
                outcome(sent.map(|()| Term::atom("sent")))
            }
            Order::Received => Term::list(lock(&self.received).iter().cloned()),
        })
    }
}

async fn answer(told: Arc<Told>, answers: Answers, command: Command) {
    let obeyed = async {
        let order: Term = command.source.parse()?;
        told.obey(beam_term::serde::from_term(&order)?).await
    };
    let outcome = obeyed.await.map_err(|error: Error| error.to_string());
    // The test may be over.
    let _ = answers.answer(&command, outcome);
}

async fn receive(told: Arc<Told>, mut inbox: Mailbox) {
    while let Some(delivery) = inbox.recv().await {
        match delivery.message.decode() {
            Ok(Term::Pid(pid)) => *lock(&told.told) = Some(*pid),
            Ok(message) => lock(&told.received).push(message),
            Err(error) => tracing::error!(%error, "received what is no term"),
        }
    }
}

async fn watch(told: Arc<Told>) {
    let mut events = told.node.events();
    while let Some(event) = events.next().await {
        let text = match &event {
            Event::Up { peer, .. } => format!("up {peer}"),
            Event::Down { peer, reason } => format!("down {peer}: {reason}"),
            Event::ConnectFailed { peer, reason } => {
                format!("failed to connect to {peer}: {reason}")
            }
            Event::Refused {
                address, reason, ..
            } => format!("refused {address}: {reason}"),
            other => format!("{other:?}"),
        };
        lock(&told.events).push(text);
    }
}

/// The module `rust`: `node/0`, `double/1`; `sleep/1`, for so many milliseconds; `run/1`, which gives
/// how often it was run with this number, and `ran/0`: with how many numbers, and how often at most.
fn export(node: &Node) -> Result<(), Error> {
    let name = node.name().as_atom().clone();
    let runs = Arc::new(Mutex::new(HashMap::<i64, u64>::new()));
    node.export("rust", "node", move || std::future::ready(name.clone()))?;
    node.export("rust", "double", async |number: i64| 2 * number)?;
    node.export("rust", "sleep", async |call: CallContext, millis: u64| {
        // Nobody waits for it any more when its caller is lost.
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(millis)) => {}
            () = call.cancelled() => {}
        }
        Atom::from_static("slept")
    })?;
    node.export("rust", "run", {
        let runs = Arc::clone(&runs);
        move |number: i64| {
            let mut runs = lock(&runs);
            let count = runs.entry(number).or_default();
            *count += 1;
            std::future::ready(*count)
        }
    })?;
    node.export("rust", "ran", move || {
        let runs = lock(&runs);
        let most = runs.values().max().copied().unwrap_or_default();
        std::future::ready((runs.len() as u64, most))
    })?;
    Ok(())
}

/// What a call came to, for a test to look at.
#[derive(Debug, Serialize)]
struct Failed(Atom, bool, String);

fn outcome(result: Result<Term, CallError>) -> Term {
    let result = result.map_err(|error| {
        let code = match error.cause() {
            Cause::ConnectionLost => "connection_lost",
            _ => error.code.as_str(),
        };
        Failed(
            Atom::from_static(code),
            error.may_have_run(),
            error.to_string(),
        )
    });
    beam_term::serde::to_term(&result).unwrap_or_else(|error| Term::from(error.to_string()))
}

/// Every critical section is one look or one change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
