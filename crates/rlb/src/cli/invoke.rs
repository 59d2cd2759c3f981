//! Calls and casts: what `rlb call` and `rlb cast` have in common.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use beam_node::{Error, Node, NodeName, Peer};
use beam_term::Term;
use rpc_load_balancer::{Balancer, NodeFilter, Retry, call_on_random_node, cast_on_random_node};
use serde::Serialize;
use tokio::{task::JoinSet, time::Instant};

use super::{
    balancer::{AlgorithmOptions, Found, discover},
    cluster::{ClientOptions, duration, left, stop},
    function::Invocation,
    name::{balancer_name, node_name},
    number::number,
};
use crate::{failure::Failure, json::Json, printer::Printer, summary::Summary, tally::Tally};

/// Whom to call what, and how often.
#[derive(clap::Args)]
pub(super) struct InvokeOptions {
    /// The node, unless --balancer or --match is given; module and function; and the arguments as one list
    #[arg(value_name = "[NODE] MODULE FUNCTION [ARGS]", required = true, num_args = 1..)]
    #[arg(allow_negative_numbers = true)]
    words: Vec<String>,

    /// Let the members of this balancer be called instead of a node; needs --peer
    #[arg(long, value_name = "NAME", value_parser = balancer_name)]
    balancer: Option<String>,

    /// Let a random node be called whose name contains this text, or matches this /regular
    /// expression/: one that --peer knows, and that is visible or a member of some balancer; may be
    /// given more than once
    #[arg(long = "match", value_name = "PATTERN", conflicts_with = "balancer", value_parser = pattern)]
    patterns: Vec<String>,

    #[command(flatten)]
    algorithm: AlgorithmOptions,

    /// When there is nobody to call any more, try again so many times, and as soon as this command
    /// learns of somebody; `infinity` is until --timeout; with --balancer or --match [default: 0]
    #[arg(long, value_name = "N", value_parser = retry, allow_negative_numbers = true)]
    retry: Option<Retry>,

    /// How long to wait between two tries
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    #[arg(allow_negative_numbers = true)]
    retry_sleep: Duration,

    /// ARGS is a JSON array: strings become binaries, objects maps with binary keys, null the atom
    /// nil, and {"$term": "…"} the term in Erlang's syntax
    #[arg(long)]
    json_args: bool,

    /// Do it so many times
    ///
    /// Each result is a line of its own, in the order in which they come. A summary follows on
    /// stderr: what each node did, and which calls failed and why. The exit code is 0 if none
    /// failed, else the smallest of their codes.
    #[arg(long, value_name = "N", value_parser = number(1..=u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    count: Option<u64>,

    /// So many at a time
    #[arg(long, value_name = "N", default_value_t = 1, requires = "count")]
    #[arg(value_parser = number(1..=4096_u16), allow_negative_numbers = true)]
    concurrency: u16,

    #[command(flatten)]
    client: ClientOptions,
}

/// Whether a result is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The result is waited for.
    Call,
    /// A call that may run more than once.
    IdempotentCall,
    /// The node has only to receive it.
    Cast,
}

/// Who is called, as the user says it.
#[derive(Debug, PartialEq, Eq)]
enum Callee<'a> {
    Node(NodeName),
    MemberOf(&'a str),
    Matching(NodeFilter),
}

/// Who is called.
enum Target {
    Node(Peer),
    MemberOf(Balancer),
    Matching(Node, NodeFilter),
}

/// What is to be done, once or again and again.
struct Request {
    kind: Kind,
    target: Target,
    invocation: Invocation,
    timeout: Duration,
    retry: Retry,
    key: Option<Term>,
}

impl InvokeOptions {
    pub(super) async fn run(self, kind: Kind, printer: Printer) -> Result<(), Failure> {
        let (callee, invocation) = self.read()?;
        let client = &self.client;
        let deadline = client.deadline();
        let (node, target) = match callee {
            Callee::Node(name) => {
                let node = client.start(Some(&name), deadline).await?;
                let peer = node.peer(&name)?;
                (node, Target::Node(peer))
            }
            Callee::MemberOf(balancer) => {
                let found = Found::find(balancer, Some(&self.algorithm), client).await?;
                (found.node, Target::MemberOf(found.balancer))
            }
            Callee::Matching(filter) => {
                let node = discover(client, deadline).await?;
                // This command exports nothing that anybody wants to call.
                let filter = filter.except(node.name().clone());
                (node.clone(), Target::Matching(node, filter))
            }
        };
        let timeout = match (&target, self.count) {
            // A node is found by the call itself.
            (Target::Node(_), None) => left(deadline),
            _ => client.timeout,
        };
        let request = Request {
            kind,
            target,
            invocation,
            timeout,
            retry: self.retry.unwrap_or(Retry::never()).pause(self.retry_sleep),
            key: self.algorithm.key()?,
        };
        let done = match self.count {
            None => once(&request, printer).await,
            Some(count) => repeat(request, count, self.concurrency, printer).await,
        };
        stop(node).await;
        done
    }

    /// Takes the words apart.
    fn read(&self) -> Result<(Callee<'_>, Invocation), Failure> {
        let (callee, words) = match (&self.balancer, self.words.split_first()) {
            (Some(balancer), _) => (Callee::MemberOf(balancer), self.words.as_slice()),
            (None, _) if !self.patterns.is_empty() => {
                let filter = NodeFilter::any(&self.patterns)
                    .map_err(|error| Failure::usage(format!("--match: {}", error.message)))?;
                (Callee::Matching(filter), self.words.as_slice())
            }
            (None, Some(_)) if self.retry.is_some() => {
                return Err(Failure::usage(
                    "--retry waits for somebody to call: it needs --balancer or --match",
                ));
            }
            (None, Some((node, words))) => (Callee::Node(callee(node)?), words),
            (None, None) => return Err(unexpected_words(false)),
        };
        let (module, function, arguments) = match words {
            [module, function] => (module, function, None),
            // A term begins with no letter and an `@` in it.
            [node, _, _, ..] if !matches!(callee, Callee::Node(_)) && node_name(node).is_ok() => {
                return Err(unexpected_words(true));
            }
            [module, function, arguments] => (module, function, Some(arguments.as_str())),
            [_, _, arguments @ ..] if !arguments.is_empty() => {
                return Err(too_many_words(arguments));
            }
            _ => return Err(unexpected_words(!matches!(callee, Callee::Node(_)))),
        };
        let invocation = Invocation::read(module, function, arguments, self.json_args)?;
        Ok((callee, invocation))
    }
}

fn callee(word: &str) -> Result<NodeName, Failure> {
    node_name(word).map_err(|error| {
        Failure::usage(format!("'{word}' is no name of a node: {error}"))
            .advise("to let a balancer pick the node, name it with --balancer")
    })
}

fn unexpected_words(is_balanced: bool) -> Failure {
    if is_balanced {
        Failure::usage("expected MODULE FUNCTION [ARGS]")
            .advise("with --balancer or --match no node is named: one is picked")
    } else {
        Failure::usage("expected NODE MODULE FUNCTION [ARGS]")
            .advise("to let a balancer pick the node, name it with --balancer")
    }
}

fn too_many_words(arguments: &[String]) -> Failure {
    // A list without quotes was taken apart at its blanks.
    let is_list = arguments.iter().any(|word| word.starts_with(['[', '{']));
    let meant = match is_list {
        true => arguments.join(" "),
        false => format!("[{}]", arguments.join(", ")),
    };
    Failure::usage(format!(
        "expected one word after the function, not {}: ARGS is one list with all arguments",
        arguments.len()
    ))
    .advise(format!("put them into one list, in quotes: '{meant}'"))
}

/// Makes one call, whose failure is that of the command.
async fn once(request: &Request, printer: Printer) -> Result<(), Failure> {
    let (_node, result) = request.send().await;
    let result = result?;
    printer.result(&result, Json(&result))
}

/// Makes many calls, and sums up what became of them.
async fn repeat(
    request: Request,
    count: u64,
    concurrency: u16,
    printer: Printer,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let run = Arc::new(Run {
        request,
        count,
        taken: AtomicU64::new(0),
        tally: Mutex::default(),
    });
    let mut senders = JoinSet::new();
    for _ in 0..u64::from(concurrency).min(count) {
        senders.spawn(Arc::clone(&run).send_on(printer));
    }
    while let Some(ended) = senders.join_next().await {
        ended.map_err(|error| Failure::internal(error.to_string()))??;
    }

    #[derive(Serialize)]
    struct Remark<'a> {
        summary: &'a Summary<'a>,
    }
    let tally = run.tally();
    let summary = &Summary::new(&tally, begun.elapsed());
    printer.remark(summary, Remark { summary });
    match tally.exit() {
        None => Ok(()),
        Some(exit) => Err(Failure::told(exit)),
    }
}

/// Calls that are made by several tasks.
struct Run {
    request: Request,
    count: u64,
    taken: AtomicU64,
    tally: Mutex<Tally>,
}

impl Run {
    /// Makes one call after the other until all are taken.
    async fn send_on(self: Arc<Self>, printer: Printer) -> Result<(), Failure> {
        while self.taken.fetch_add(1, Ordering::Relaxed) < self.count {
            let begun = Instant::now();
            let (node, result) = self.request.send().await;
            let took = begun.elapsed();
            match (node, result) {
                (node, Err(failure)) => self.tally().failed(node.as_ref(), failure),
                (node, Ok(result)) => {
                    if let Some(node) = node {
                        self.tally().succeeded(&node, took);
                    }
                    printer.result(&result, Json(&result))?;
                }
            }
        }
        Ok(())
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request {
    /// Sends it to the node that is called or to one that is picked, and gives that node and the
    /// result.
    async fn send(&self) -> (Option<NodeName>, Result<Term, Failure>) {
        let (node, result) = match self.kind {
            Kind::Call | Kind::IdempotentCall => self.call().await,
            Kind::Cast => self.cast().await,
        };
        (node, result.map_err(Failure::from))
    }

    async fn call(&self) -> (Option<NodeName>, Result<Term, Error>) {
        let Invocation {
            function,
            arguments,
        } = &self.invocation;
        let call = match &self.target {
            Target::Node(peer) => {
                let call = peer.call(function, arguments).timeout(self.timeout);
                return (Some(peer.name().clone()), call.await);
            }
            Target::MemberOf(balancer) => balancer.call(function, arguments),
            Target::Matching(node, filter) => {
                call_on_random_node(node, filter.clone(), function, arguments)
            }
        };
        let mut call = call.timeout(self.timeout).retry(self.retry);
        if let Kind::IdempotentCall = self.kind {
            call = call.idempotent();
        }
        match &self.key {
            Some(key) => call.key(key.clone()).send_and_tell().await,
            None => call.send_and_tell().await,
        }
    }

    /// Casts, and waits until the node has received it: a connection that is closed right after it
    /// was sent might take it along.
    async fn cast(&self) -> (Option<NodeName>, Result<Term, Error>) {
        let Invocation {
            function,
            arguments,
        } = &self.invocation;
        let (from, cast) = match &self.target {
            Target::Node(peer) => {
                let cast = peer.cast(function, arguments).timeout(self.timeout);
                let done = cast.await;
                return (Some(peer.name().clone()), self.received(peer, done).await);
            }
            Target::MemberOf(balancer) => (balancer.node(), balancer.cast(function, arguments)),
            Target::Matching(node, filter) => {
                let cast = cast_on_random_node(node, filter.clone(), function, arguments);
                (node, cast)
            }
        };
        let cast = cast.timeout(self.timeout).retry(self.retry);
        let (node, done) = match &self.key {
            Some(key) => cast.key(key.clone()).send_and_tell().await,
            None => cast.send_and_tell().await,
        };
        let result = match (&node, done) {
            (Some(name), Ok(())) => match from.peer(name) {
                Ok(peer) => self.received(&peer, Ok(())).await,
                Err(error) => Err(error),
            },
            (_, done) => done.map(|()| Term::atom("ok")),
        };
        (node, result)
    }

    async fn received(&self, by: &Peer, sent: Result<(), Error>) -> Result<Term, Error> {
        sent?;
        by.ping(self.timeout).await?;
        Ok(Term::atom("ok"))
    }
}

/// Refuses the text that every name contains: a variable of a shell that is not set, most likely.
fn pattern(text: &str) -> Result<String, String> {
    match text.is_empty() {
        false => Ok(text.to_owned()),
        true => Err("it is empty, and so part of every name; @ stands for any node".to_owned()),
    }
}

/// Reads how often to try again.
fn retry(text: &str) -> Result<Retry, String> {
    if text == "infinity" {
        return Ok(Retry::forever());
    }
    let times = text
        .parse()
        .map_err(|_| format!("expected a number from 0 to {}, or `infinity`", u32::MAX))?;
    Ok(Retry::times(times))
}
