//! The processes that every node of a cluster expects to find on another.

mod gen_call;
mod global;
mod net_kernel;
mod output;
mod rex;

use std::sync::Arc;

use beam_term::{Atom, Pid, RawTerm};

use crate::{
    link::Link,
    mailbox::Delivery,
    process::{Process, Role},
    state::NodeState,
};

pub use output::Output;
pub(crate) use output::{OutputQueue, Sink, log};

/// Hands a message to a process of this node.
pub(crate) fn deliver(
    node: &Arc<NodeState>,
    link: &Arc<Link>,
    process: &Process,
    from: Option<Pid>,
    message: RawTerm,
) {
    match &process.role {
        Role::NetKernel => net_kernel::deliver(link, &message),
        Role::Rex => rex::deliver(node, link, &message),
        Role::GroupLeader => node.output.deliver(link, &message),
        Role::Scope => node.groups.deliver(link, &message),
        Role::Mailbox(inbox) => {
            let delivery = Delivery {
                node: link.peer.clone(),
                from,
                message,
            };
            if let Err(limit) = inbox.put(delivery)
                && let Some(left_out) = node.warnings.mailboxes.now()
            {
                tracing::warn!(peer = %link.peer, mailbox = ?process.pid, left_out, "dropped a message: the limit `{limit}` is reached");
            }
        }
        // None of these reads messages.
        Role::Caller | Role::Member | Role::Served(_) => {}
    }
}

/// Answers the few messages to names that this node does not register.
pub(crate) fn deliver_to_nobody(
    node: &Arc<NodeState>,
    link: &Arc<Link>,
    name: &Atom,
    message: &RawTerm,
) {
    if name.as_str() == global::NAME {
        global::deliver(node, link, message);
    }
}
