//! Being registered with EPMD, and staying so.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use beam_dist::{
    Creation, NodeName,
    epmd::{AliveName, NodeKind, Registration},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Epmd, EpmdServer, SilentEpmd,
    client::{self, LOCAL_PATIENCE, connect_local, within},
    relay::relay,
};
use crate::{backoff::Backoff, connect::IoError, net::TcpStream, resolve};

/// Keeps a node registered with the EPMD of its machine.
///
/// ```text
///        begin                  keep, until stopped
///   ┌───────────────┐  ┌───────────────────────────────────┐
///   connect ─ register ─ connection lost ─ pause ─ connect …
///      │ nobody answers, in mode Auto                  │
///      └─ serve EPMD, or lose the race for the port ───┘
/// ```
#[derive(Debug)]
pub(crate) struct Registrar {
    epmd: Epmd,
    port: u16,
    /// Where the node listens, to be found from other machines.
    listening: SocketAddr,
    host: String,
    registration: Registration,
    /// The registration lasts as long as this connection. There is none without EPMD.
    connection: Option<TcpStream>,
    /// The EPMD that this node serves, having won the race for the port.
    pub(super) server: Option<EpmdServer>,
}

/// How long a node that stops waits until EPMD has forgotten its name.
const FORGET_PATIENCE: Duration = Duration::from_secs(1);

/// Why a node is not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error(
        "the EPMD at port {port} refuses the name {name}: most likely another node of this machine \
         has it; stop that node, or choose another name"
    )]
    NameTaken { name: AliveName, port: u16 },
    #[error(
        "no EPMD answers on this machine at port {port} ({error}): start one with `epmd -daemon`, \
         or let the node serve EPMD itself, or do without"
    )]
    NoEpmd { port: u16, error: IoError },
    #[error(
        "port {0} of this machine is taken, but no EPMD answers there: \
         free it, or use another port for EPMD on all nodes"
    )]
    PortTaken(u16),
    #[error("{}", SilentEpmd { host: "localhost", port: *.0 })]
    Silent(u16),
    #[error("failed to serve EPMD: {0}")]
    Serve(IoError),
    #[error(
        "failed to register with what listens at port {port} of this machine ({error}): is it an EPMD? \
         If not, free the port, use another one for EPMD on all nodes, or do without EPMD"
    )]
    Failed { port: u16, error: IoError },
    #[error("no random number for the creation of this node: {0}")]
    Entropy(String),
}

/// How long the race for the port may go on without a winner that answers.
const RACE: Duration = Duration::from_secs(10);

/// Pauses of a node that lost the race and waits for the winner to answer.
const RACE_PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// Pauses of a node that lost EPMD.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Registrar {
    /// Registers a node that listens, and gives the creation that it has from now on.
    ///
    /// That is the one that EPMD assigned, or a random one where there is none. It stays the same
    /// when the node registers anew later.
    pub(crate) async fn begin(
        node: &NodeName,
        listening: SocketAddr,
        kind: NodeKind,
        epmd: Epmd,
        port: u16,
    ) -> Result<(Self, Creation), RegisterError> {
        let mut registrar = Self {
            epmd,
            port,
            listening,
            host: node.host().to_owned(),
            registration: Registration::new(AliveName::from(node), listening.port(), kind),
            connection: None,
            server: None,
        };
        let assigned = match epmd {
            Epmd::Off => Creation::UNKNOWN,
            Epmd::Auto | Epmd::External => registrar.register_or_serve().await?,
        };
        // EPMDs of old count from 1 to 3.
        let creation = match assigned < Creation::MIN {
            true => {
                Creation::random().map_err(|error| RegisterError::Entropy(error.to_string()))?
            }
            false => assigned,
        };
        Ok((registrar, creation))
    }

    /// Stays registered until told to stop; the registration is gone afterwards.
    pub(crate) async fn keep(mut self, stop: CancellationToken) {
        if self.epmd == Epmd::Off {
            return stop.cancelled().await;
        }

        let relays = self.relays(stop.clone());
        let registered = stop.run_until_cancelled(self.stay_registered());
        tokio::join!(relays, registered);

        if let Some(mut connection) = self.connection.take() {
            // EPMD forgets the name and then closes its end: whoever has the name next finds it free.
            let _ = connection.shutdown().await;
            let closed = async { while connection.read_u8().await.is_ok() {} };
            let _ = timeout(FORGET_PATIENCE, closed).await;
        }
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
    }

    async fn stay_registered(&mut self) {
        loop {
            if let Some(connection) = &mut self.connection {
                // EPMD says nothing more: whatever comes means that it is not one any longer.
                let _ = connection.read_u8().await;
            }
            self.connection = None;
            // Nothing to worry about unless it fails: another node may serve it, or this one.
            tracing::info!(node = %self.registration.name, "the connection to EPMD is lost: this node registers again");
            self.register_again().await;
            tracing::info!(node = %self.registration.name, "registered with EPMD again");
        }
    }

    /// Tries until it succeeds. A name that is taken may be so by an entry of this very node whose
    /// end EPMD has not noticed.
    async fn register_again(&mut self) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        let mut last = None;
        loop {
            sleep(backoff.pause()).await;
            match self.register_or_serve().await {
                Ok(_creation) => return,
                Err(error) => {
                    if last.as_ref() != Some(&error) {
                        tracing::warn!(%error, "this node is not registered with EPMD, so others do not find it; it tries again");
                    }
                    last = Some(error);
                }
            }
        }
    }

    async fn register_or_serve(&mut self) -> Result<Creation, RegisterError> {
        let until = Instant::now() + RACE;
        let mut backoff = Backoff::new(RACE_PAUSES.0, RACE_PAUSES.1);
        loop {
            let error = match within(LOCAL_PATIENCE, connect_local(self.port)).await {
                Ok(connection) => return self.register(connection).await,
                Err(error) => error,
            };
            let is_silent = error.kind() == io::ErrorKind::TimedOut;
            if self.epmd != Epmd::Auto {
                let (port, error) = (self.port, error.into());
                return Err(match is_silent {
                    true => RegisterError::Silent(port),
                    false => RegisterError::NoEpmd { port, error },
                });
            }
            match EpmdServer::bind(self.port, []) {
                Ok(server) => {
                    tracing::info!(port = self.port, "no EPMD answered: this node serves it");
                    self.server = Some(server);
                }
                // Another node was faster, and may not answer quite yet.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    if Instant::now() >= until {
                        return Err(match is_silent {
                            true => RegisterError::Silent(self.port),
                            false => RegisterError::PortTaken(self.port),
                        });
                    }
                    sleep(backoff.pause()).await;
                }
                Err(error) => return Err(RegisterError::Serve(error.into())),
            }
        }
    }

    async fn register(&mut self, mut connection: TcpStream) -> Result<Creation, RegisterError> {
        let port = self.port;
        match client::register(&mut connection, &self.registration).await {
            Ok(Some(creation)) => {
                self.connection = Some(connection);
                Ok(creation)
            }
            Ok(None) => {
                let name = self.registration.name.clone();
                Err(RegisterError::NameTaken { name, port })
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(RegisterError::Silent(port))
            }
            Err(error) => {
                let error = error.into();
                Err(RegisterError::Failed { port, error })
            }
        }
    }

    /// Answers look-ups at the addresses that others find this node at.
    fn relays(&self, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let (epmd, port, listening) = (self.epmd, self.port, self.listening.ip());
        let host = self.host.clone();
        async move {
            if epmd != Epmd::Auto {
                return;
            }
            let found_at = stop.run_until_cancelled(found_at(listening, &host)).await;
            let mut relays = JoinSet::new();
            for ip in found_at.unwrap_or_default() {
                relays.spawn(relay(SocketAddr::new(ip, port), stop.clone()));
            }
            while relays.join_next().await.is_some() {}
        }
    }
}

/// The addresses at which others look for a node, if an EPMD that serves loopback does not answer
/// there: the one that the node listens on, or those of its host if it listens on all.
async fn found_at(listening: IpAddr, host: &str) -> Vec<IpAddr> {
    let mut addresses = vec![listening];
    if listening.is_unspecified() {
        let resolved = resolve::addresses(host, 0).await.unwrap_or_default();
        addresses = resolved.iter().map(SocketAddr::ip).collect();
    }
    addresses.retain(|ip| *ip != Ipv4Addr::LOCALHOST && *ip != Ipv6Addr::LOCALHOST);
    addresses
}
