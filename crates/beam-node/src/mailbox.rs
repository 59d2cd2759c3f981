//! Mailboxes: messages from processes of other nodes, for the user of this library.

use std::sync::Arc;

use beam_dist::{NodeName, control::Recipient};
use beam_term::{Atom, Pid, RawTerm, Term};
use tokio::sync::mpsc;

use crate::{process::Process, state::NodeState};

/// A process of this node that receives messages, with a pid and, if wanted, a name.
///
/// `send(Pid, …)` and `{name, 'app@host'} ! …` on other nodes arrive here. Dropping it ends the
/// process: whoever monitors or links to it is told `normal`.
#[derive(Debug)]
pub struct Mailbox {
    node: Arc<NodeState>,
    process: Arc<Process>,
    messages: mpsc::Receiver<Delivery>,
}

/// A message and where it came from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// The node of the sender.
    pub node: NodeName,
    /// The sender, where the protocol tells it.
    pub from: Option<Pid>,
    /// The message.
    pub message: RawTerm,
}

/// Whom a message is for: a process by its pid, or by node and registered name.
#[derive(Clone, Debug)]
pub struct Destination {
    pub(crate) node: String,
    pub(crate) recipient: Recipient,
}

impl From<Pid> for Destination {
    fn from(pid: Pid) -> Self {
        Self {
            node: pid.node.as_str().to_owned(),
            recipient: Recipient::Pid(pid),
        }
    }
}

impl From<(&NodeName, Atom)> for Destination {
    fn from((node, name): (&NodeName, Atom)) -> Self {
        Self {
            node: node.as_str().to_owned(),
            recipient: Recipient::Name(name),
        }
    }
}

impl Mailbox {
    pub(crate) fn new(
        node: Arc<NodeState>,
        process: Arc<Process>,
        messages: mpsc::Receiver<Delivery>,
    ) -> Self {
        Self {
            node,
            process,
            messages,
        }
    }

    /// The pid of this mailbox.
    pub fn pid(&self) -> &Pid {
        &self.process.pid
    }

    /// Waits for the next message; `None` once the node has ended.
    ///
    /// Messages beyond the limit `mailbox_messages` are dropped, and logged.
    ///
    /// # Cancellation safety
    ///
    /// No message is lost when this future is dropped.
    pub async fn recv(&mut self) -> Option<Delivery> {
        tokio::select! {
            // What came before the end is given first.
            biased;
            delivery = self.messages.recv() => delivery,
            () = self.node.ended.cancelled() => None,
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.node.end_process(&self.process, &Term::atom("normal"));
    }
}
