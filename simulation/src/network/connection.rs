//! The two ends of a connection.

use std::{collections::VecDeque, net::SocketAddr, task::Waker};

use super::packet::Data;
use crate::clock::{HostId, Millis};

/// A connection, by its number.
pub(super) type ConnectionId = u64;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    client: End,
    server: End,
}

/// What the host of one end knows, and what is under way to it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) host: HostId,
    pub(super) address: SocketAddr,
    /// For the client: whether it was accepted. The server's end begins with that.
    pub(super) is_open: bool,
    /// What came and was not read.
    pub(super) unread: VecDeque<Data>,
    /// How many bytes may be written before the other end has read some.
    pub(super) credit: usize,
    /// How many bytes were read of which the other end does not know yet.
    pub(super) untold: usize,
    pub(super) has_finished: bool,
    pub(super) other_has_finished: bool,
    pub(super) is_reset: bool,
    /// Nobody holds it any more.
    pub(super) is_dropped: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// When the last packet comes that was sent to it: none overtakes another.
    pub(super) last_arrival: Millis,
}

impl End {
    pub(super) fn new(host: HostId, address: SocketAddr, window: usize) -> Self {
        Self {
            host,
            address,
            is_open: false,
            unread: VecDeque::new(),
            credit: window,
            untold: 0,
            has_finished: false,
            other_has_finished: false,
            is_reset: false,
            is_dropped: false,
            reader: None,
            writer: None,
            last_arrival: 0,
        }
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

impl Connection {
    pub(super) fn new(client: End, server: End) -> Self {
        Self { client, server }
    }

    pub(super) fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.client.is_dropped && self.server.is_dropped
    }
}
