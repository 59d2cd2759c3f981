//! Mailboxes: messages from processes of other nodes, for the user of this library.

use std::sync::Arc;

use beam_dist::{NodeName, control::Recipient};
use beam_term::{Atom, Pid, RawTerm, Term};
use serde::Serialize;
use tokio::sync::{
    Semaphore,
    mpsc::{self, error::TrySendError},
};

use crate::{
    Limits,
    error::{Cause, Code, Error},
    held_bytes::HeldBytes,
    process::{Process, Role},
    state::NodeState,
};

/// A process of this node that receives messages, with a pid and, if wanted, a name.
///
/// `send(Pid, …)` and `{name, 'app@host'} ! …` on other nodes arrive here. Dropping it ends the
/// process: whoever monitors or links to it is told `normal`.
#[derive(Debug)]
pub struct Mailbox {
    node: Arc<NodeState>,
    process: Arc<Process>,
    messages: Messages,
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
///
/// ```no_run
/// # async fn example(node: beam_node::Node) -> Result<(), beam_node::Error> {
/// node.send(("w1@127.0.0.1", "logger"), &"hello").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Destination {
    pub(crate) node: String,
    /// None for a name that is no atom, which nobody can have.
    pub(crate) recipient: Option<Recipient>,
}

impl From<Pid> for Destination {
    fn from(pid: Pid) -> Self {
        Self {
            node: pid.node.as_str().to_owned(),
            recipient: Some(Recipient::Pid(pid)),
        }
    }
}

impl From<(&NodeName, Atom)> for Destination {
    fn from((node, name): (&NodeName, Atom)) -> Self {
        Self {
            node: node.as_str().to_owned(),
            recipient: Some(Recipient::Name(name)),
        }
    }
}

impl<N: AsRef<str>> From<(N, &str)> for Destination {
    fn from((node, name): (N, &str)) -> Self {
        Self {
            node: node.as_ref().to_owned(),
            recipient: Atom::try_from(name).ok().map(Recipient::Name),
        }
    }
}

impl Mailbox {
    pub(crate) fn new(node: Arc<NodeState>, process: Arc<Process>, messages: Messages) -> Self {
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
    /// Messages beyond the limits `mailbox_messages` and `mailbox_bytes` are dropped, and logged.
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

/// Hands a message of this node to one of its own processes; one to nobody is dropped.
pub(crate) fn deliver<M: Serialize>(
    node: &NodeState,
    recipient: &Recipient,
    message: &M,
) -> Result<(), Error> {
    node.check_running()?;
    let message = RawTerm::serialize(message).map_err(|error| {
        Error::new(
            Code::BadRequest,
            format!("failed to encode the message: {error}"),
            error,
        )
    })?;
    let process = match recipient {
        Recipient::Pid(pid) => node.processes.by_pid(pid),
        Recipient::Name(name) => node.processes.by_name(name),
        Recipient::Alias(_) => None,
    };
    // The other processes of this node read what comes from peers only.
    let Some(Role::Mailbox(inbox)) = process.as_ref().map(|process| &process.role) else {
        return Ok(());
    };
    let delivery = Delivery {
        node: node.name().clone(),
        from: Some(node.identity.caller.clone()),
        message,
    };
    inbox.put(delivery).map_err(|limit| {
        Error::new(
            Code::TooManyRequests,
            format!("the mailbox is full: the limit `{limit}` is reached"),
            Cause::Limit(limit),
        )
    })
}

/// The way into a mailbox.
#[derive(Debug)]
pub(crate) struct Inbox {
    sender: mpsc::Sender<Delivery>,
    held: Arc<HeldBytes>,
    limit: usize,
}

/// The way out of it.
#[derive(Debug)]
pub(crate) struct Messages {
    receiver: mpsc::Receiver<Delivery>,
    held: Arc<HeldBytes>,
}

impl Inbox {
    /// Room for messages within the limits.
    pub(crate) fn new(limits: &Limits) -> (Self, Messages) {
        // A channel of no messages, or of more than can be counted, does not exist.
        let messages = limits.mailbox_messages.clamp(1, Semaphore::MAX_PERMITS);
        let (sender, receiver) = mpsc::channel(messages);
        let held = Arc::new(HeldBytes::default());
        let inbox = Self {
            sender,
            held: Arc::clone(&held),
            limit: limits.mailbox_bytes,
        };
        (inbox, Messages { receiver, held })
    }

    /// Puts a message in, unless a limit is reached; then gives its name.
    pub(crate) fn put(&self, mut delivery: Delivery) -> Result<(), &'static str> {
        delivery.message = delivery.message.compact();
        let bytes = delivery.message.encoded_len();
        if !self.held.add(bytes, self.limit) {
            return Err("mailbox_bytes");
        }
        match self.sender.try_send(delivery) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.held.remove(bytes);
                Err("mailbox_messages")
            }
            // The mailbox was dropped a moment ago: a message to nobody.
            Err(TrySendError::Closed(_)) => Ok(()),
        }
    }
}

impl Messages {
    async fn recv(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.recv().await?;
        self.held.remove(delivery.message.encoded_len());
        Some(delivery)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.node.end_process(&self.process, &Term::atom("normal"));
    }
}
