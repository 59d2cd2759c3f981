//! The hosts and connections of a network, and the packets between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io, mem,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use fastrand::Rng;

use super::{
    connection::{Connection, ConnectionId, End, Side},
    host::{Host, key},
    packet::{Body, Data, Packet},
};
use crate::{
    clock::{self, HostId, Millis},
    trace::Trace,
};

/// How a network is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// From which its chances follow.
    pub(crate) seed: u64,
    /// How long packets take where nothing else is said.
    pub(crate) delay: Delay,
    /// How many bytes may be under way, or unread, one way of a connection.
    pub(crate) window: usize,
}

/// How long a packet takes: any time from one to the other, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    pub(crate) least: Millis,
    pub(crate) most: Millis,
}

/// How long after a partition has healed, or a host is on again, what was kept is sent anew.
const RETRANSMISSION: Millis = 1_500;

/// How many connections wait to be accepted; more are refused.
const BACKLOG: usize = 1_024;

/// How much of a window is read before the other end hears of it.
const TOLD: usize = 4;

/// One write in so many is cut in two.
const CUT: u32 = 8;

pub(super) struct State {
    settings: Settings,
    rng: Rng,
    hosts: Vec<Host>,
    connections: BTreeMap<ConnectionId, Connection>,
    blocked: BTreeSet<(HostId, HostId)>,
    delays: BTreeMap<(HostId, HostId), Delay>,
    next_connection: ConnectionId,
    next_packet: u64,
    /// How many bytes are under way, or unread.
    held: Arc<AtomicUsize>,
    pub(super) trace: Trace,
}

impl State {
    pub(super) fn new(settings: Settings, hosts: usize) -> Self {
        Self {
            settings,
            rng: Rng::with_seed(settings.seed),
            hosts: (0..hosts).map(Host::new).collect(),
            connections: BTreeMap::new(),
            blocked: BTreeSet::new(),
            delays: BTreeMap::new(),
            next_connection: 0,
            next_packet: 0,
            held: Arc::default(),
            trace: Trace::default(),
        }
    }

    pub(super) fn next_arrival(&self, host: HostId) -> Option<Millis> {
        let (&(at, _), _) = self.hosts[host].arrivals.first_key_value()?;
        Some(at)
    }

    pub(super) fn deliver(&mut self, host: HostId) {
        let now = clock::now();
        while let Some(entry) = self.hosts[host].arrivals.first_entry() {
            let (at, number) = *entry.key();
            if at > now {
                return;
            }
            let packet = entry.remove();
            self.arrive(host, number, packet);
        }
    }

    fn arrive(&mut self, host: HostId, number: u64, packet: Packet) {
        let Some(connection) = self.connections.get_mut(&packet.connection) else {
            return;
        };
        let from = connection.end(packet.to.other()).host;
        if self.blocked.contains(&(from, host)) {
            tracing::trace!(connection = packet.connection, to = ?packet.to, from, host, "kept");
            self.hosts[host].kept.insert(number, packet);
        } else if !self.hosts[host].is_on {
            match packet.body {
                // Whoever asks waits as long as it likes, and its system asks again.
                Body::Syn => {
                    connection.end(packet.to).is_dropped = true;
                    self.hosts[host].asked.insert(packet.connection);
                }
                Body::Rst => {}
                _ => {
                    let missed = key(packet.connection, packet.to);
                    self.hosts[host].missed.insert(missed);
                }
            }
            self.forget_if_over(packet.connection);
        } else {
            let Packet {
                connection: id,
                to,
                body,
            } = &packet;
            tracing::trace!(
                connection = id,
                ?to,
                body = body.name(),
                from,
                host,
                "arrived"
            );
            self.trace.note([
                clock::now(),
                packet.connection,
                host as u64,
                packet.body.summary(),
            ]);
            self.receive(packet);
        }
    }

    fn receive(&mut self, packet: Packet) {
        let Packet {
            connection: id,
            to,
            body,
        } = packet;
        if matches!(body, Body::Syn) {
            return self.receive_syn(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = connection.end(to);
        if end.is_dropped {
            // The other end may be one that waits for this one.
            if matches!(body, Body::Data(_) | Body::SynAck) {
                self.send(id, to.other(), Body::Rst);
            }
            return;
        }
        match body {
            Body::SynAck => {
                end.is_open = true;
                end.wake_writer();
            }
            Body::Data(bytes) if !end.is_reset => {
                end.unread.push_back(bytes);
                end.wake_reader();
            }
            Body::Credit(bytes) => {
                end.credit += bytes;
                end.wake_writer();
            }
            Body::Fin => {
                end.other_has_finished = true;
                end.wake_reader();
            }
            Body::Rst => {
                end.is_reset = true;
                end.unread.clear();
                end.wake_reader();
                end.wake_writer();
            }
            Body::Syn | Body::Data(_) => {}
        }
    }

    fn receive_syn(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.end(Side::Client).is_dropped {
            // Who asked has given up: the question was not asked again.
            connection.end(Side::Server).is_dropped = true;
            self.forget_if_over(id);
            return;
        }
        let from = connection.end(Side::Client).address;
        let server = connection.end(Side::Server);
        let host = &mut self.hosts[server.host];
        match host.listener(server.address) {
            Some(backlog) if backlog.waiting.len() < BACKLOG => {
                server.is_open = true;
                backlog.waiting.push_back((id, from));
                if let Some(acceptor) = backlog.acceptor.take() {
                    acceptor.wake();
                }
                self.send(id, Side::Client, Body::SynAck);
            }
            _ => {
                server.is_dropped = true;
                self.send(id, Side::Client, Body::Rst);
            }
        }
    }

    /// Sends something to an end of a connection.
    fn send(&mut self, id: ConnectionId, to: Side, body: Body) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let from = connection.end(to.other()).host;
        if !self.hosts[from].is_on {
            return;
        }
        let host = connection.end(to).host;
        let delay = match from == host {
            // As soon as anything can come.
            true => self.settings.delay.least,
            false => {
                let pair = (from.min(host), from.max(host));
                let Delay { least, most } = *self.delays.get(&pair).unwrap_or(&self.settings.delay);
                self.rng.u64(least..=most)
            }
        };
        let at = (clock::now() + delay).max(connection.end(to).last_arrival);
        connection.end(to).last_arrival = at;
        let packet = Packet {
            connection: id,
            to,
            body,
        };
        self.next_packet += 1;
        let number = self.next_packet;
        self.hosts[host].arrivals.insert((at, number), packet);
    }

    fn forget_if_over(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(Connection::is_over) {
            self.connections.remove(&id);
        }
    }

    pub(super) fn open_connections(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Faults.
impl State {
    /// Closes all sockets of a host, as its operating system does when the program ends. One after
    /// the other, where the runtime would drop them in an order that is different each time.
    pub(super) fn close_all(&mut self, host: HostId) {
        let listening: Vec<_> = self.hosts[host].listeners.keys().copied().collect();
        for address in listening {
            self.stop_listening(host, address);
        }
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            for side in [Side::Client, Side::Server] {
                if self.end(id, side).is_ok_and(|end| end.host == host) {
                    self.drop_end(id, side);
                }
            }
        }
    }

    pub(super) fn power_off(&mut self, host: HostId) {
        self.hosts[host].is_on = false;
        // It forgets them, and says nothing.
        for connection in self.connections.values_mut() {
            for side in [Side::Client, Side::Server] {
                let end = connection.end(side);
                end.is_dropped |= end.host == host;
            }
        }
        self.connections
            .retain(|_, connection| !connection.is_over());
        self.hosts[host].listeners.clear();
    }

    pub(super) fn is_on(&self, host: HostId) -> bool {
        self.hosts[host].is_on
    }

    pub(super) fn power_on(&mut self, host: HostId) {
        self.hosts[host].is_on = true;
        for id in mem::take(&mut self.hosts[host].asked) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.end(Side::Server).is_dropped = false;
                let after = self.rng.u64(0..=RETRANSMISSION);
                self.send_after(after, id, Side::Server, Body::Syn);
            }
        }
        for (id, side) in mem::take(&mut self.hosts[host].missed) {
            let to = if side == 0 {
                Side::Server
            } else {
                Side::Client
            };
            let after = self.rng.u64(0..=RETRANSMISSION);
            self.send_after(after, id, to, Body::Rst);
        }
    }

    /// As `send`, after a while.
    fn send_after(&mut self, after: Millis, id: ConnectionId, to: Side, body: Body) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let end = connection.end(to);
            end.last_arrival = end.last_arrival.max(clock::now() + after);
        }
        self.send(id, to, body);
    }

    pub(super) fn block(&mut self, from: HostId, to: HostId) {
        self.blocked.insert((from, to));
    }

    pub(super) fn unblock(&mut self, from: HostId, to: HostId) {
        if !self.blocked.remove(&(from, to)) {
            return;
        }
        // What is still under way of the same connections must not overtake what was kept.
        let mut packets = BTreeMap::new();
        let is_from = |connections: &mut BTreeMap<ConnectionId, Connection>, packet: &Packet| {
            let connection = connections.get_mut(&packet.connection);
            connection.is_some_and(|connection| connection.end(packet.to.other()).host == from)
        };
        let host = &mut self.hosts[to];
        for (number, packet) in mem::take(&mut host.kept) {
            match is_from(&mut self.connections, &packet) {
                true => packets.insert(number, packet),
                false => host.kept.insert(number, packet),
            };
        }
        let kept: BTreeSet<_> = packets.values().map(|packet| packet.connection).collect();
        for ((at, number), packet) in mem::take(&mut host.arrivals) {
            let follows =
                kept.contains(&packet.connection) && is_from(&mut self.connections, &packet);
            match follows {
                true => packets.insert(number, packet),
                false => host.arrivals.insert((at, number), packet),
            };
        }

        let mut times = BTreeMap::<ConnectionId, Millis>::new();
        for (number, packet) in packets {
            let again = || clock::now() + 1 + self.rng.u64(0..=RETRANSMISSION);
            let at = *times.entry(packet.connection).or_insert_with(again);
            if let Some(connection) = self.connections.get_mut(&packet.connection) {
                let end = connection.end(packet.to);
                end.last_arrival = end.last_arrival.max(at);
                self.hosts[to].arrivals.insert((at, number), packet);
            }
        }
    }

    pub(super) fn blocked(&self) -> &BTreeSet<(HostId, HostId)> {
        &self.blocked
    }

    pub(super) fn set_delay(&mut self, one: HostId, other: HostId, delay: Option<Delay>) {
        let pair = (one.min(other), one.max(other));
        match delay {
            Some(delay) => self.delays.insert(pair, delay),
            None => self.delays.remove(&pair),
        };
    }
}

/// What sockets of the host that runs ask for.
impl State {
    pub(super) fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let number = host.strip_prefix('h').and_then(|id| id.parse().ok());
        let host = number.and_then(|id: usize| self.hosts.get(id));
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "there is no such host");
        Ok(vec![host.ok_or_else(unknown)?.ip])
    }

    pub(super) fn listen(&mut self, mut address: SocketAddr) -> io::Result<SocketAddr> {
        let host = &mut self.hosts[clock::host()];
        if !host.owns(address.ip()) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if address.port() == 0 {
            address.set_port(host.free_port());
        }
        if host.listener(address).is_some() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        host.listeners.insert(address, Default::default());
        Ok(address)
    }

    pub(super) fn stop_listening(&mut self, host: HostId, address: SocketAddr) {
        let Some(backlog) = self.hosts[host].listeners.remove(&address) else {
            return;
        };
        for (id, _) in backlog.waiting {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.end(Side::Server).is_dropped = true;
                self.send(id, Side::Client, Body::Rst);
                self.forget_if_over(id);
            }
        }
    }

    pub(super) fn poll_accept(
        &mut self,
        host: HostId,
        address: SocketAddr,
        task: &mut Context<'_>,
    ) -> Poll<(ConnectionId, SocketAddr)> {
        let Some(backlog) = self.hosts[host].listeners.get_mut(&address) else {
            return Poll::Pending;
        };
        match backlog.waiting.pop_front() {
            Some(accepted) => Poll::Ready(accepted),
            None => {
                backlog.acceptor = Some(task.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn connect(&mut self, address: SocketAddr) -> io::Result<ConnectionId> {
        let own = clock::host();
        let is_own = self.hosts[own].owns(address.ip());
        let other = match is_own {
            true => Some(own),
            false => self.hosts.iter().position(|host| host.ip == address.ip()),
        };
        let Some(other) = other else {
            return Err(io::ErrorKind::HostUnreachable.into());
        };
        let own_ip = match address.ip().is_loopback() {
            true => Ipv4Addr::LOCALHOST.into(),
            false => self.hosts[own].ip,
        };
        let own_address = SocketAddr::new(own_ip, self.hosts[own].free_port());
        let window = self.settings.window;
        let connection = Connection::new(
            End::new(own, own_address, window),
            End::new(other, address, window),
        );
        self.next_connection += 1;
        let id = self.next_connection;
        self.connections.insert(id, connection);
        self.send(id, Side::Server, Body::Syn);
        Ok(id)
    }

    pub(super) fn poll_connected(
        &mut self,
        id: ConnectionId,
        task: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.client(id)?;
        if end.is_reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
        }
        if end.is_open {
            return Poll::Ready(Ok(()));
        }
        end.writer = Some(task.waker().clone());
        Poll::Pending
    }

    fn client(&mut self, id: ConnectionId) -> io::Result<&mut End> {
        self.end(id, Side::Client)
    }

    fn end(&mut self, id: ConnectionId, side: Side) -> io::Result<&mut End> {
        match self.connections.get_mut(&id) {
            Some(connection) => Ok(connection.end(side)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn address(&mut self, id: ConnectionId, side: Side) -> io::Result<SocketAddr> {
        self.end(id, side).map(|end| end.address)
    }

    /// Reads at most so much, which is nothing at the end.
    pub(super) fn poll_read(
        &mut self,
        id: ConnectionId,
        side: Side,
        most: usize,
        task: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        let window = self.settings.window;
        let end = self.end(id, side)?;
        if let Some(first) = end.unread.front_mut() {
            let read = first.read(most);
            if first.len() == 0 {
                end.unread.pop_front();
            }
            end.untold += read.len();
            if end.untold >= window / TOLD {
                let bytes = mem::take(&mut end.untold);
                self.send(id, side.other(), Body::Credit(bytes));
            }
            return Poll::Ready(Ok(read));
        }
        if end.is_reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if end.other_has_finished {
            return Poll::Ready(Ok(Bytes::new()));
        }
        end.reader = Some(task.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_unread(
        &mut self,
        id: ConnectionId,
        side: Side,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        match self.end(id, side) {
            Ok(end) if end.unread.is_empty() => {
                end.reader = Some(task.waker().clone());
                Poll::Pending
            }
            Ok(_) => Poll::Ready(()),
            Err(_forgotten) => Poll::Pending,
        }
    }

    pub(super) fn poll_write(
        &mut self,
        id: ConnectionId,
        side: Side,
        bytes: &[u8],
        task: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let end = self.end(id, side)?;
        if end.is_reset || end.has_finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(end.credit);
        if count == 0 {
            end.writer = Some(task.waker().clone());
            return Poll::Pending;
        }
        end.credit -= count;
        let cut = match count > 1 && self.rng.u32(0..CUT) == 0 {
            true => self.rng.usize(1..count),
            false => 0,
        };
        for part in [&bytes[..cut], &bytes[cut..count]] {
            if !part.is_empty() {
                let data = Data::new(part, &self.held);
                self.send(id, side.other(), Body::Data(data));
            }
        }
        Poll::Ready(Ok(count))
    }

    pub(super) fn finish(&mut self, id: ConnectionId, side: Side) -> io::Result<()> {
        let end = self.end(id, side)?;
        if end.is_reset {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if !mem::replace(&mut end.has_finished, true) {
            self.send(id, side.other(), Body::Fin);
        }
        Ok(())
    }

    /// Nobody holds this end any more.
    pub(super) fn drop_end(&mut self, id: ConnectionId, side: Side) {
        let Ok(end) = self.end(id, side) else {
            return;
        };
        if mem::replace(&mut end.is_dropped, true) {
            // Its host was turned off.
            return;
        }
        let last = match end {
            End { is_reset: true, .. } => None,
            // What nobody reads any more was not received.
            End { unread, .. } if !unread.is_empty() => Some(Body::Rst),
            End { is_open: false, .. } => None,
            End {
                has_finished: true, ..
            } => None,
            _ => Some(Body::Fin),
        };
        if let Some(last) = last {
            self.send(id, side.other(), last);
        }
        self.forget_if_over(id);
    }
}
