//! Calls that peers make of this node's exports.

mod admission;
mod answers;
mod loads;
mod report;
mod server;
mod serving;
mod work;

use std::{future::poll_fn, pin::pin, sync::Arc, time::Duration};

use beam_dist::control::{Control, SpawnReply, SpawnRequest};
use beam_term::{Atom, Pid, RawTerm, Term};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    Function, atoms, deadline,
    error::{Cause, Code, Error},
    export::Outcome,
    link::Link,
    process::{Ended, Process, Role, Served, Watcher},
    state::NodeState,
};

pub(crate) use admission::{Admitted, Caller, Held, Load};
pub(crate) use answers::Wanted;
pub(crate) use loads::Loads;
pub(crate) use server::Server;
pub(crate) use serving::Serving;
use work::{Called, Shape, Work};

/// Starts what a spawn request asks for, or refuses it.
pub(crate) fn spawn(
    server: &Arc<Server>,
    link: &Arc<Link>,
    request: SpawnRequest,
    arguments: RawTerm,
) {
    let node = &server.node;
    if !request.options.others.iter().all(is_known) {
        return reply(link, &request, Err(atoms::BADOPT));
    }
    let deadline = match request.options.deadline_ms {
        // It was dead when it came.
        Some(0) => return reply(link, &request, Err(atoms::TIMEOUT)),
        left => left.map(|left| deadline::after(Duration::from_millis(left))),
    };
    let bytes = arguments.encoded_len();
    let Work { called, shape } = match Work::read(&request, arguments) {
        Ok(work) => work,
        Err(error) => {
            tracing::debug!(peer = %link.peer, %error, "refused a malformed spawn request");
            return reply(link, &request, Err(atoms::BADARG));
        }
    };
    let entry = called.entry(&node.exports);
    if !entry.allows(&link.peer) {
        if let Some(left_out) = node.warnings.callers.now() {
            tracing::warn!(peer = %link.peer, function = %entry, left_out, "refused a call: the peer is not among the allowed callers of the function");
        }
        return reply(link, &request, Err(atoms::NOT_ALLOWED));
    }
    let caller = Caller::Peer(Arc::clone(link));
    let admitted = match Admitted::new(caller, bytes, entry.is_work) {
        Ok(admitted) if !node.is_closed() => admitted,
        refused => {
            if let Err(limit) = refused
                && let Some(left_out) = node.warnings.served.now()
            {
                tracing::warn!(peer = %link.peer, function = %entry, left_out, "refused a call: the limit `{limit}` is reached");
            }
            return reply(link, &request, Err(atoms::SYSTEM_LIMIT));
        }
    };
    let served = Served::new(
        admitted,
        Some(request.request.clone()),
        Arc::clone(&entry),
        request.options.monitor || request.options.link,
        deadline,
    );
    let watchers = watchers(link, &request);
    let process = node
        .processes
        .spawn_as(server.fresh_pid(), Role::Served(served), watchers);
    reply(link, &request, Ok(process.pid.clone()));
    entry.serve(Serving::begin(server, process, shape), called.arguments);
}

/// A call of this node to itself: its process, and the task that tells its outcome, or what ended it
/// before the export did.
pub(crate) type Local = (Arc<Process>, JoinHandle<Result<Outcome, Ended>>);

/// Runs an export for this node itself.
pub(crate) fn spawn_local(
    node: &Arc<NodeState>,
    function: Function,
    arguments: RawTerm,
    deadline: Option<Instant>,
) -> Result<Local, Error> {
    node.check_running()?;
    let called = Called {
        module: function.module,
        function: function.name,
        arguments,
    };
    let entry = called.entry(&node.exports);
    let caller = Caller::Own(Arc::clone(&node.identity));
    let bytes = called.arguments.encoded_len();
    let admitted = Admitted::new(caller, bytes, entry.is_work).map_err(|limit| {
        Error::new(
            Code::TooManyRequests,
            format!(
                "as many calls are served as may be; call again later, or raise the limit `{limit}`"
            ),
            Cause::Limit(limit),
        )
    })?;
    // A cast has none.
    let is_awaited = deadline.is_some();
    let served = Served::new(admitted, None, Arc::clone(&entry), is_awaited, deadline);
    let process = node.processes.spawn(Role::Served(served), []);
    let server = Server::new(Arc::clone(node));
    let mut serving = Serving::begin(&server, Arc::clone(&process), Shape::Process);
    let task = node.spawn(async move {
        let mut call = pin!(entry.run(called.arguments, serving.context()));
        let outcome = poll_fn(|task| serving.poll(call.as_mut(), task)).await;
        for watcher in serving.end() {
            watcher.tell(&serving.process().pid, &Term::Atom(atoms::NORMAL));
        }
        outcome
    });
    Ok((process, task))
}

/// Those who watch a process from its start.
fn watchers(link: &Arc<Link>, request: &SpawnRequest) -> impl Iterator<Item = Watcher> {
    let monitor = request.options.monitor.then(|| Watcher::Monitor {
        link: Arc::clone(link),
        from: request.from.clone(),
        name: None,
        reference: request.request.clone(),
    });
    let linked = request.options.link.then(|| Watcher::Link {
        link: Arc::clone(link),
        from: request.from.clone(),
    });
    let watchers = monitor.into_iter().chain(linked);
    watchers.inspect(|watcher| watcher.link().count_watcher())
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
