//! The task of a link: it alone reads from and writes to the socket.

use std::{
    future::{Future, poll_fn},
    io, mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use beam_dist::{
    frame::{Event as FrameEvent, FrameDecoder, FrameLimits, TICK},
    tick::{LinkClock, Tick, TickPolicy},
};
use bytes::{BufMut, BytesMut};
use tokio::{
    io::{self as tokio_io, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    task::yield_now,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tokio_util::io::{poll_read_buf, poll_write_buf};

use super::{
    Link,
    batch::Batch,
    dispatch,
    outbox::{Outbox, Taken},
    silence::{Silence, Step},
};
use crate::{
    call::RequestId,
    connect::{Socket, Stream},
    event::DownReason,
    peer::Slot,
    serve::Server,
    state::NodeState,
};

/// How much is read before others have their turn, and the most that one read is given room for.
const READ_BYTES: usize = 64 * 1024;

/// How much is written before others have their turn.
const WRITE_BYTES: usize = 256 * 1024;

/// How many messages are handled before others have their turn, and what came of them is sent.
const TURN_MESSAGES: usize = 64;

/// How long an ending link may take to send what is queued, and the peer to read it.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// How long answers wait to be confirmed by a probe on a link that is never quiet.
const CONFIRMATION_PAUSE: Duration = Duration::from_secs(1);

/// Runs a link to its end, and cleans up after it, also where the future is dropped before it runs.
pub(crate) fn run(
    node: Arc<NodeState>,
    slot: Arc<Slot>,
    link: Arc<Link>,
    socket: Socket,
) -> impl Future<Output = ()> + Send {
    let mut end = End {
        node: Arc::clone(&node),
        slot: Arc::clone(&slot),
        link: Arc::clone(&link),
        is_made: false,
    };
    async move {
        let mut wire = Wire::new(&node, &slot, &link, socket);
        // A close of this node has given its reason already.
        let reason = wire.exchange().await.err().unwrap_or_else(|| link.reason());
        end.make(reason);
        if matches!(link.reason(), DownReason::Silent(_)) {
            node.discovery.fell_silent(&node, &link.peer);
        }
        if is_in_order(&link.reason()) {
            let _ = timeout(FLUSH_PATIENCE, wire.finish()).await;
        }
    }
}

/// The end of a link, which comes however its task ends.
struct End {
    node: Arc<NodeState>,
    slot: Arc<Slot>,
    link: Arc<Link>,
    is_made: bool,
}

impl End {
    fn make(&mut self, reason: DownReason) {
        self.is_made = true;
        // The first reason counts: who closed the link knows better than who saw the effect.
        self.link.close(reason);
        if !self.node.withdraw(&self.slot, &self.link) {
            // Whoever did so before did not see what came of the last message.
            self.node.release_processes(&self.link);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.is_made {
            // The task was torn down, if not by a panic, then with its runtime.
            self.make(match std::thread::panicking() {
                true => DownReason::Panicked,
                false => DownReason::ShutDown,
            });
        }
        self.link.outbox.discard();
    }
}

/// Whether a link ends by a decision of this node that does not concern the peer: what was sent
/// before it is still delivered.
fn is_in_order(end: &DownReason) -> bool {
    matches!(end, DownReason::Disconnected | DownReason::ShutDown)
}

/// The socket and the buffers on both sides of it.
struct Wire<'a> {
    node: &'a Arc<NodeState>,
    /// What the calls of the peer hold of the node.
    server: Arc<Server>,
    slot: &'a Slot,
    link: &'a Arc<Link>,
    stream: Stream,
    decoder: FrameDecoder,
    received: BytesMut,
    queue: Queue,
    clock: LinkClock,
    silence: Silence,
    /// The last probe of the peer, until it is answered.
    probe: Option<Probe>,
    /// When there was a probe last, or the link began.
    probed: Instant,
    /// Whether the socket had no room. It has some again once the other end has taken of what fills it.
    is_full: bool,
    /// Whether all others that were ready to run have run since there was something to send.
    gathered: bool,
    /// Whether messages have come that were not handled.
    is_behind: bool,
}

/// A question to the peer that has no answer.
#[derive(Debug)]
struct Probe {
    request: RequestId,
    /// The number of the batch that it is in, until that is written.
    unwritten: Option<u64>,
    /// Whether the peer was suspect when it was asked.
    is_of_suspect: bool,
    /// Whether it comes behind all answers that were given before it, so that its own proves that they have
    /// arrived.
    confirms_answers: bool,
}

impl<'a> Wire<'a> {
    fn new(node: &'a Arc<NodeState>, slot: &'a Slot, link: &'a Arc<Link>, socket: Socket) -> Self {
        let Socket {
            stream,
            received,
            unsent,
            round_trip,
        } = socket;
        let limits = &node.identity.limits;
        let now = Instant::now();
        Self {
            node,
            server: Server::new(Arc::clone(node)),
            slot,
            link,
            stream,
            decoder: FrameDecoder::new(link.flags, FrameLimits::from(limits))
                .with_term_limits(limits.into())
                .with_spare_memory(node.spare.clone()),
            received,
            queue: Queue {
                batch: unsent.into(),
                taken: Taken::default(),
                begun: 0,
            },
            clock: LinkClock::new(TickPolicy::new(node.net_ticktime), now.into_std()),
            silence: Silence::new(node.silence, round_trip, now),
            probe: None,
            probed: now,
            is_full: false,
            gathered: false,
            is_behind: false,
        }
    }

    /// Reads, dispatches and writes until the link fails or is closed by this node.
    async fn exchange(&mut self) -> Result<(), DownReason> {
        // What came in one piece with the end of the handshake.
        self.dispatch()?;
        let timer = sleep_until(self.clock.deadline().into());
        tokio::pin!(timer);
        poll_fn(|task| self.poll_exchange(timer.as_mut(), task)).await
    }

    /// Does what can be done at once.
    ///
    /// Before it writes, it lets all others run that are ready to, once: callers that have just got
    /// their answers and handlers that have just begun may have something to send as well. One write
    /// for all of them is what makes many small calls cheap.
    fn poll_exchange(
        &mut self,
        timer: Pin<&mut Sleep>,
        task: &mut Context<'_>,
    ) -> Poll<Result<(), DownReason>> {
        // From here on nothing that happens to the link is missed.
        self.link.outbox.attend(task.waker());
        let mut written = Progress::None;
        let is_unwritten = !self.queue.batch.is_empty() || self.stream.has_unsent();
        if mem::take(&mut self.gathered) || is_unwritten {
            written = self.poll_write(task)?;
        }
        let read = self.poll_read(task)?;
        // What has come while the runtime was busy with something else is not late.
        if self.poll_timer(timer, task)? {
            self.poll_write(task)?;
        }
        if self.link.is_closing() {
            return Poll::Ready(Ok(()));
        }
        let is_filled = self.queue.batch.is_empty() && self.link.outbox.is_filled();
        if written == Progress::Much || read == Progress::Much {
            self.gathered = true;
            run_later(task);
        } else if read == Progress::Some || is_filled {
            self.gathered = true;
            task.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Gives the peer up, ends calls that nobody has answered in time, probes a silent peer, or queues
    /// a tick, and tells whether there is something to write.
    ///
    /// Most deadlines are put off before they come, so the timer is only ever set to an earlier
    /// instant while it runs, and looks what is due when it fires.
    fn poll_timer(
        &mut self,
        mut timer: Pin<&mut Sleep>,
        task: &mut Context<'_>,
    ) -> Result<bool, DownReason> {
        let mut has_ticked = false;
        let earlier = earliest(self.link.next_timeout(), self.silence.deadline());
        if let Some(due) = earlier
            && due < timer.deadline()
        {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(task).is_ready() {
            has_ticked |= self.tick()?;
            has_ticked |= self.attend_silence(task);
            let tick = self.clock.deadline().into();
            let due = self.link.time_out(Instant::now());
            let due = earliest(due, self.silence.deadline());
            timer.as_mut().reset(due.map_or(tick, |due| due.min(tick)));
        }
        Ok(has_ticked)
    }

    /// Writes what is queued, up to a bound: other things must have their turn while a large message
    /// is under way.
    fn poll_write(&mut self, task: &mut Context<'_>) -> Result<Progress, DownReason> {
        let mut written = 0;
        loop {
            self.queue.refill(&self.link.outbox);
            if self.queue.batch.is_empty() {
                return self.poll_flush(task);
            }
            if written >= WRITE_BYTES {
                return Ok(Progress::Much);
            }
            let stream = Pin::new(&mut self.stream);
            match poll_write_buf(stream, task, &mut self.queue.batch) {
                Poll::Ready(count) => written += count.map_err(io_error)?,
                Poll::Pending => {
                    self.is_full = true;
                    return Ok(Progress::Some);
                }
            };
            let now = Instant::now();
            if mem::take(&mut self.is_full) {
                self.link.note_taken(now);
            }
            self.clock.sent(now.into_std());
            self.silence.wrote();
            if let Some(probe) = &mut self.probe
                && let Some(batch) = probe.unwritten
            {
                self.silence.asked(now);
                if self.queue.has_written(batch) {
                    probe.unwritten = None;
                }
            }
        }
    }

    /// Sends what TLS has taken and not sent.
    fn poll_flush(&mut self, task: &mut Context<'_>) -> Result<Progress, DownReason> {
        match Pin::new(&mut self.stream).poll_flush(task) {
            Poll::Ready(flushed) => flushed.map_err(io_error)?,
            Poll::Pending => {}
        }
        Ok(Progress::Some)
    }

    /// Reads what is there, up to a bound, and handles it.
    fn poll_read(&mut self, task: &mut Context<'_>) -> Result<Progress, DownReason> {
        let mut progress = Progress::None;
        let mut left = READ_BYTES;
        if self.is_behind && !self.link.outbox.is_overdue() {
            self.is_behind = false;
            self.dispatch()?;
            progress = Progress::Some;
        }
        while !self.is_behind && !self.link.is_closing() && !self.link.outbox.is_overdue() {
            if left == 0 {
                progress = Progress::Much;
                break;
            }
            let mut place = self.decoder.read_buffer(&mut self.received, READ_BYTES);
            let room = place.remaining_mut();
            let stream = Pin::new(&mut self.stream);
            let read = match poll_read_buf(stream, task, &mut place) {
                Poll::Ready(read) => read.map_err(io_error)?,
                Poll::Pending => break,
            };
            if read == 0 {
                return Err(DownReason::Closed);
            }
            progress = Progress::Some;
            let now = Instant::now();
            self.clock.received(now.into_std());
            self.note_life(now);
            self.dispatch()?;
            if read < room && self.stream.is_emptied_by_short_read() {
                break;
            }
            left = left.saturating_sub(read);
        }
        self.attend_answer();
        Ok(progress)
    }

    /// Looks whether the last probe is answered.
    fn attend_answer(&mut self) {
        let Some(probe) = &self.probe else { return };
        if self.link.is_waiting(probe.request) {
            return;
        }
        let is_of_suspect = probe.is_of_suspect;
        // What a link that is lost had to wait for is over too, and says nothing.
        if probe.confirms_answers && !self.link.is_closing() {
            self.link.serving.confirm_answers();
        }
        // The rest of its batch may still have to be written.
        self.probe = None;
        let now = Instant::now();
        let is_suspect = self.silence.answered(now);
        if is_suspect && is_of_suspect {
            self.silence.recovered();
            self.node.recover(self.slot, self.link);
        } else if is_suspect {
            self.ask_for_life(now);
        }
    }

    fn note_life(&mut self, now: Instant) {
        if self.silence.heard(now) {
            self.link.note_heard(now);
        }
    }

    /// Handles the messages that are there, up to a bound: what comes of the first should be on its
    /// way while the rest is handled, so that the peer and this node work at the same time.
    fn dispatch(&mut self) -> Result<(), DownReason> {
        let mut left = TURN_MESSAGES;
        while !self.link.is_closing() {
            if left == 0 {
                self.is_behind = true;
                return Ok(());
            }
            left -= 1;
            match self.decoder.decode(&mut self.received) {
                Ok(Some(FrameEvent::Message(message))) => {
                    dispatch::dispatch(&self.server, self.link, message)
                }
                Ok(Some(FrameEvent::Refused { control, error })) => {
                    dispatch::refuse(self.node, self.link, control, error);
                }
                // A tick has done its work by being received.
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(DownReason::Protocol(error.to_string())),
            }
        }
        Ok(())
    }

    /// Gives the peer up or queues a tick, whichever the clock says. What waits to be written is as
    /// good as a tick.
    fn tick(&mut self) -> Result<bool, DownReason> {
        self.decoder.rest();
        let now = Instant::now().into_std();
        match self.clock.poll(now) {
            Tick::Wait => Ok(false),
            Tick::Send => {
                self.clock.sent(now);
                let is_needed = self.queue.batch.is_empty();
                if is_needed {
                    self.queue.batch.extend_from_slice(&TICK);
                }
                Ok(is_needed)
            }
            Tick::GiveUp { silent_for } => Err(DownReason::Silent(silent_for)),
        }
    }

    /// Probes the peer, or suspects it, where it has been silent for so long, and probes it now and then
    /// where it never is. Tells whether there is something to write.
    fn attend_silence(&mut self, task: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let is_behind =
            self.link.outbox.is_overdue() && (self.is_behind || self.stream.has_unread(task));
        if self.silence.looked(now, is_behind) {
            self.node.recover(self.slot, self.link);
        }
        match self.silence.poll(now) {
            Step::Wait if !self.is_confirmation_due(now) => false,
            Step::Wait | Step::Probe => {
                self.ask_for_life(now);
                true
            }
            Step::Suspect(silent) => {
                self.node.suspect(self.slot, self.link, silent);
                false
            }
        }
    }

    /// Whether answers of this node have waited for a probe, though the link is not quiet: only those of
    /// the last moment are to count as lost when it falls silent, or it would be kept for them.
    fn is_confirmation_due(&self, now: Instant) -> bool {
        let is_silence_watched = self.silence.deadline().is_some();
        is_silence_watched
            && self.probe.is_none()
            && now >= self.probed + CONFIRMATION_PAUSE
            && self.link.serving.has_unconfirmed_answers()
    }

    fn ask_for_life(&mut self, now: Instant) {
        self.link.serving.probe_answers();
        let confirms_answers = self.link.outbox.is_in_order();
        self.probe = Some(Probe {
            request: self.link.ask_for_life(),
            confirms_answers,
            is_of_suspect: self.link.is_suspect(),
            unwritten: Some(self.queue.begun + 1),
        });
        self.probed = now;
        self.silence.asked(now);
    }

    /// Sends what is queued, and waits until the peer has closed its side as well.
    ///
    /// What the peer says meanwhile is read and dropped: with input that nobody has read, the
    /// operating system resets a connection that is closed, and what the peer has not received by
    /// then is lost.
    async fn finish(&mut self) -> io::Result<()> {
        let (mut reader, mut writer) = tokio_io::split(&mut self.stream);
        let (queue, outbox) = (&mut self.queue, &self.link.outbox);
        let send = async {
            loop {
                while !queue.batch.is_empty() {
                    writer.write_buf(&mut queue.batch).await?;
                }
                queue.refill(outbox);
                if queue.batch.is_empty() {
                    return writer.shutdown().await;
                }
            }
        };
        let received = &mut self.received;
        let drop_input = async {
            loop {
                received.clear();
                if read_some(&mut reader, received).await? == 0 {
                    return Ok(());
                }
            }
        };
        tokio::try_join!(send, drop_input).map(drop)
    }
}

/// What came of an attempt to read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    None,
    /// All that could be done for now.
    Some,
    /// There is more to do, but others come first.
    Much,
}

/// Has a task run again after others, and after a look at sockets and timers. One that is woken at
/// once runs 60 times before the runtime looks at those, which is long for one that moves much each
/// time.
fn run_later(task: &mut Context<'_>) {
    let _ = pin!(yield_now()).poll(task);
}

/// What is being written.
#[derive(Debug, Default)]
struct Queue {
    batch: Batch,
    /// What of it the outbox waits to be told of.
    taken: Taken,
    /// How many batches were taken.
    begun: u64,
}

impl Queue {
    /// Takes the next batch once the last one is written.
    fn refill(&mut self, outbox: &Outbox) {
        if self.batch.is_empty() {
            outbox.written(mem::take(&mut self.taken));
            self.taken = outbox.take(&mut self.batch);
            self.begun += u64::from(!self.batch.is_empty());
        }
    }

    /// Whether the batch with this number is written.
    fn has_written(&self, batch: u64) -> bool {
        self.begun > batch || self.begun == batch && self.batch.is_empty()
    }
}

/// The earlier of two instants that there may be.
fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

async fn read_some(
    reader: &mut (impl AsyncReadExt + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<usize> {
    buffer.reserve(READ_BYTES);
    reader.read_buf(buffer).await
}

fn io_error(error: io::Error) -> DownReason {
    match error.kind() {
        // The last is the end of a connection over TLS without a word of it.
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => DownReason::Closed,
        _ => DownReason::Io(error.to_string()),
    }
}
