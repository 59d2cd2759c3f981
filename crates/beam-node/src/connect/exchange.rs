//! The socket during the handshake, and what becomes of it afterwards.

use std::{fmt::Display, io, sync::Arc, time::Duration};

use beam_dist::handshake::{HandshakeError, take_long_packet, take_packet, with_long_lengths};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{ConnectError, IoError, Stream, close_in_order};
use crate::{
    link::{self, Link},
    peer::Slot,
    state::NodeState,
};

/// Sends and receives the packets of a handshake.
pub(super) struct Exchange {
    stream: Stream,
    received: BytesMut,
    with: String,
    /// When the last packet was sent, until the next one comes.
    sent: Option<Instant>,
    round_trip: Duration,
}

/// A socket behind a completed handshake.
pub(crate) struct Socket {
    pub(crate) stream: Stream,
    /// What came after the handshake.
    pub(crate) received: BytesMut,
    /// What is to be sent before anything else.
    pub(crate) unsent: BytesMut,
    /// How long the peer took for the last packet that it was to send.
    pub(crate) round_trip: Duration,
}

impl Exchange {
    pub(super) fn new(stream: Stream, with: &impl Display) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            with: with.to_string(),
            sent: None,
            round_trip: Duration::ZERO,
        }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(super) async fn send(&mut self, packet: Option<Bytes>) -> Result<(), ConnectError> {
        let Some(packet) = packet else {
            return Ok(());
        };
        let Err(error) = self.write(&packet).await else {
            self.sent = Some(Instant::now());
            return Ok(());
        };
        // With TLS 1.3, a node that connects learns only now whether its certificate is taken, and
        // may meet a closed connection before it reads why not.
        if self.stream.is_tls()
            && let Err(refused @ ConnectError::Tls { .. }) = Box::pin(self.receive()).await
        {
            return Err(refused);
        }
        Err(self.failed(error))
    }

    async fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        match self.stream.is_tls() {
            true => self.stream.write_all(&with_long_lengths(packet)).await?,
            false => self.stream.write_all(packet).await?,
        }
        self.stream.flush().await
    }

    /// The next packet; `None` at the end of the stream.
    pub(super) async fn receive(&mut self) -> Result<Option<Bytes>, ConnectError> {
        loop {
            if let Some(packet) = self.take()? {
                if let Some(sent) = self.sent.take() {
                    self.round_trip = sent.elapsed();
                }
                return Ok(Some(packet));
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                // A peer that refuses may close before it has read all that was sent, and without a
                // word of TLS.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
                    ) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    fn take(&mut self) -> Result<Option<Bytes>, ConnectError> {
        if self.stream.is_tls() {
            return Ok(take_long_packet(&mut self.received)?);
        }
        match take_packet(&mut self.received) {
            Err(HandshakeError::TooLong { len }) if begins_tls(len) => {
                Err(ConnectError::WantsTls {
                    with: self.with.clone(),
                })
            }
            taken => Ok(taken?),
        }
    }

    /// Ends a connection whose peer was told why.
    pub(super) async fn close(self) {
        // It is rare, and every handshake would have room for it otherwise.
        Box::pin(close_in_order(self.stream)).await;
    }

    /// The socket for a link, with the last packet of the handshake, which is still to be sent.
    pub(super) fn into_socket(self, last: Option<Bytes>) -> Socket {
        let last = last.as_deref().unwrap_or_default();
        let unsent = match self.stream.is_tls() {
            true => with_long_lengths(last).into(),
            false => last.into(),
        };
        Socket {
            stream: self.stream,
            received: self.received,
            unsent,
            round_trip: self.round_trip,
        }
    }

    fn failed(&self, error: io::Error) -> ConnectError {
        let with = self.with.clone();
        #[cfg(feature = "tls")]
        if let Some(error) = crate::tls::explain(&error) {
            return ConnectError::Tls { with, error };
        }
        let error = IoError::from(error);
        ConnectError::Io { with, error }
    }
}

/// Whether what was taken for the length of a packet begins a record of TLS: its kind, which is a
/// handshake or an alert, and the first byte of its version.
fn begins_tls(len: usize) -> bool {
    const ALERT: usize = 0x15_03;
    const HANDSHAKE: usize = 0x16_03;
    matches!(len, ALERT | HANDSHAKE)
}

impl Socket {
    /// Starts the task of a link.
    pub(crate) fn run(self, node: &Arc<NodeState>, slot: &Arc<Slot>, link: &Arc<Link>) {
        node.spawn(link::run(
            Arc::clone(node),
            Arc::clone(slot),
            Arc::clone(link),
            self,
        ));
    }
}
