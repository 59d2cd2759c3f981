//! A host, as the network sees it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    task::Waker,
};

use super::{
    connection::{ConnectionId, Side},
    packet::Packet,
};
use crate::clock::{HostId, Millis};

#[derive(Debug)]
pub(super) struct Host {
    pub(super) ip: IpAddr,
    pub(super) is_on: bool,
    pub(super) listeners: BTreeMap<SocketAddr, Backlog>,
    /// What is under way to it, by when it comes; the second number is that of the packet.
    pub(super) arrivals: BTreeMap<(Millis, u64), Packet>,
    /// What a partition keeps from it, by the number of the packet.
    pub(super) kept: BTreeMap<u64, Packet>,
    /// Connections that were asked for while it was off.
    pub(super) asked: BTreeSet<ConnectionId>,
    /// Ends that were sent something while it was off.
    pub(super) missed: BTreeSet<(ConnectionId, u8)>,
    next_port: u16,
}

/// Connections that were not accepted yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pub(super) waiting: VecDeque<(ConnectionId, SocketAddr)>,
    pub(super) acceptor: Option<Waker>,
}

const FIRST_PORT: u16 = 32_768;

impl Host {
    pub(super) fn new(id: HostId) -> Self {
        Self {
            ip: Ipv4Addr::new(10, 0, 0, id as u8 + 1).into(),
            is_on: true,
            listeners: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            kept: BTreeMap::new(),
            asked: BTreeSet::new(),
            missed: BTreeSet::new(),
            next_port: FIRST_PORT,
        }
    }

    /// A port that was not used for a long time.
    pub(super) fn free_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    pub(super) fn owns(&self, ip: IpAddr) -> bool {
        ip == self.ip || ip == Ipv4Addr::LOCALHOST || ip.is_unspecified()
    }

    /// Who listens for connections to this address.
    pub(super) fn listener(&mut self, address: SocketAddr) -> Option<&mut Backlog> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
        match self.listeners.contains_key(&address) {
            true => self.listeners.get_mut(&address),
            false => self.listeners.get_mut(&any),
        }
    }
}

/// For a set: an end of a connection.
pub(super) fn key(connection: ConnectionId, side: Side) -> (ConnectionId, u8) {
    (connection, u8::from(side == Side::Server))
}
