//! Calls that peers make of this node's exports.

mod admission;
mod work;

use std::sync::{Arc, atomic::Ordering};

use beam_dist::{
    NodeName,
    control::{Control, SpawnReply, SpawnRequest},
};
use beam_term::{Atom, Pid, RawTerm, Term, Writer};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Function, atoms,
    error::{Cause, Code, Error},
    export::{CallContext, Outcome},
    link::{Link, SendError},
    process::{Ended, Process, Role, Served, Watcher},
    serve::work::{Called, Shape, Work},
    state::NodeState,
};

pub(crate) use admission::{Admitted, Load};

/// Starts what a spawn request asks for, or refuses it.
pub(crate) fn spawn(
    node: &Arc<NodeState>,
    link: &Arc<Link>,
    request: SpawnRequest,
    arguments: RawTerm,
) {
    if !request.options.others.iter().all(is_known) {
        return reply(link, &request, Err(atoms::BADOPT));
    }
    let arguments = arguments.compact();
    let admitted = match Admitted::new(&node.identity, Some(link), arguments.encoded_len()) {
        Ok(admitted) if !node.is_closed() => admitted,
        _ => return reply(link, &request, Err(atoms::SYSTEM_LIMIT)),
    };
    let Work { call, shape } = match Work::read(&request, arguments) {
        Ok(work) => work,
        Err(error) => {
            tracing::debug!(peer = %link.peer, %error, "refused a malformed spawn request");
            return reply(link, &request, Err(atoms::BADARG));
        }
    };

    let cancelled = CancellationToken::new();
    let origin = Some((link.id, request.request.clone()));
    let process = node.processes.spawn(
        Role::Served(Served::new(origin, cancelled.clone())),
        watchers(link, &request),
    );
    reply(link, &request, Ok(process.pid.clone()));

    let mut serving = Serving::begin(node, process, admitted);
    let caller = link.peer.clone();
    node.spawn(async move {
        let context = Context {
            caller,
            deadline: None,
            cancelled,
        };
        let end = match serving.run(call, context).await {
            Ok(outcome) => End::Ran(serving.hold(outcome, &shape)),
            Err(Ended::Killed(reason)) => End::Killed(reason),
            // The links end as well, which says more than the end of this process.
            Err(Ended::Stopped) => return drop(serving.end()),
        };
        report(serving.end(), &serving.process, &shape, &end).await;
    });
}

/// Runs an export for this node itself. The task tells what ended the call before the export did.
pub(crate) fn spawn_local(
    node: &Arc<NodeState>,
    function: Function,
    arguments: RawTerm,
    deadline: Option<Instant>,
    cancelled: CancellationToken,
) -> Result<JoinHandle<Result<Outcome, Ended>>, Error> {
    node.check_running()?;
    let admitted =
        Admitted::new(&node.identity, None, arguments.encoded_len()).map_err(|limit| {
            Error::new(
                Code::TooManyRequests,
                format!(
                    "{} calls are being served already; call again later, or raise the limit `{limit}`",
                    node.identity.serving.calls.count()
                ),
                Cause::Limit(limit),
            )
        })?;
    let call = Called {
        module: function.module,
        function: function.name,
        arguments,
    };
    let served = Served::new(None, cancelled.clone());
    let process = node.processes.spawn(Role::Served(served), Vec::new());
    let mut serving = Serving::begin(node, process, admitted);
    Ok(node.spawn(async move {
        let context = Context {
            caller: serving.node.name().clone(),
            deadline,
            cancelled,
        };
        let outcome = serving.run(call, context).await;
        for watcher in serving.end() {
            watcher.tell(&serving.process.pid, &Term::Atom(atoms::NORMAL));
        }
        outcome
    }))
}

/// A call at work, which ends however its task does.
struct Serving {
    node: Arc<NodeState>,
    process: Arc<Process>,
    /// Held until the answer is queued.
    admitted: Arc<Admitted>,
    ended: bool,
}

/// What a handler is told of its call.
struct Context {
    caller: NodeName,
    deadline: Option<Instant>,
    cancelled: CancellationToken,
}

impl Serving {
    fn begin(node: &Arc<NodeState>, process: Arc<Process>, admitted: Arc<Admitted>) -> Self {
        // Whoever stopped the node may have looked for processes before this one was there.
        if node.is_closed()
            && let Some(served) = process.served()
        {
            served.end(Ended::Stopped);
        }
        Self {
            node: Arc::clone(node),
            process,
            admitted,
            ended: false,
        }
    }

    /// The outcome of the call, unless something else ends it.
    async fn run(&self, call: Called, context: Context) -> Result<Outcome, Ended> {
        let ended = async {
            match self.process.served() {
                Some(served) => served.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = ended => Err(ended),
            outcome = self.outcome(call, context) => Ok(outcome),
        }
    }

    /// Runs the export, or finds that there is none.
    async fn outcome(&self, call: Called, context: Context) -> Outcome {
        let Some(arity) = call.arity() else {
            return Outcome::error(Term::Atom(atoms::BADARG), []);
        };
        let Called {
            module,
            function,
            arguments,
        } = call;
        let Some(export) = self.node.exports.find(&module, &function, arity) else {
            return Outcome::undefined(&module, &function, arity, &arguments);
        };
        if export.is_work {
            self.node.identity.served.fetch_add(1, Ordering::Relaxed);
        }
        let Context {
            caller,
            deadline,
            cancelled,
        } = context;
        let context =
            CallContext::new(caller, &export, deadline, cancelled).admitted_as(&self.admitted);
        export.run(arguments, context).await
    }

    /// Keeps what is to be reported, if there is room for it.
    ///
    /// A peer that reads nothing could have it all kept otherwise: results do not count for what
    /// waits to be sent until they are queued.
    fn hold(&self, outcome: Outcome, shape: &Shape) -> Outcome {
        let Outcome::Returned(value) = &outcome else {
            // It quotes the arguments at most, whose bytes it takes over.
            return outcome;
        };
        match self.admitted.hold(shape.returned_bytes(value)) {
            Ok(()) => outcome,
            Err(limit) => {
                if let Some(left_out) = self.node.warnings.results.now() {
                    tracing::warn!(peer = %self.admitted.peer(), left_out, "dropped a result: the limit `{limit}` is reached");
                }
                let reason = format!("no room for the result: the limit `{limit}` is reached");
                let reason = Term::tuple([Term::Atom(atoms::SYSTEM_LIMIT), Term::binary(reason)]);
                Outcome::error(reason, [])
            }
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
    }
}

/// How a process came to its end.
enum End {
    Ran(Outcome),
    Killed(Term),
}

/// Tells everybody who watches the process how it ended.
async fn report(watchers: Vec<Watcher>, process: &Process, shape: &Shape, end: &End) {
    for watcher in watchers {
        watcher.link().forget_watchers(1);
        let told = tell(&watcher, process, shape, end).await;
        // A link that closed meanwhile has told the peer already. What has no encoding, or is too
        // large for a message, is answered by its reason.
        if let Err(SendError::Encode(error)) = told {
            let reason = Term::tuple([
                Term::Atom(atoms::SYSTEM_LIMIT),
                Term::binary(error.to_string()),
            ]);
            let end = End::Ran(Outcome::error(reason, []));
            let _ = tell(&watcher, process, shape, &end).await;
        }
    }
}

async fn tell(
    watcher: &Watcher,
    process: &Process,
    shape: &Shape,
    end: &End,
) -> Result<(), SendError> {
    let mut payload = |writer: &mut Writer<'_>| match end {
        End::Ran(outcome) => shape.write_reason(outcome, writer),
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
