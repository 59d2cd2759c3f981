//! Requests that this node sends over a link, and the answers to them.

use std::sync::Arc;

use beam_dist::{
    control::{Control, Demonitor, Monitor, SpawnOptions, SpawnReply, SpawnRequest, Target},
    frame::FrameEncodeError,
};
use beam_term::{Atom, DecodeError, Pid, RawTerm, Reference, Writer};
use tokio::sync::oneshot;

use super::{Lane, Link, Payload, SendError};
use crate::{
    Arguments, Function, atoms,
    call::{Answer, RequestId},
    error::{Cause, Code, Error},
    group::MonitorId,
};

/// A request that the peer has not answered.
#[derive(Debug)]
pub(crate) enum Request {
    /// A call; `runner` is the process that runs it, once the peer told us.
    Call {
        answer: oneshot::Sender<Answer>,
        runner: Option<Pid>,
    },
    /// A monitor on a name that nobody has: any answer proves the peer alive.
    Probe(oneshot::Sender<()>),
    /// A monitor that the scope of process groups holds.
    Scope { id: MonitorId, target: Target },
}

/// A call that was sent. Dropping it abandons the call and tells the peer.
#[derive(Debug)]
pub(crate) struct Sent {
    link: Arc<Link>,
    id: RequestId,
    answer: oneshot::Receiver<Answer>,
}

impl Sent {
    /// Waits for the answer; with the reference that it must carry.
    pub(crate) async fn answer(mut self) -> (Answer, Reference) {
        let answer = (&mut self.answer).await.unwrap_or(Answer::Lost);
        (answer, self.link.reference(self.id))
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.link.calling.leave();
        self.link.identity.calling.leave();
        let abandoned = self.link.pending().remove(self.id);
        // Without a runner the reply to the request is still to come; it is then refused as one
        // to an unknown request, which takes the monitor away as well.
        if let Some(Request::Call {
            runner: Some(runner),
            ..
        }) = abandoned
        {
            self.link.demonitor(self.id, &Target::Pid(runner));
        }
    }
}

/// The link was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

/// A name that no process of any node has.
const PROBE_NAME: &str = "rpc_load_balancer_probe";

/// Takes a probe away that nobody waits for any more.
struct Probe<'a> {
    link: &'a Link,
    id: RequestId,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.link.pending().remove(self.id);
    }
}

impl Link {
    /// Sends a call.
    pub(crate) fn call(
        self: &Arc<Self>,
        function: &Function,
        arguments: &impl Arguments,
    ) -> Result<Sent, Error> {
        let limits = &self.identity.limits;
        if !self.identity.calling.enter(limits.calls_per_node) {
            return Err(self.limit("calls_per_node", limits.calls_per_node));
        }
        if !self.calling.enter(limits.calls_per_peer) {
            self.identity.calling.leave();
            return Err(self.limit("calls_per_peer", limits.calls_per_peer));
        }
        let (sender, answer) = oneshot::channel();
        let id = self.pending().insert(Request::Call {
            answer: sender,
            runner: None,
        });
        // From here on the drop of `sent` undoes what was done.
        let sent = Sent {
            link: Arc::clone(self),
            id,
            answer,
        };
        let reference = self.reference(id);
        let control = Control::SpawnRequest(SpawnRequest {
            request: reference.clone(),
            from: self.identity.caller.clone(),
            group_leader: self.identity.group_leader.clone(),
            module: atoms::ERPC,
            function: atoms::EXECUTE_CALL,
            arity: 4,
            options: SpawnOptions {
                monitor: true,
                ..SpawnOptions::default()
            },
            token: None,
        });
        let mut payload = |writer: &mut Writer<'_>| {
            writer.list(4);
            writer.reference(&reference);
            writer.atom(&function.module);
            writer.atom(&function.name);
            arguments.encode(writer)?;
            writer.nil();
            Ok(())
        };
        self.send(Lane::Free, &control, Payload::Written(&mut payload))
            .map_err(|error| self.not_sent(error))?;
        Ok(sent)
    }

    /// Sends a cast.
    pub(crate) fn cast(
        &self,
        function: &Function,
        arguments: &impl Arguments,
    ) -> Result<(), Error> {
        let control = Control::SpawnRequest(SpawnRequest {
            // The peer echoes it in a reply that nobody waits for.
            request: self.identity.stray_reference(),
            from: self.identity.caller.clone(),
            group_leader: self.identity.group_leader.clone(),
            module: atoms::ERPC,
            function: atoms::EXECUTE_CAST,
            arity: 3,
            options: SpawnOptions::default(),
            token: None,
        });
        let mut payload = |writer: &mut Writer<'_>| {
            writer.list(3);
            writer.atom(&function.module);
            writer.atom(&function.name);
            arguments.encode(writer)?;
            writer.nil();
            Ok(())
        };
        self.send(Lane::Free, &control, Payload::Written(&mut payload))
            .map_err(|error| self.not_sent(error))
    }

    /// Asks for a sign of life, and waits for it.
    ///
    /// It is a monitor on a name that nobody has: OTP answers it without any process.
    pub(crate) async fn probe(&self) -> Result<(), Lost> {
        let (sender, answer) = oneshot::channel();
        let id = self.pending().insert(Request::Probe(sender));
        let probe = Probe { link: self, id };
        self.monitor(id, &Target::Name(Atom::from_static(PROBE_NAME)))?;
        let answered = answer.await;
        drop(probe);
        answered.map_err(|_closed| Lost)
    }

    /// Monitors a process of the peer for the scope of process groups.
    pub(crate) fn monitor_for_scope(&self, id: MonitorId, target: Target) -> RequestId {
        let request = self.pending().insert(Request::Scope {
            id,
            target: target.clone(),
        });
        // A link that is lost is soon the scope's no longer.
        let _ = self.monitor(request, &target);
        request
    }

    /// Ends a monitor of [`Link::monitor_for_scope`].
    pub(crate) fn demonitor_for_scope(&self, request: RequestId) {
        if let Some(Request::Scope { target, .. }) = self.pending().remove(request) {
            self.demonitor(request, &target);
        }
    }

    /// The peer started, or refused to start, the process of a call.
    pub(super) fn spawn_replied(&self, reply: SpawnReply) {
        let id = RequestId::of(&reply.request);
        let mut pending = self.pending();
        let known = id.filter(|&id| matches!(pending.get_mut(id), Some(Request::Call { .. })));
        match (known, reply.result) {
            (Some(id), Ok(pid)) => {
                if let Some(Request::Call { runner, .. }) = pending.get_mut(id) {
                    *runner = Some(pid);
                }
            }
            (Some(id), Err(reason)) => {
                let refused = pending.remove(id);
                drop(pending);
                if let Some(Request::Call { answer, .. }) = refused {
                    let _ = answer.send(Answer::Refused(reason));
                }
            }
            // The call was abandoned before the peer started it: take our monitor away.
            (None, Ok(pid)) if reply.monitored => {
                drop(pending);
                self.answer(
                    &Control::Demonitor(Demonitor {
                        from: self.identity.caller.clone(),
                        to: Target::Pid(pid),
                        reference: reply.request,
                    }),
                    Payload::None,
                );
            }
            (None, _) => {}
        }
    }

    /// A process that we monitored ended. Gives the monitor's id where it was the scope's.
    pub(super) fn monitor_fired(
        &self,
        reference: &Reference,
        reason: RawTerm,
    ) -> Option<(MonitorId, RawTerm)> {
        let request = RequestId::of(reference).and_then(|id| self.pending().remove(id))?;
        match request {
            Request::Call { answer, .. } => {
                let _ = answer.send(Answer::Ended(reason));
                None
            }
            Request::Probe(alive) => {
                let _ = alive.send(());
                None
            }
            Request::Scope { id, .. } => Some((id, reason)),
        }
    }

    /// The answer to a request is there, but beyond the limits on terms.
    pub(super) fn unreadable(&self, reference: &Reference, error: DecodeError) {
        let request = RequestId::of(reference).and_then(|id| self.pending().remove(id));
        if let Some(Request::Call { answer, .. }) = request {
            let _ = answer.send(Answer::Unreadable(error));
        }
    }

    /// Tells all who wait that the link is lost.
    pub(super) fn fail_requests(&self) {
        // Dropping the senders is the message; it must not happen under the lock, as a waiter
        // that is woken takes it.
        let lost: Vec<Request> = self.pending().drain().collect();
        drop(lost);
    }

    /// The reference under which a request goes over the wire.
    fn reference(&self, id: RequestId) -> Reference {
        id.reference(&self.identity.atom, self.identity.creation.get())
    }

    /// Sends a monitor. After the end of the link nobody would ever answer it.
    fn monitor(&self, id: RequestId, target: &Target) -> Result<(), Lost> {
        let control = Control::Monitor(Monitor {
            from: self.identity.caller.clone(),
            to: target.clone(),
            reference: self.reference(id),
        });
        self.owe(Lane::Owed, &control, Payload::None)
    }

    fn demonitor(&self, id: RequestId, target: &Target) {
        self.answer(
            &Control::Demonitor(Demonitor {
                from: self.identity.caller.clone(),
                to: target.clone(),
                reference: self.reference(id),
            }),
            Payload::None,
        );
    }

    fn limit(&self, name: &'static str, limit: usize) -> Error {
        Error::new(
            Code::TooManyRequests,
            format!(
                "{limit} calls wait for an answer already; call again later, or raise the limit `{name}`"
            ),
            Cause::Limit(name),
        )
    }

    pub(crate) fn not_sent(&self, error: SendError) -> Error {
        match error {
            SendError::Full => Error::new(
                Code::TooManyRequests,
                format!(
                    "{} bytes wait to be sent to {} already; call again later, or raise the limit `outgoing_bytes_per_peer`",
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
