//! The task of a link: it alone reads from and writes to the socket.

use std::{io, sync::Arc, time::Duration};

use beam_dist::{
    frame::{Event as FrameEvent, FrameDecoder, FrameLimits, TICK},
    tick::{LinkClock, Tick, TickPolicy},
};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Link, dispatch,
    outbox::{Outbox, Taken},
};
use crate::{connect::Socket, event::DownReason, peer::Slot, state::NodeState};

/// How much room one read is given.
const READ_BYTES: usize = 64 * 1024;

/// How long an ending link may take to send what is queued, and the peer to read it.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// Runs a link to its end, and cleans up after it.
pub(crate) async fn run(node: Arc<NodeState>, slot: Arc<Slot>, link: Arc<Link>, socket: Socket) {
    let mut end = End {
        node: &node,
        slot: &slot,
        link: &link,
        is_made: false,
    };
    let mut wire = Wire::new(&node, &link, socket);
    // A close of this node has given its reason already.
    let reason = wire.exchange().await.err().unwrap_or_else(|| link.reason());
    end.make(reason);
    if is_in_order(&link.reason()) {
        let _ = timeout(FLUSH_PATIENCE, wire.finish()).await;
    }
}

/// The end of a link, which comes however its task ends.
struct End<'a> {
    node: &'a NodeState,
    slot: &'a Slot,
    link: &'a Link,
    is_made: bool,
}

impl End<'_> {
    fn make(&mut self, reason: DownReason) {
        self.is_made = true;
        // The first reason counts: who closed the link knows better than who saw the effect.
        self.link.close(reason);
        if !self.node.withdraw(self.slot, self.link) {
            // Whoever did so before did not see what came of the last message.
            self.node.release_processes(self.link);
        }
    }
}

impl Drop for End<'_> {
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
    link: &'a Arc<Link>,
    stream: TcpStream,
    decoder: FrameDecoder,
    received: BytesMut,
    queue: Queue,
    clock: LinkClock,
}

impl<'a> Wire<'a> {
    fn new(node: &'a Arc<NodeState>, link: &'a Arc<Link>, socket: Socket) -> Self {
        let Socket {
            stream,
            received,
            unsent,
        } = socket;
        let limits = &node.identity.limits;
        Self {
            node,
            link,
            stream,
            decoder: FrameDecoder::new(link.flags, FrameLimits::from(limits))
                .with_term_limits(limits.into()),
            received,
            queue: Queue {
                batch: unsent,
                taken: Taken::default(),
            },
            clock: LinkClock::new(
                TickPolicy::new(node.net_ticktime),
                Instant::now().into_std(),
            ),
        }
    }

    /// Reads, dispatches and writes until the link fails or is closed by this node.
    async fn exchange(&mut self) -> Result<(), DownReason> {
        // What came in one piece with the end of the handshake.
        self.dispatch()?;
        while !self.link.is_closing() {
            let (mut reader, mut writer) = self.stream.split();
            tokio::select! {
                read = read_some(&mut reader, &mut self.received), if !self.link.outbox.is_overdue() => {
                    if read.map_err(io_error)? == 0 {
                        return Err(DownReason::Closed);
                    }
                    self.clock.received(Instant::now().into_std());
                    self.dispatch()?;
                }
                written = writer.write_buf(&mut self.queue.batch), if !self.queue.batch.is_empty() => {
                    written.map_err(io_error)?;
                    self.clock.sent(Instant::now().into_std());
                    self.queue.refill(&self.link.outbox);
                }
                () = self.link.outbox.filled(), if self.queue.batch.is_empty() => {
                    // Others that are ready to run may have something to send as well: one write
                    // for all of them is what makes many small calls cheap.
                    tokio::task::yield_now().await;
                    self.queue.refill(&self.link.outbox);
                }
                () = sleep_until(self.clock.deadline().into()) => self.tick()?,
                () = self.link.closing.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Handles the messages that are there, until the link is closed.
    fn dispatch(&mut self) -> Result<(), DownReason> {
        while !self.link.is_closing() {
            match self.decoder.decode(&mut self.received) {
                Ok(Some(FrameEvent::Message(message))) => {
                    dispatch::dispatch(self.node, self.link, message)
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

    /// Sends a tick or gives the peer up, whichever the clock says.
    fn tick(&mut self) -> Result<(), DownReason> {
        let now = Instant::now().into_std();
        match self.clock.poll(now) {
            Tick::Wait => {}
            Tick::Send => {
                // What waits to be written is as good as a tick.
                if self.queue.batch.is_empty() {
                    self.queue.batch.extend_from_slice(&TICK);
                }
                self.clock.sent(now);
            }
            Tick::GiveUp { silent_for } => return Err(DownReason::Silent(silent_for)),
        }
        Ok(())
    }

    /// Sends what is queued, and waits until the peer has closed its side as well.
    ///
    /// What the peer says meanwhile is read and dropped: with input that nobody has read, the
    /// operating system resets a connection that is closed, and what the peer has not received by
    /// then is lost.
    async fn finish(&mut self) -> io::Result<()> {
        let (mut reader, mut writer) = self.stream.split();
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

/// What is being written.
#[derive(Debug, Default)]
struct Queue {
    batch: BytesMut,
    /// What of it the outbox waits to be told of.
    taken: Taken,
}

impl Queue {
    /// Takes the next batch once the last one is written.
    fn refill(&mut self, outbox: &Outbox) {
        if self.batch.is_empty() {
            outbox.written(std::mem::take(&mut self.taken));
            self.taken = outbox.take(&mut self.batch);
        }
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
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => DownReason::Closed,
        _ => DownReason::Io(error.to_string()),
    }
}
