//! The socket during the handshake, and what becomes of it afterwards.

use std::{fmt::Display, io, sync::Arc};

use beam_dist::handshake::take_packet;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ConnectError, IoError};
use crate::{
    link::{self, Link},
    net::TcpStream,
    peer::Slot,
    state::NodeState,
};

/// Sends and receives the packets of a handshake.
pub(super) struct Exchange {
    stream: TcpStream,
    received: BytesMut,
    with: String,
}

/// A socket behind a completed handshake.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    /// What came after the handshake.
    pub(crate) received: BytesMut,
    /// What is to be sent before anything else.
    pub(crate) unsent: BytesMut,
}

impl Exchange {
    pub(super) fn new(stream: TcpStream, with: &impl Display) -> Self {
        // Small frames must not wait for each other's acknowledgement. A socket that refuses
        // is slow, not broken.
        let _ = stream.set_nodelay(true);
        limit_unsent(&stream);
        Self {
            stream,
            received: BytesMut::new(),
            with: with.to_string(),
        }
    }

    pub(super) async fn send(&mut self, packet: Option<Bytes>) -> Result<(), ConnectError> {
        match packet {
            Some(packet) => self
                .stream
                .write_all(&packet)
                .await
                .map_err(|error| self.failed(&error)),
            None => Ok(()),
        }
    }

    /// The next packet; `None` at the end of the stream.
    pub(super) async fn receive(&mut self) -> Result<Option<Bytes>, ConnectError> {
        loop {
            if let Some(packet) = take_packet(&mut self.received)? {
                return Ok(Some(packet));
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                // A peer that refuses may close before it has read all that was sent.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    /// The socket for a link, with the last packet of the handshake, which is still to be sent.
    pub(super) fn into_socket(self, last: Option<Bytes>) -> Socket {
        Socket {
            stream: self.stream,
            received: self.received,
            unsent: last.as_deref().unwrap_or_default().into(),
        }
    }

    fn failed(&self, error: &io::Error) -> ConnectError {
        ConnectError::Io {
            with: self.with.clone(),
            error: IoError::from(error),
        }
    }
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

/// Keeps the operating system from taking more than it can send soon, so that a small message is
/// not queued behind megabytes of a large one. How much may be on its way through the network is
/// not limited.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(rlb_simulation)))]
fn limit_unsent(stream: &TcpStream) {
    // One that refuses keeps small messages waiting at the worst.
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(rlb_simulation))))]
fn limit_unsent(_stream: &TcpStream) {}

/// How much the operating system takes of what it cannot send yet.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(rlb_simulation)))]
const UNSENT_BYTES: u32 = 128 * 1024;
