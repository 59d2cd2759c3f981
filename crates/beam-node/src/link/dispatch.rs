//! What a peer's messages do here.

use std::sync::Arc;

use beam_dist::{
    Message,
    control::{
        Control, Demonitor, Exit2, Monitor, MonitorExit, Recipient, SendTo, Target, UnlinkAck,
    },
};
use beam_term::{DecodeError, Pid, RawTerm, Reference, Term, Writer};

use super::{Link, Payload};
use crate::{
    atoms,
    process::{Ended, Key, Watcher},
    serve::{self, Server},
    service,
    state::NodeState,
};

/// Handles one message. It never waits: what takes time is given to a task.
pub(super) fn dispatch(server: &Arc<Server>, link: &Arc<Link>, message: Message) {
    let node = &server.node;
    let Message { control, payload } = message;
    match (control, payload) {
        (Control::MonitorExit(exit), Some(reason)) => {
            if let Some(id) = link.monitor_fired(&exit.reference, reason) {
                node.groups.monitor_fired(link, id);
            }
        }
        (Control::SpawnReply(reply), _) => link.spawn_replied(reply),
        (Control::SpawnRequest(request), Some(arguments)) => {
            serve::spawn(server, link, request, arguments);
        }
        (Control::Demonitor(demonitor), _) => remove_monitor(node, link, &demonitor),
        (Control::Send(send), Some(message)) => deliver(node, link, send, message),
        (Control::Monitor(monitor), _) => add_monitor(node, link, monitor),
        (Control::Link(request), _) => add_link(node, link, request.from, request.to),
        (Control::Unlink(unlink), _) => {
            remove_link(node, link, &unlink.from, &unlink.to);
            if let Some(id) = unlink.id {
                link.answer(
                    &Control::UnlinkAck(UnlinkAck {
                        id,
                        from: unlink.to,
                        to: unlink.from,
                    }),
                    Payload::None,
                );
            }
        }
        // A link broke: for our process that is a signal like that of `exit/2`.
        (Control::Exit(exit), Some(reason)) => {
            remove_link(node, link, &exit.from, &exit.to);
            signal(node, &Recipient::Pid(exit.to), &reason);
        }
        (Control::Exit2(Exit2 { to, .. }), Some(reason)) => signal(node, &to, &reason),
        // No process here has a group leader of its own or asked for an unlink, nodes are not
        // linked, and what is unknown today is not for us.
        (Control::GroupLeader(_) | Control::UnlinkAck(_) | Control::NodeLink, _) => {}
        (control, _) => tracing::debug!(peer = %link.peer, ?control, "skipped a message"),
    }
}

/// Answers a message whose payload is beyond the limits on terms, so that nobody waits in vain.
pub(super) fn refuse(node: &NodeState, link: &Arc<Link>, control: Control, error: DecodeError) {
    if let Some(left_out) = node.warnings.payloads.now() {
        tracing::warn!(peer = %link.peer, %error, left_out, "refused a message");
    }
    match control {
        Control::MonitorExit(exit) => link.unreadable(&exit.reference, error),
        Control::SpawnRequest(request) => serve::refuse(link, &request, atoms::SYSTEM_LIMIT),
        _ => {}
    }
}

fn deliver(node: &Arc<NodeState>, link: &Arc<Link>, send: SendTo, message: RawTerm) {
    let process = match &send.to {
        Recipient::Pid(pid) => node.processes.by_pid(pid),
        Recipient::Name(name) => node.processes.by_name(name),
        // This node makes no aliases.
        Recipient::Alias(_) => None,
    };
    match process {
        Some(process) => service::deliver(node, link, &process, send.from, message),
        // Messages to nobody are dropped, as in OTP. The one to `global` is answered all the
        // same, see there.
        None => {
            if let Recipient::Name(name) = &send.to {
                service::deliver_to_nobody(node, link, name, &message);
            }
        }
    }
}

fn add_monitor(node: &Arc<NodeState>, link: &Arc<Link>, monitor: Monitor) {
    let Monitor {
        from,
        to,
        reference,
    } = monitor;
    let limit = node.identity.limits.monitors_per_peer;
    let Some(process) = node.processes.find(&to) else {
        return monitor_exit(link, to, from, reference, &Term::Atom(atoms::NOPROC));
    };
    if !link.watched.enter(limit) {
        if let Some(left_out) = node.warnings.monitors.now() {
            tracing::warn!(peer = %link.peer, limit, left_out, "refused a monitor: the limit `monitors_per_peer` is reached");
        }
        return monitor_exit(link, to, from, reference, &Term::Atom(atoms::SYSTEM_LIMIT));
    }
    let watcher = Watcher::Monitor {
        link: Arc::clone(link),
        from,
        name: match to {
            Target::Name(name) => Some(name),
            Target::Pid(_) => None,
        },
        reference,
    };
    if !process.watch(&watcher) {
        watcher.tell(&process.pid, &Term::Atom(atoms::NOPROC));
    }
}

fn remove_monitor(node: &Arc<NodeState>, link: &Arc<Link>, demonitor: &Demonitor) {
    let Some(process) = node.processes.find(&demonitor.to) else {
        return;
    };
    let removed = process.unwatch(&Key::Monitor(link.id, demonitor.reference.clone()));
    link.forget_watchers(removed);
    if removed > 0
        && let Some(served) = process.served()
        && served.answers(&demonitor.reference)
    {
        // Nobody waits for the answer any more.
        served.cancel();
    }
}

fn add_link(node: &Arc<NodeState>, link: &Arc<Link>, from: Pid, to: Pid) {
    let limit = node.identity.limits.monitors_per_peer;
    let watcher = Watcher::Link {
        link: Arc::clone(link),
        from,
    };
    let Some(process) = node.processes.by_pid(&to) else {
        return watcher.tell_uncounted(&to, &Term::Atom(atoms::NOPROC));
    };
    if !link.watched.enter(limit) {
        return watcher.tell_uncounted(&to, &Term::Atom(atoms::SYSTEM_LIMIT));
    }
    if !process.watch(&watcher) {
        watcher.tell(&process.pid, &Term::Atom(atoms::NOPROC));
    }
}

fn remove_link(node: &Arc<NodeState>, link: &Arc<Link>, from: &Pid, to: &Pid) {
    if let Some(process) = node.processes.by_pid(to) {
        let removed = process.unwatch(&Key::Link(link.id, from.clone()));
        link.forget_watchers(removed);
    }
}

/// An exit signal ends a served call, unless its reason is `normal`; other processes of this node
/// trap exits.
fn signal(node: &Arc<NodeState>, to: &Recipient, reason: &RawTerm) {
    let Recipient::Pid(pid) = to else { return };
    let Some(process) = node.processes.by_pid(pid) else {
        return;
    };
    let Some(served) = process.served() else {
        return;
    };
    // A long one would be kept as terms until the call ends and can say so.
    let reason = match reason.encoded_len() {
        ..=REASON_BYTES => reason.decode(),
        _ => Ok(Term::atom("kill")),
    };
    let Ok(reason) = reason else { return };
    if reason == Term::Atom(atoms::NORMAL) {
        return;
    }
    let reason = if reason == Term::atom("kill") {
        Term::atom("killed")
    } else {
        reason
    };
    served.end(Ended::Killed(reason));
}

/// How long the reason of an exit signal may be to be told on; those that are longer are told as
/// `killed`.
const REASON_BYTES: usize = 1024;

fn monitor_exit(link: &Arc<Link>, target: Target, to: Pid, reference: Reference, reason: &Term) {
    let control = Control::MonitorExit(MonitorExit {
        from: target,
        to,
        reference,
    });
    link.answer(
        &control,
        Payload::Written(&mut |writer: &mut Writer<'_>| writer.term(reason)),
    );
}
