//! Calls that peers make of this node's exports.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
};

use beam_dist::{
    NodeName,
    control::{Control, SpawnReply, SpawnRequest},
};
use beam_term::{Atom, DecodeError, EncodeError, Pid, RawTerm, Term, Token, Writer};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Function, atoms, builtin,
    error::{Cause, Class, Code, Error},
    export::{CallContext, Outcome},
    link::{Link, SendError},
    process::{Ended, Process, Role, Served, Watcher},
    state::NodeState,
};

/// What a spawn request asks for.
struct Work {
    module: Atom,
    function: Atom,
    arguments: RawTerm,
    shape: Shape,
}

/// How the result is reported.
enum Shape {
    /// As `erpc:call` expects it, under this identifier.
    Erpc(RawTerm),
    /// As any process reports its end: `normal`, or what it raised.
    Process,
}

/// Starts what a spawn request asks for, or refuses it.
pub(crate) fn spawn(
    node: &Arc<NodeState>,
    link: &Arc<Link>,
    request: SpawnRequest,
    arguments: RawTerm,
) {
    let refusal = if request
        .options
        .others
        .iter()
        .any(|option| !is_known(option))
    {
        Some(atoms::BADOPT)
    } else if node.is_closed() || !link.admit_served() {
        Some(atoms::SYSTEM_LIMIT)
    } else {
        None
    };
    if let Some(reason) = refusal {
        return reply(link, &request, Err(reason));
    }
    let work = match Work::read(&request, arguments) {
        Ok(work) => work,
        Err(error) => {
            link.leave_served();
            tracing::debug!(peer = %link.peer, %error, "refused a malformed spawn request");
            return reply(link, &request, Err(atoms::BADARG));
        }
    };

    if !builtin::is_builtin(&work.module, &work.function) {
        node.identity.served.fetch_add(1, Ordering::Relaxed);
    }
    let cancelled = CancellationToken::new();
    let origin = Some((link.id, request.request.clone()));
    let process = node.processes.spawn(
        Role::Served(Served::new(origin, cancelled.clone())),
        watchers(link, &request),
    );
    reply(link, &request, Ok(process.pid.clone()));

    let mut serving = Serving::begin(node, process, Some(link));
    let caller = link.peer.clone();
    node.spawn(async move {
        let run = run(&serving.node, caller, &work, None, cancelled);
        match serving.unless_ended(run).await {
            Ok(outcome) => report(serving.end(), &serving.process, &work, &End::Ran(outcome)).await,
            Err(Ended::Killed(reason)) => {
                report(serving.end(), &serving.process, &work, &End::Killed(reason)).await;
            }
            // The links end as well, which says more than the end of this process.
            Err(Ended::Stopped) => drop(serving.end()),
        }
    });
}

/// Runs an export for this node itself. The task gives nothing when the node stops before the
/// export has ended.
pub(crate) fn spawn_local(
    node: &Arc<NodeState>,
    function: Function,
    arguments: RawTerm,
    deadline: Option<Instant>,
    cancelled: CancellationToken,
) -> Result<JoinHandle<Option<Outcome>>, Error> {
    if node.is_closed() {
        return Err(Error::new(
            Code::ServiceUnavailable,
            "this node was shut down",
            Cause::ShutDown,
        ));
    }
    let limit = node.identity.limits.served_per_node;
    if !node.identity.serving.enter(limit) {
        return Err(Error::new(
            Code::TooManyRequests,
            format!(
                "{limit} calls are being served already; call again later, or raise the limit `served_per_node`"
            ),
            Cause::Limit("served_per_node"),
        ));
    }
    let work = Work {
        module: function.module,
        function: function.name,
        arguments,
        shape: Shape::Process,
    };
    let served = Served::new(None, cancelled.clone());
    let process = node.processes.spawn(Role::Served(served), Vec::new());
    let mut serving = Serving::begin(node, process, None);
    Ok(node.spawn(async move {
        let caller = serving.node.name().clone();
        let run = run(&serving.node, caller, &work, deadline, cancelled);
        let outcome = serving.unless_ended(run).await;
        for watcher in serving.end() {
            watcher.tell(&serving.process.pid, &Term::Atom(atoms::NORMAL));
        }
        outcome.ok()
    }))
}

/// A call that counts as served until its answer is queued, however its task ends.
struct Serving {
    node: Arc<NodeState>,
    process: Arc<Process>,
    /// None for a call of this node itself.
    link: Option<Arc<Link>>,
    ended: bool,
}

impl Serving {
    /// Takes over a call that was admitted.
    fn begin(node: &Arc<NodeState>, process: Arc<Process>, link: Option<&Arc<Link>>) -> Self {
        // Whoever stopped the node may have looked for processes before this one was there.
        if node.is_closed()
            && let Some(served) = process.served()
        {
            served.end(Ended::Stopped);
        }
        Self {
            node: Arc::clone(node),
            process,
            link: link.cloned(),
            ended: false,
        }
    }

    /// The outcome of the call, unless something else ends it.
    async fn unless_ended(&self, run: impl Future<Output = Outcome>) -> Result<Outcome, Ended> {
        let ended = async {
            match self.process.served() {
                Some(served) => served.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = ended => Err(ended),
            outcome = run => Ok(outcome),
        }
    }

    /// Ends the process, and gives those who are to be told.
    fn end(&mut self) -> Vec<Watcher> {
        self.ended = true;
        self.node.processes.remove(&self.process)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The task was torn down, for example by a handler that panicked when it was dropped.
        if !self.ended {
            self.node.end_process(&self.process, &Term::atom("killed"));
        }
        match &self.link {
            Some(link) => link.leave_served(),
            None => self.node.identity.serving.leave(),
        }
    }
}

/// Runs the export, or finds that there is none.
async fn run(
    node: &NodeState,
    caller: NodeName,
    work: &Work,
    deadline: Option<Instant>,
    cancelled: CancellationToken,
) -> Outcome {
    let Some(arity) = work.arity() else {
        return Outcome::error(Term::Atom(atoms::BADARG), []);
    };
    let Some(export) = node.exports.find(&work.module, &work.function, arity) else {
        return Outcome::undefined(&work.module, &work.function, arity, &work.arguments);
    };
    let context = CallContext::new(caller, &export, deadline, cancelled);
    export.run(work.arguments.clone(), context).await
}

/// How a process came to its end.
enum End {
    Ran(Outcome),
    Killed(Term),
}

/// Tells everybody who watches the process how it ended.
async fn report(watchers: Vec<Watcher>, process: &Process, work: &Work, end: &End) {
    for watcher in watchers {
        watcher.link().forget_watchers(1);
        let told = tell(&watcher, process, work, end).await;
        // A link that closed meanwhile has told the peer already. What has no encoding, or is too
        // large for a message, is answered by its reason.
        if let Err(SendError::Encode(error)) = told {
            let reason = Term::tuple([
                Term::Atom(atoms::SYSTEM_LIMIT),
                Term::binary(error.to_string()),
            ]);
            let end = End::Ran(Outcome::error(reason, []));
            let _ = tell(&watcher, process, work, &end).await;
        }
    }
}

async fn tell(
    watcher: &Watcher,
    process: &Process,
    work: &Work,
    end: &End,
) -> Result<(), SendError> {
    let mut payload = |writer: &mut Writer<'_>| match end {
        End::Ran(outcome) => work.write_reason(outcome, writer),
        End::Killed(reason) => writer.term(reason),
    };
    watcher.tell_patiently(&process.pid, &mut payload).await
}

fn watchers(link: &Arc<Link>, request: &SpawnRequest) -> Vec<Watcher> {
    let mut watchers = Vec::with_capacity(1);
    if request.options.monitor {
        watchers.push(Watcher::Monitor {
            link: Arc::clone(link),
            from: request.from.clone(),
            name: None,
            reference: request.request.clone(),
        });
    }
    if request.options.link {
        watchers.push(Watcher::Link {
            link: Arc::clone(link),
            from: request.from.clone(),
        });
    }
    link.count_watchers(watchers.len());
    watchers
}

/// Refuses to start what is asked for.
pub(crate) fn refuse(link: &Link, request: &SpawnRequest, reason: Atom) {
    reply(link, request, Err(reason));
}

fn reply(link: &Link, request: &SpawnRequest, result: Result<Pid, Atom>) {
    let started = result.is_ok();
    link.reply(&Control::SpawnReply(SpawnReply {
        request: request.request.clone(),
        to: request.from.clone(),
        linked: started && request.options.link,
        monitored: started && request.options.monitor,
        result,
        token: None,
    }));
}

/// Whether an option of a spawn request concerns only the memory or scheduling of a BEAM process,
/// and so can be taken as done.
fn is_known(option: &Term) -> bool {
    const TUNING: [&str; 7] = [
        "priority",
        "fullsweep_after",
        "min_heap_size",
        "min_bin_vheap_size",
        "max_heap_size",
        "message_queue_data",
        "async_dist",
    ];
    match option.as_tuple() {
        Some([Term::Atom(name), _]) => TUNING.contains(&name.as_str()),
        _ => false,
    }
}

impl Work {
    fn read(request: &SpawnRequest, arguments: RawTerm) -> Result<Self, DecodeError> {
        let entry = (
            request.module.as_str(),
            request.function.as_str(),
            request.arity,
        );
        match entry {
            ("erpc", "execute_call", 4) => {
                let mut reader = arguments.reader();
                reader.list()?;
                let id = reader.raw()?;
                let work = Self {
                    module: reader.atom()?,
                    function: reader.atom()?,
                    arguments: reader.raw()?,
                    shape: Shape::Erpc(id),
                };
                reader.nil()?;
                Ok(work)
            }
            ("erpc", "execute_cast", 3) => {
                let mut reader = arguments.reader();
                reader.list()?;
                let work = Self {
                    module: reader.atom()?,
                    function: reader.atom()?,
                    arguments: reader.raw()?,
                    shape: Shape::Process,
                };
                reader.nil()?;
                Ok(work)
            }
            _ => Ok(Self {
                module: request.module.clone(),
                function: request.function.clone(),
                arguments,
                shape: Shape::Process,
            }),
        }
    }

    /// How many arguments there are; `None` where they are not a list.
    fn arity(&self) -> Option<usize> {
        match self.arguments.reader().token() {
            Ok(Token::Nil) => Some(0),
            Ok(Token::List(len)) => Some(len),
            Ok(Token::String(bytes)) => Some(bytes.len()),
            _ => None,
        }
    }

    /// Writes the exit reason of the process.
    fn write_reason(&self, outcome: &Outcome, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match (&self.shape, outcome) {
            (Shape::Erpc(id), Outcome::Returned(value)) => {
                writer.tuple(3);
                writer.raw(id)?;
                writer.atom(&atoms::RETURN);
                writer.raw(value)
            }
            (Shape::Erpc(id), Outcome::Raised(exception)) => {
                let is_error = exception.class == Class::Error;
                writer.tuple(if is_error { 4 } else { 3 });
                writer.raw(id)?;
                writer.atom(&exception.class.atom());
                writer.term(&exception.reason)?;
                if is_error {
                    writer.term(&exception.stack)?;
                }
                Ok(())
            }
            (Shape::Process, Outcome::Returned(_)) => {
                writer.atom(&atoms::NORMAL);
                Ok(())
            }
            (Shape::Process, Outcome::Raised(exception)) => match exception.class {
                Class::Exit => writer.term(&exception.reason),
                Class::Error => {
                    writer.tuple(2);
                    writer.term(&exception.reason)?;
                    writer.term(&exception.stack)
                }
                Class::Throw => {
                    writer.tuple(2);
                    writer.tuple(2);
                    writer.atom(&atoms::NOCATCH);
                    writer.term(&exception.reason)?;
                    writer.term(&exception.stack)
                }
            },
        }
    }
}
