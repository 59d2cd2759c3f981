//! An EPMD that says nothing.

use std::fmt;

/// An EPMD from which no answer comes, and what to do about it: in the same words wherever a node meets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SilentEpmd<'a> {
    /// As the name of a node has it.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl fmt::Display for SilentEpmd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "the EPMD at [{host}]:{port}")?,
            false => write!(f, "the EPMD at {host}:{port}")?,
        }
        f.write_str(
            " does not answer: if it is stopped, continue or restart it; else see that the port is its own and \
             open to this machine, or use another port for EPMD on all nodes",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_address_is_told_apart_from_it() {
        let at = |host| SilentEpmd { host, port: 4369 }.to_string();
        for (host, said) in [
            ("web1", "the EPMD at web1:4369 does"),
            ("::1", "the EPMD at [::1]:4369 does"),
        ] {
            assert!(at(host).starts_with(said));
        }
    }
}
