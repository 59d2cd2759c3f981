//! A simulated network: hosts, connections between them, and what delays or keeps what they send.
//!
//! Connections are streams as TCP's, seen from the socket: in order and whole, with a bounded window,
//! an end in good order (FIN) or a reset (RST), and silence where a packet cannot come through. What a
//! partition keeps comes when it heals, as retransmissions do; nothing else is lost.

mod connection;
mod host;
mod packet;
mod socket;
mod state;

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use beam_node::network::{Connecting, Listener, Network};

use crate::clock::{HostId, Millis};

pub(crate) use state::{Delay, Settings};

use {socket::Attempt, state::State};

/// A simulated network, which all hosts of a simulation share.
#[derive(Clone)]
pub(crate) struct Net(Arc<Mutex<State>>);

impl Net {
    /// A network of so many hosts, named `h0` and on; all of them are on.
    pub(crate) fn new(settings: Settings, hosts: usize) -> Self {
        Self(Arc::new(Mutex::new(State::new(settings, hosts))))
    }

    /// The name of a host.
    pub(crate) fn host_name(host: HostId) -> String {
        format!("h{host}")
    }

    /// Hands a host all that has come for it by now.
    pub(crate) fn deliver(&self, host: HostId) {
        self.state().deliver(host);
    }

    /// When the next packet comes to a host.
    pub(crate) fn next_arrival(&self, host: HostId) -> Option<Millis> {
        self.state().next_arrival(host)
    }

    /// Closes all sockets of a host, as its operating system does when the program ends.
    pub(crate) fn close_all(&self, host: HostId) {
        self.state().close_all(host);
    }

    /// Turns a host off, without a word to anybody.
    pub(crate) fn power_off(&self, host: HostId) {
        self.state().power_off(host);
    }

    /// Turns a host on again. Who sent it something meanwhile hears that the connection is unknown.
    pub(crate) fn power_on(&self, host: HostId) {
        self.state().power_on(host);
    }

    /// Whether a host is on.
    pub(crate) fn is_on(&self, host: HostId) -> bool {
        self.state().is_on(host)
    }

    /// Keeps all packets of one host to another from here on.
    pub(crate) fn block(&self, from: HostId, to: HostId) {
        self.state().block(from, to);
    }

    /// Lets packets of one host to another pass again; those that were kept come within a while.
    pub(crate) fn unblock(&self, from: HostId, to: HostId) {
        self.state().unblock(from, to);
    }

    /// Which pairs are blocked, in which direction.
    pub(crate) fn blocked(&self) -> BTreeSet<(HostId, HostId)> {
        self.state().blocked().clone()
    }

    /// Sets how long packets between two hosts take, both ways; `None` as everywhere.
    pub(crate) fn set_delay(&self, one: HostId, other: HostId, delay: Option<Delay>) {
        self.state().set_delay(one, other, delay);
    }

    /// Takes an event of the simulation into its trace.
    pub(crate) fn note(&self, event: [u64; 4]) {
        self.state().trace.note(event);
    }

    /// The hash of all that happened, and how many events that were.
    pub(crate) fn trace(&self) -> (u64, u64) {
        let state = self.state();
        (state.trace.hash(), state.trace.events())
    }

    /// How many connections have an end that is open.
    pub(crate) fn open_connections(&self) -> usize {
        self.state().open_connections()
    }

    /// How many bytes are under way, or unread.
    pub(crate) fn held_bytes(&self) -> usize {
        self.state().held_bytes()
    }

    // A panic elsewhere is reported as such.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network for Net {
    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let address = self.state().listen(address)?;
        Ok(Box::new(socket::Listening::new(self.clone(), address)))
    }

    fn connect(&self, address: SocketAddr) -> Connecting {
        let begun = self.state().connect(address);
        let net = self.clone();
        Box::pin(async move { Attempt::new(net, begun?).await })
    }

    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.state().lookup(host)
    }
}
