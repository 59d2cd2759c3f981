//! How far an attempt to connect has come.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use crate::epmd::SilentEpmd;

/// What an attempt to connect waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitingFor {
    /// The addresses of the host.
    Host(String),
    /// The EPMD of the host, which is to say where the node listens.
    Epmd {
        /// The host, as the name of the node has it.
        host: String,
        /// The port that is asked.
        port: u16,
    },
    /// The node itself.
    #[default]
    Node,
}

/// What to look at.
impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(
                f,
                "the address of the host {host} is not found yet: is DNS slow?"
            ),
            Self::Epmd { host, port } => write!(f, "{}", SilentEpmd { host, port: *port }),
            Self::Node => f.write_str("is it overloaded, or stopped?"),
        }
    }
}

/// What the attempt at a peer waits for at the moment, for those who do not wait to its end.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<WaitingFor>);

impl Progress {
    pub(crate) fn waits_for(&self, what: WaitingFor) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    pub(crate) fn get(&self) -> WaitingFor {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
