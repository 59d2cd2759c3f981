//! What a user says about EPMD.

use std::{env, ffi::OsString};

use beam_dist::epmd::DEFAULT_PORT;

/// Which EPMD a node registers with.
///
/// EPMD, the Erlang port mapper daemon, knows the port of every node on a host. It listens on port
/// 4369 unless the environment variable `ERL_EPMD_PORT`, which OTP knows too, or the builder of the
/// node says otherwise; all hosts of a cluster use the same port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Epmd {
    /// The EPMD that answers on this machine, else one that the node serves itself.
    ///
    /// Every other node of the machine can use it, those of OTP included. When it goes, one of the
    /// nodes that were registered with it takes its place and the others register there.
    ///
    /// EPMD is served on 127.0.0.1 and ::1. A node that listens on another address also answers, at
    /// the same port of that address, what the EPMD of the machine knows, unless somebody does so
    /// already. It can then be found from other machines whichever node serves EPMD. Registrations
    /// are taken from the machine itself only.
    #[default]
    Auto,
    /// The EPMD that answers on this machine; the node does not start without one.
    External,
    /// None. Others reach the node at a port that they know by other means: a fixed address for the
    /// peer, or the same port for all nodes.
    Off,
}

/// The port that EPMD listens on: the given one, else that of the environment, else the usual one.
pub(crate) fn port(given: Option<u16>) -> Result<u16, InvalidPort> {
    port_or(given, env::var_os(VARIABLE))
}

/// The environment variable names a port that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {VARIABLE} is {0:?}, expected a port from 1 to 65535")]
pub(crate) struct InvalidPort(OsString);

/// The variable by which OTP is told another port.
const VARIABLE: &str = "ERL_EPMD_PORT";

fn port_or(given: Option<u16>, variable: Option<OsString>) -> Result<u16, InvalidPort> {
    match (given, variable) {
        (Some(port), _) => Ok(port),
        (None, None) => Ok(DEFAULT_PORT),
        (None, Some(text)) => text
            .to_str()
            .and_then(|text| text.parse().ok())
            .filter(|&port| port != 0)
            .ok_or(InvalidPort(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_given_port_wins_over_the_environment_and_that_over_the_usual_one() {
        assert_eq!(port_or(Some(1), Some("2".into())), Ok(1));
        assert_eq!(port_or(None, Some("2".into())), Ok(2));
        assert_eq!(port_or(None, None), Ok(4369));
    }

    #[test]
    fn a_port_in_the_environment_that_is_none_is_an_error() {
        for text in ["", "0", "65536", "epmd", "-1"] {
            let error = port_or(None, Some(text.into())).unwrap_err().to_string();
            assert!(error.contains("ERL_EPMD_PORT"), "{error}");
        }
    }
}
