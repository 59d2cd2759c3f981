//! A link: the live connection to a peer, and what goes over it.

mod batch;
mod dispatch;
mod life;
mod links;
mod outbox;
mod requests;
mod silence;
mod task;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beam_dist::{
    Creation, Flags, NodeName,
    control::{Control, Recipient, SendTo},
    frame::{Encoded, FrameEncodeError, FrameEncoder, FrameLimits},
};
use beam_term::{Atom, EncodeError, Pid, Writer};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::{
    connect::{Handshaken, Side},
    event::DownReason,
    group::Features,
    identity::{Gauge, Identity},
    serve::Load,
};

pub(crate) use life::Unpublished;
pub(crate) use links::Links;
pub(crate) use outbox::{Lane, Outbox, Rejected};
use requests::{Lost, Requests};
pub(crate) use requests::{OnSilence, Unsent};
pub(crate) use silence::SilencePolicy;
use silence::Silent;
pub(crate) use task::run;

/// The live connection to a peer.
///
/// Any task may send through it; one task of its own reads, answers and writes. It does not come
/// back: after a reconnect the peer has another link.
#[derive(Debug)]
pub(crate) struct Link {
    /// Unique among the links of a node.
    pub(crate) id: u64,
    pub(crate) peer: NodeName,
    pub(crate) creation: Creation,
    pub(crate) made_by: Side,
    /// What both sides understand.
    pub(crate) flags: Flags,
    /// Whether both sides are visible.
    pub(crate) visible: bool,
    /// Whether the peer is known to take deadlines with calls.
    takes_deadlines: AtomicBool,
    identity: Arc<Identity>,
    own: Own,
    outbox: Outbox,
    encoder: FrameEncoder,
    requests: Mutex<Requests>,
    /// Calls received from the peer and not answered, over links before this one too.
    pub(crate) serving: Arc<Load>,
    /// Monitors and links that the peer holds on our processes.
    watched: Gauge,
    is_suspect: AtomicBool,
    /// For how long the peer has been silent, where it is suspect.
    silent: Mutex<Option<Silent>>,
    reason: OnceLock<DownReason>,
}

/// This node in what the link sends. Each request counts the holders of its name, so links have copies
/// that they do not share.
#[derive(Debug)]
struct Own {
    name: Atom,
    /// The process in whose name calls are made.
    caller: Pid,
    /// The group leader of the functions that are called.
    group_leader: Pid,
}

impl Own {
    fn new(node: &Identity) -> Self {
        let name = node.atom.detached();
        let copy = |pid: &Pid| Pid {
            node: name.clone(),
            ..pid.clone()
        };
        Self {
            caller: copy(&node.caller),
            group_leader: copy(&node.group_leader),
            name,
        }
    }
}

/// Why a message was not sent.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The outbox has no room for so many bytes; the link is alive.
    Full { bytes: usize },
    /// The link is gone.
    Closed,
    /// The message has no encoding.
    Encode(FrameEncodeError),
}

/// Writes a payload, as often as it is asked to.
pub(crate) type Written<'a> = dyn FnMut(&mut Writer<'_>) -> Result<(), EncodeError> + Send + 'a;

/// The payload of a message.
pub(crate) enum Payload<'a> {
    /// The control message carries none.
    None,
    /// Written in place.
    Written(&'a mut dyn FnMut(&mut Writer<'_>) -> Result<(), EncodeError>),
    /// Encoded already, without a version byte.
    Encoded(&'a Bytes),
}

impl Link {
    pub(crate) fn new(id: u64, handshaken: Handshaken, identity: Arc<Identity>) -> Self {
        let Handshaken {
            established,
            made_by,
            ..
        } = handshaken;
        let limits = FrameLimits::from(&identity.limits);
        let serving = identity.serving.of(&established.peer);
        Self {
            id,
            visible: established.is_visible(),
            peer: established.peer,
            creation: established.peer_creation,
            made_by,
            flags: established.flags,
            takes_deadlines: AtomicBool::new(false),
            outbox: Outbox::new(identity.limits.outgoing_bytes_per_peer),
            encoder: FrameEncoder::new(established.flags, limits),
            requests: Mutex::new(Requests::new(
                fastrand::u64(..),
                Arc::clone(&identity.calling),
            )),
            serving,
            watched: Gauge::default(),
            is_suspect: AtomicBool::new(false),
            silent: Mutex::default(),
            reason: OnceLock::new(),
            own: Own::new(&identity),
            identity,
        }
    }

    /// The peer takes these from here on, beyond what every node does.
    pub(crate) fn learn(&self, features: Features) {
        let Features { deadline_ms } = features;
        self.takes_deadlines.store(deadline_ms, Ordering::Relaxed);
    }

    /// Whether the peer is known to take deadlines with calls.
    fn takes_deadlines(&self) -> bool {
        self.takes_deadlines.load(Ordering::Relaxed)
    }

    /// The node on this end.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Sends a message, or says at once why not.
    pub(crate) fn send(
        &self,
        lane: Lane,
        control: &Control,
        payload: Payload<'_>,
    ) -> Result<(), SendError> {
        let mut frame = scratch::take();
        match self.encode(control, payload, &mut frame) {
            Ok(Encoded::Whole) => {
                let bytes = frame.len();
                let queued = self.outbox.push_whole(lane, &frame);
                scratch::give_back(frame);
                queued.map_err(|rejected| rejected.of(bytes))
            }
            Ok(Encoded::Fragmented(fragments)) => {
                scratch::give_back(frame);
                let queued = self.outbox.push_large(lane, fragments);
                queued.map_err(|(rejected, fragments)| rejected.of(fragments.remaining_bytes()))
            }
            Err(error) => {
                scratch::give_back(frame);
                Err(SendError::Encode(error))
            }
        }
    }

    /// Sends the result of a call, waiting for room where the outbox is full.
    ///
    /// # Cancellation safety
    ///
    /// When the future is dropped the message was either queued whole or not at all.
    pub(crate) async fn send_result(
        &self,
        control: &Control,
        payload: &mut Written<'_>,
    ) -> Result<(), SendError> {
        match self.send(Lane::Result, control, Payload::Written(payload)) {
            Err(SendError::Full { .. }) => {}
            sent => return sent,
        }
        let mut frame = BytesMut::new();
        let mut large = match self
            .encode(control, Payload::Written(payload), &mut frame)
            .map_err(SendError::Encode)?
        {
            Encoded::Whole => None,
            Encoded::Fragmented(fragments) => Some(fragments),
        };
        let size = match &large {
            None => frame.len(),
            Some(fragments) => fragments.remaining_bytes(),
        };
        loop {
            self.outbox.room(size).await;
            let queued = match large.take() {
                None => self.outbox.push_whole(Lane::Result, &frame),
                Some(fragments) => {
                    let pushed = self.outbox.push_large(Lane::Result, fragments);
                    pushed.map_err(|(rejected, fragments)| {
                        large = Some(fragments);
                        rejected
                    })
                }
            };
            match queued {
                Ok(()) => break self.outbox.pass_on(),
                Err(Rejected::Closed) => return Err(SendError::Closed),
                Err(Rejected::Full) => {}
            }
        }
        Ok(())
    }

    /// Waits until a request of so many bytes may be sent in the lane of results. Once it is, the
    /// next one may [try](Link::pass_on).
    pub(crate) async fn room(&self, bytes: usize) {
        self.outbox.room(bytes).await;
    }

    /// Lets the next one that waits for room try.
    pub(crate) fn pass_on(&self) {
        self.outbox.pass_on();
    }

    /// Encodes a message at the end of `frame`, or, where it is large, into fragments.
    fn encode(
        &self,
        control: &Control,
        payload: Payload<'_>,
        frame: &mut BytesMut,
    ) -> Result<Encoded, FrameEncodeError> {
        match payload {
            Payload::None => self.encoder.encode(control, frame).map(|()| Encoded::Whole),
            Payload::Written(write) => self.encoder.encode_with(control, write, frame),
            Payload::Encoded(bytes) => self.encoder.encode_bytes(control, bytes, frame),
        }
    }

    /// How many bytes wait to be sent, or are owed.
    #[cfg(rlb_simulation)]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// Sends what is owed to the peer: a small answer, never refused for want of room.
    pub(crate) fn answer(&self, control: &Control, payload: Payload<'_>) {
        let _ = self.owe(Lane::Owed, control, payload);
    }

    /// Sends the reply to a request, ahead of the answer that comes later in the free lane.
    pub(crate) fn reply(&self, control: &Control) {
        let _ = self.owe(Lane::Reply, control, Payload::None);
    }

    fn owe(&self, lane: Lane, control: &Control, payload: Payload<'_>) -> Result<(), Lost> {
        match self.send(lane, control, payload) {
            Ok(()) => Ok(()),
            Err(SendError::Closed) => Err(Lost),
            Err(SendError::Full { .. }) => {
                self.close(DownReason::NotReading);
                Err(Lost)
            }
            Err(SendError::Encode(error)) => {
                tracing::error!(peer = %self.peer, %error, "failed to encode an answer");
                Ok(())
            }
        }
    }

    /// Sends a message of the scope, which is encoded already.
    pub(crate) fn send_for_scope(&self, to: &Recipient, message: &Bytes) {
        let control = self.message_to(self.identity.scope.clone(), to);
        self.answer(&control, Payload::Encoded(message));
    }

    /// Sends a message to a process of the peer, as an answer to one of its own.
    pub(crate) fn answer_to(&self, to: &Recipient, message: &mut Written<'_>) {
        let control = self.message_to(self.own.caller.clone(), to);
        self.answer(&control, Payload::Written(message));
    }

    /// The control message that carries a message from one of our processes.
    pub(crate) fn message_to(&self, from: Pid, to: &Recipient) -> Control {
        Control::Send(SendTo {
            from: Some(from),
            to: to.clone(),
            priority: false,
            token: None,
        })
    }

    /// Asks the link to end; the first reason stays. From here on it takes nothing more to send,
    /// and what comes over it is ignored. Its task withdraws it.
    pub(crate) fn close(&self, reason: DownReason) {
        let _ = self.reason.set(reason);
        // Wakes the link task as well.
        self.outbox.close();
    }

    /// Whether the link is about to end, or has ended.
    pub(crate) fn is_closing(&self) -> bool {
        self.reason.get().is_some()
    }

    /// Why the link ended, or is about to.
    pub(crate) fn reason(&self) -> DownReason {
        self.reason.get().cloned().unwrap_or(DownReason::Closed)
    }

    /// Whether nothing comes from the peer; see [`silence`].
    pub(crate) fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Relaxed)
    }

    /// Something came from the peer, which is suspect all the same.
    fn note_heard(&self, now: Instant) {
        if let Some(silent) = &mut *self.silent() {
            silent.since = now;
        }
    }

    /// The other end has taken of what fills the socket.
    fn note_taken(&self, now: Instant) {
        if self.is_suspect()
            && let Some(silent) = &mut *self.silent()
        {
            silent.unanswered_since = now;
        }
    }

    /// Whether anything came from the peer since then, or it took of what fills the socket, or it is no suspect.
    pub(crate) fn has_stirred_since(&self, then: Instant) -> bool {
        self.silent()
            .is_none_or(|it| it.since > then || it.unanswered_since > then)
    }

    /// For how long a probe has had no answer, and the other end has taken nothing of what fills the socket;
    /// `None` where the peer is no suspect. One that takes it slowly cannot answer what comes behind that, and
    /// after a cut nothing is taken. The system tells of some 64 KiB at a time.
    pub(crate) fn unanswered_for(&self) -> Option<Duration> {
        self.silent().map(|it| it.unanswered_since.elapsed())
    }

    /// For how long nothing at all has come from the peer; `None` where it is no suspect.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        self.silent().map(|it| it.since.elapsed())
    }

    fn silent(&self) -> MutexGuard<'_, Option<Silent>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls of this node wait for an answer over this link.
    pub(crate) fn calling(&self) -> usize {
        self.requests().calls()
    }

    /// How many calls of the peer are being served.
    pub(crate) fn serving(&self) -> usize {
        self.serving.count()
    }

    /// Counts a watcher that comes with a new process.
    pub(crate) fn count_watcher(&self) {
        self.watched.enter(usize::MAX);
    }

    /// Takes watchers that were told, or that went away, out of the count.
    pub(crate) fn forget_watchers(&self, count: usize) {
        for _ in 0..count {
            self.watched.leave();
        }
    }
}

impl Rejected {
    /// Why a message of so many bytes was not sent.
    fn of(self, bytes: usize) -> SendError {
        match self {
            Self::Full => SendError::Full { bytes },
            Self::Closed => SendError::Closed,
        }
    }
}

/// Messages are encoded outside the outbox's lock, as arguments may run code of users; the buffer
/// for it is kept per thread.
mod scratch {
    use std::cell::Cell;

    use bytes::BytesMut;

    /// A buffer that grew beyond this is not kept.
    const KEPT_BYTES: usize = 64 * 1024;

    thread_local! {
        static BUFFER: Cell<BytesMut> = Cell::new(BytesMut::new());
    }

    pub(super) fn take() -> BytesMut {
        BUFFER.take()
    }

    pub(super) fn give_back(mut buffer: BytesMut) {
        if buffer.capacity() <= KEPT_BYTES {
            buffer.clear();
            BUFFER.set(buffer);
        }
    }
}
