//! Requests that this node sends over a link, and the answers to them.

mod sent;
mod table;

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use beam_dist::{
    control::{Control, Demonitor, Monitor, SpawnOptions, SpawnReply, SpawnRequest, Target},
    frame::FrameEncodeError,
};
use beam_term::{Atom, DecodeError, EncodeError, RawTerm, Reference, Writer};
use tokio::{sync::oneshot, time::Instant};

use super::{Lane, Link, Payload, SendError};
use crate::{
    Arguments, Function, atoms,
    call::{Answer, RequestId, stray_reference},
    deadline::Remaining,
    error::{Cause, Code, Error},
    group::MonitorId,
};

use sent::Sent;
use table::{Fulfilled, Request};
pub(crate) use table::{OnSilence, Requests};

/// Why a request was not sent.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// This limit, of so many calls, is reached.
    Limit(&'static str, usize),
    /// No time is left.
    Late,
    Message(SendError),
}

/// The link was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

/// A name that no process of any node has.
const PROBE_NAME: &str = "rpc_load_balancer_probe";

/// Those who wait for what does not come. They are told when this is dropped, which runs code of theirs:
/// no lock may be held meanwhile, nor the [turn](crate::peer::Turn) of a slot.
#[must_use = "those who wait are told when this is dropped"]
#[derive(Debug, Default)]
pub(super) struct Waiting {
    callers: Vec<Waker>,
    /// Dropping a probe tells whoever waits for it.
    others: Vec<Request>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.callers.drain(..).for_each(Waker::wake);
        self.others.clear();
    }
}

/// Takes a probe away that nobody waits for any more.
struct Probe<'a> {
    link: &'a Link,
    id: RequestId,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.link.requests().remove(self.id);
    }
}

impl Link {
    /// Sends a call, which ends at its deadline; a peer that takes it is told how long that is.
    pub(crate) fn call(
        self: &Arc<Self>,
        lane: Lane,
        function: &Function,
        arguments: &impl Arguments,
        time: Remaining,
        on_silence: OnSilence,
    ) -> Result<Sent, Unsent> {
        if time.is_over() {
            return Err(Unsent::Late);
        }
        let limits = &self.identity.limits;
        let inserted = self
            .requests()
            .insert_call(time.deadline, on_silence, limits);
        let (id, is_next) = inserted?;
        // From here on the drop of `sent` undoes what was done.
        let sent = Sent::new(Arc::clone(self), id);
        if is_next {
            self.outbox.wake();
        }
        let reference = self.reference(id);
        let options = SpawnOptions {
            monitor: true,
            deadline_ms: self.takes_deadlines().then(|| time.as_millis()),
            ..SpawnOptions::default()
        };
        let control = self.spawn_request(reference.clone(), (atoms::EXECUTE_CALL, 4), options);
        let mut payload = |writer: &mut Writer<'_>| {
            writer.list(4);
            writer.reference(&reference);
            write_called(function, arguments, writer)
        };
        self.send(lane, &control, Payload::Written(&mut payload))?;
        Ok(sent)
    }

    /// Sends a cast.
    pub(crate) fn cast(
        &self,
        lane: Lane,
        function: &Function,
        arguments: &impl Arguments,
    ) -> Result<(), Unsent> {
        // The peer echoes it in a reply that nobody waits for.
        let reference = stray_reference(&self.own.name, self.identity.creation.get());
        let options = SpawnOptions::default();
        let control = self.spawn_request(reference, (atoms::EXECUTE_CAST, 3), options);
        let mut payload = |writer: &mut Writer<'_>| {
            writer.list(3);
            write_called(function, arguments, writer)
        };
        Ok(self.send(lane, &control, Payload::Written(&mut payload))?)
    }

    /// Has the peer run one of the functions of `erpc`, which is given with its arity.
    fn spawn_request(
        &self,
        request: Reference,
        (function, arity): (Atom, u32),
        options: SpawnOptions,
    ) -> Control {
        Control::SpawnRequest(SpawnRequest {
            request,
            from: self.own.caller.clone(),
            group_leader: self.own.group_leader.clone(),
            module: atoms::ERPC,
            function,
            arity,
            options,
            token: None,
        })
    }

    /// Asks for a sign of life, and waits for it.
    ///
    /// It is a monitor on a name that nobody has: OTP answers it without any process.
    pub(crate) async fn probe(&self) -> Result<(), Lost> {
        let (sender, answer) = oneshot::channel();
        let id = self.requests().insert(Request::Probe(sender));
        let probe = Probe { link: self, id };
        self.monitor(id, &Target::Name(Atom::from_static(PROBE_NAME)))?;
        let answered = answer.await;
        drop(probe);
        answered.map_err(|_closed| Lost)
    }

    /// Asks for a sign of life without waiting for it; [`Link::is_waiting`] tells whether it has come.
    pub(super) fn ask_for_life(&self) -> RequestId {
        let id = self.requests().insert(Request::SignOfLife);
        let target = Target::Name(Atom::from_static(PROBE_NAME));
        // No large message delays it. A link that is lost has no need of it.
        let _ = self.monitor_in(Lane::Reply, id, &target);
        id
    }

    /// Whether a request has no answer.
    pub(super) fn is_waiting(&self, id: RequestId) -> bool {
        self.requests().is_waiting(id)
    }

    /// Nothing has come from the peer since then. Ends the calls that are not to wait for it.
    pub(super) fn end_waiting(&self, since: Instant, call_grace: Option<Duration>) -> Waiting {
        Waiting {
            callers: self.requests().suspect(since, call_grace),
            others: Vec::new(),
        }
    }

    /// The peer answers again.
    pub(super) fn wait_again(&self) {
        self.requests().recover();
    }

    /// Monitors a process of the peer for the scope of process groups.
    pub(crate) fn monitor_for_scope(&self, id: MonitorId, target: Target) -> RequestId {
        let request = self.requests().insert(Request::Scope {
            id,
            target: target.clone(),
        });
        // A link that is lost is soon the scope's no longer.
        let _ = self.monitor(request, &target);
        request
    }

    /// Ends a monitor of [`Link::monitor_for_scope`].
    pub(crate) fn demonitor_for_scope(&self, request: RequestId) {
        let removed = self.requests().remove(request);
        if let Some(Request::Scope { target, .. }) = removed {
            self.demonitor(self.reference(request), target);
        }
    }

    /// The peer started, or refused to start, the process of a call.
    pub(super) fn spawn_replied(&self, reply: SpawnReply) {
        let id = RequestId::of(&reply.request);
        let mut requests = self.requests();
        let call = id.and_then(|id| requests.waiting_call(id));
        match (call, reply.result) {
            (Some(call), Ok(pid)) => call.started(pid),
            (Some(call), Err(reason)) => {
                let caller = call.fulfil(Answer::Refused(reason));
                drop(requests);
                if let Some(caller) = caller {
                    caller.wake();
                }
            }
            // The call was abandoned before the peer started it: take our monitor away.
            (None, Ok(pid)) if reply.monitored => {
                drop(requests);
                self.demonitor(reply.request, Target::Pid(pid));
            }
            (None, _) => {}
        }
    }

    /// A process that we monitored ended. Gives the monitor's id where it was the scope's.
    pub(super) fn monitor_fired(
        &self,
        reference: &Reference,
        reason: RawTerm,
    ) -> Option<MonitorId> {
        self.fulfil(reference, Answer::Ended(reason))
    }

    /// The answer to a request is there, but beyond the limits on terms.
    pub(super) fn unreadable(&self, reference: &Reference, error: DecodeError) {
        self.fulfil(reference, Answer::Unreadable(error));
    }

    fn fulfil(&self, reference: &Reference, answer: Answer) -> Option<MonitorId> {
        let id = RequestId::of(reference)?;
        // Whoever is woken may take the lock.
        let fulfilled = self.requests().fulfil(id, answer);
        match fulfilled {
            Fulfilled::Call(Some(caller)) => caller.wake(),
            Fulfilled::Probe(alive) => {
                let _ = alive.send(());
            }
            Fulfilled::Scope(id) => return Some(id),
            Fulfilled::Call(None) | Fulfilled::Unknown => {}
        }
        None
    }

    /// The link is lost, for all who wait.
    pub(super) fn fail_requests(&self) -> Waiting {
        let (callers, others) = self.requests().lose();
        Waiting { callers, others }
    }

    /// When the next call ends without an answer, or an earlier instant.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.requests().next_timeout()
    }

    /// Ends the calls that are due; tells when the next one is.
    pub(super) fn time_out(&self, now: Instant) -> Option<Instant> {
        let mut requests = self.requests();
        let callers = requests.time_out(now);
        let next = requests.next_timeout();
        drop(requests);
        callers.into_iter().for_each(Waker::wake);
        next
    }

    /// How many requests were not answered, and how many more there are that only prove the peer alive.
    #[cfg(rlb_simulation)]
    pub(crate) fn unanswered(&self) -> (usize, usize) {
        self.requests().count()
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reference under which a request goes over the wire.
    fn reference(&self, id: RequestId) -> Reference {
        id.reference(&self.own.name, self.identity.creation.get())
    }

    /// Sends a monitor. After the end of the link nobody would ever answer it.
    fn monitor(&self, id: RequestId, target: &Target) -> Result<(), Lost> {
        self.monitor_in(Lane::Owed, id, target)
    }

    fn monitor_in(&self, lane: Lane, id: RequestId, target: &Target) -> Result<(), Lost> {
        let control = Control::Monitor(Monitor {
            from: self.own.caller.clone(),
            to: target.clone(),
            reference: self.reference(id),
        });
        self.owe(lane, &control, Payload::None)
    }

    fn demonitor(&self, reference: Reference, to: Target) {
        let from = self.own.caller.clone();
        let control = Control::Demonitor(Demonitor {
            from,
            to,
            reference,
        });
        self.answer(&control, Payload::None);
    }
}

/// Writes module, function and arguments, the last elements of a list.
fn write_called(
    function: &Function,
    arguments: &impl Arguments,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    writer.atom(&function.module);
    writer.atom(&function.name);
    arguments.encode(writer)?;
    writer.nil();
    Ok(())
}

impl Unsent {
    /// The error for whoever wants to send over this link.
    pub(crate) fn into_error(self, link: &Link) -> Error {
        match self {
            Self::Limit(name, limit) => Error::new(
                Code::TooManyRequests,
                format!(
                    "no more than {limit} calls may wait for an answer; call again later, or raise the limit `{name}`"
                ),
                Cause::Limit(name),
            ),
            Self::Late => Error::new(
                Code::RequestTimeout,
                format!("no time was left to send the call to {}", link.peer),
                Cause::Timeout(Duration::ZERO),
            ),
            Self::Message(error) => link.not_sent(error),
        }
    }
}

impl From<SendError> for Unsent {
    fn from(error: SendError) -> Self {
        Self::Message(error)
    }
}

impl Link {
    /// The error for whoever wanted to send a message.
    pub(crate) fn not_sent(&self, error: SendError) -> Error {
        match error {
            SendError::Full { .. } => Error::new(
                Code::TooManyRequests,
                format!(
                    "{} bytes wait to be sent to {} already; call again later, raise the limit `outgoing_bytes_per_peer`, or set `wait_for_room`",
                    self.identity.limits.outgoing_bytes_per_peer, self.peer
                ),
                Cause::Limit("outgoing_bytes_per_peer"),
            ),
            SendError::Closed => Error::new(
                Code::ServiceUnavailable,
                format!(
                    "the connection to {} was lost before the call was sent",
                    self.peer
                ),
                Cause::NotConnected(crate::connect::ConnectError::Lost(self.peer.clone())),
            ),
            SendError::Encode(FrameEncodeError::Payload(error)) => Error::new(
                Code::BadRequest,
                format!("failed to encode the arguments: {error}"),
                error,
            ),
            SendError::Encode(error) => Error::new(
                Code::BadRequest,
                format!("failed to encode the call: {error} (limit `message_bytes`)"),
                error,
            ),
        }
    }
}
