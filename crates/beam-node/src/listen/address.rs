//! What a user says about where a node listens.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    str::FromStr,
};

/// Where a node listens for peers that connect to it.
///
/// The default is any free port of the address that the host of the node's name resolves to: the
/// node listens where others look for it, and nowhere else.
///
/// ```
/// use beam_node::Listen;
///
/// let fixed = Listen::from(9100);
/// let range = Listen::from(9100..=9109);
/// let everywhere: Listen = "0.0.0.0:9100".parse()?;
/// assert_eq!("[::1]:9100-9109".parse::<Listen>()?.to_string(), "[::1]:9100-9109");
/// # Ok::<(), beam_node::InvalidListen>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On one port of one address.
    On {
        /// The address; `None` for the one that the host of the node's name resolves to (an IPv4
        /// address if it has both, as nodes of OTP use IPv4 unless they are told otherwise). `::`
        /// takes IPv4 connections too where the system allows that.
        ip: Option<IpAddr>,
        /// The ports, of which the first free one is taken. Port 0 stands for any free port.
        ports: RangeInclusive<u16>,
    },
    /// Not at all: the node connects to others, but none can connect to it, and it is not
    /// registered with EPMD. That suits programs that only call, and those that run for one
    /// command.
    Off,
}

impl Default for Listen {
    fn default() -> Self {
        Self::from(0)
    }
}

impl From<u16> for Listen {
    fn from(port: u16) -> Self {
        Self::from(port..=port)
    }
}

impl From<RangeInclusive<u16>> for Listen {
    fn from(ports: RangeInclusive<u16>) -> Self {
        Self::On { ip: None, ports }
    }
}

impl From<IpAddr> for Listen {
    fn from(ip: IpAddr) -> Self {
        Self::from(SocketAddr::from((ip, 0)))
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::On {
            ip: Some(address.ip()),
            ports: address.port()..=address.port(),
        }
    }
}

/// Reads `off`, a port or a range of ports, an address, or both: `9100`, `9100-9109`, `10.0.0.7`,
/// `::1`, `10.0.0.7:9100`, `[::1]:9100-9109`.
impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Some(ports) = parse_ports(text) {
            return Ok(Self::from(ports));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::from(ip));
        }

        let parse = || {
            let (ip, ports) = text.rsplit_once(':')?;
            let ip = match ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')) {
                Some(ip) => IpAddr::V6(ip.parse().ok()?),
                None => IpAddr::V4(ip.parse().ok()?),
            };
            Some(Self::On {
                ip: Some(ip),
                ports: parse_ports(ports)?,
            })
        };
        parse().ok_or_else(|| InvalidListen {
            text: text.chars().take(InvalidListen::SHOWN).collect(),
            problem: match reversed_ports(text) {
                Some((first, last)) => Problem::Reversed(first, last),
                None => Problem::Unreadable,
            },
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::On { ip, ports } = self else {
            return f.write_str("off");
        };
        match ip {
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            None => {}
        }
        match (ports.start(), ports.end()) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// A text that does not say where to listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {problem}")]
pub struct InvalidListen {
    text: String,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error(
        "does not say where to listen: expected a port (9100), a range (9100-9109), an address \
         (10.0.0.7), both (10.0.0.7:9100, [::1]:9100-9109), or off"
    )]
    Unreadable,
    #[error("ends its range of ports before it begins: write {1}-{0}")]
    Reversed(u16, u16),
}

impl InvalidListen {
    /// How many characters of the text are kept for the message.
    const SHOWN: usize = 64;
}

fn parse_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

/// The ports of a text that is none as its last port is before its first one.
fn reversed_ports(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-')?;
    let first = first.rsplit_once(':').map_or(first, |(_, port)| port);
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first > last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "off",
            "0",
            "9100",
            "9100-9109",
            "10.0.0.7:9100",
            "0.0.0.0:9100-9109",
            "[::1]:0",
            "[fd00::2]:9100-9109",
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_address_alone_stands_for_any_of_its_ports() {
        for (text, expected) in [("10.0.0.7", "10.0.0.7:0"), ("::1", "[::1]:0")] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_says_nothing_is_refused_with_examples() {
        for text in [
            "",
            "web1",
            "65536",
            "9109-65536",
            "10.0.0.7:",
            "10.0.0.7:x",
            "[10.0.0.7]:1",
            "::1]:1",
            "-",
            "OFF",
        ] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains("10.0.0.7:9100"), "{text:?} gave {error}");
        }
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_told_with_the_one_that_is_meant() {
        for text in ["9109-9100", "10.0.0.7:9109-9100", "[::1]:9109-9100"] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains("write 9100-9109"), "{text:?} gave {error}");
        }
    }
}
