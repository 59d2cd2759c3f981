//! The peer's end of a connection.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use beam_dist::{
    Cookie, Message, NodeName,
    frame::{Event, FrameDecoder, FrameEncoder, FrameLimits},
    handshake::{
        Acceptor, AcceptorEvent, Challenge, Decision, Established, Identity, Initiator,
        InitiatorEvent, take_packet,
    },
};
use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    time::timeout,
};
use tokio_util::io::poll_read_buf;

use super::{COOKIE, said::Said};

/// A connection after its handshake.
pub(super) struct Wire {
    stream: DuplexStream,
    pub(super) encoder: FrameEncoder,
    pub(super) said: Said,
    decoder: FrameDecoder,
    received: BytesMut,
    unsent: BytesMut,
    is_closed: bool,
}

/// Longer than the node takes for a handshake.
const PATIENCE: Duration = Duration::from_secs(6);

/// How much waits to be sent while the node does not read; what is said beyond it is left out.
const UNSENT_BYTES: usize = 256 * 1024;

impl Wire {
    /// Connects to the node; `None` where nothing comes of it.
    pub(super) async fn initiate(
        mut stream: DuplexStream,
        own: Identity,
        node: &NodeName,
    ) -> Option<Self> {
        let mut initiator = Initiator::new(own, node.clone(), cookie(), challenge());
        let mut received = BytesMut::new();
        let handshake = async {
            loop {
                send(&mut stream, initiator.outgoing()).await?;
                let packet = packet(&mut stream, &mut received).await?;
                match initiator.receive(&packet).ok()? {
                    InitiatorEvent::Alive => initiator.confirm(true).ok()?,
                    InitiatorEvent::Established(established) => break Some(established),
                    _ => {}
                }
            }
        };
        let established = timeout(PATIENCE, handshake).await.ok()??;
        Some(Self::new(stream, &established, received))
    }

    /// Accepts the node.
    pub(super) async fn accept(mut stream: DuplexStream, own: Identity) -> Option<Self> {
        let mut acceptor = Acceptor::new(own, cookie(), challenge());
        let mut received = BytesMut::new();
        let handshake = async {
            loop {
                let packet = packet(&mut stream, &mut received).await?;
                let event = acceptor.receive(&packet).ok()?;
                if matches!(event, AcceptorEvent::Decide(_)) {
                    acceptor.decide(Decision::Ok).ok()?;
                }
                send(&mut stream, acceptor.outgoing()).await?;
                if let AcceptorEvent::Established(established) = event {
                    break Some(established);
                }
            }
        };
        let established = timeout(PATIENCE, handshake).await.ok()??;
        Some(Self::new(stream, &established, received))
    }

    fn new(stream: DuplexStream, established: &Established, received: BytesMut) -> Self {
        let (flags, limits) = (established.flags, FrameLimits::default());
        Self {
            stream,
            encoder: FrameEncoder::new(flags, limits),
            said: Said::default(),
            decoder: FrameDecoder::new(flags, limits),
            received,
            unsent: BytesMut::new(),
            is_closed: false,
        }
    }

    /// Whether the node has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Has bytes sent, whole or not at all.
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        if self.unsent.len() + bytes.len() <= UNSENT_BYTES {
            self.unsent.extend_from_slice(bytes);
        } else {
            self.said.is_garbled = true;
        }
    }

    /// Writes what there is room for; tells whether anything was written.
    pub(super) async fn write(&mut self) -> bool {
        let mut progress = false;
        while !self.unsent.is_empty() {
            let (stream, unsent) = (Pin::new(&mut self.stream), &self.unsent);
            let mut stream = Some(stream);
            let write = |task: &mut Context<'_>| match stream.take() {
                Some(stream) => stream.poll_write(task, unsent),
                None => Poll::Pending,
            };
            match at_once(write).await {
                Some(Ok(count)) => self.unsent.advance(count),
                Some(Err(_)) => {
                    self.is_closed = true;
                    self.unsent.clear();
                }
                None => break,
            }
            progress = true;
        }
        progress
    }

    /// Reads what there is; tells whether there was anything.
    pub(super) async fn read(&mut self) -> bool {
        let mut progress = false;
        while !self.is_closed {
            let (stream, received) = (&mut self.stream, &mut self.received);
            let read =
                |task: &mut Context<'_>| poll_read_buf(Pin::new(&mut *stream), task, received);
            match at_once(read).await {
                Some(Ok(1..)) => progress = true,
                Some(_) => self.is_closed = true,
                None => break,
            }
        }
        progress
    }

    /// The next message of those that were read. What the node sends can be decoded.
    pub(super) fn message(&mut self) -> Option<Message> {
        loop {
            match self.decoder.decode(&mut self.received) {
                Ok(Some(Event::Message(message))) => {
                    self.said.received(&message.control);
                    return Some(message);
                }
                // What the user of the node sends may be beyond the limits of others.
                Ok(Some(Event::Tick | Event::Refused { .. })) => {}
                Ok(None) => return None,
                other => panic!("the node sent what cannot be read: {other:?}"),
            }
        }
    }
}

/// Does what can be done without waiting.
async fn at_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    poll_fn(|task| {
        Poll::Ready(match poll(task) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

async fn send(stream: &mut DuplexStream, outgoing: Option<Bytes>) -> Option<()> {
    match outgoing {
        Some(packets) => stream.write_all(&packets).await.ok(),
        None => Some(()),
    }
}

async fn packet(stream: &mut DuplexStream, received: &mut BytesMut) -> Option<Bytes> {
    loop {
        if let Some(packet) = take_packet(received).ok()? {
            return Some(packet);
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}

fn cookie() -> Cookie {
    COOKIE.parse().expect("the cookie is valid")
}

fn challenge() -> Challenge {
    Challenge::predictable(77)
}
