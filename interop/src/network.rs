//! Networks of namespaces, whose cables can be pulled.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::process::Command;

use crate::supervised::run;
use crate::{Cable, Error, Result};

/// The first two bytes of every address; the third is the network's number, the fourth the host's.
const PREFIX: [u8; 2] = [10, 213];

/// A bridge that joins [`Host`]s, and the test itself, in a network of their own.
///
/// Only root can create one. It is removed when this value and all of its hosts are dropped; what a
/// killed test leaves behind is removed by the next one that comes to the same number.
#[derive(Debug)]
pub struct Network {
    bridge: Arc<Bridge>,
    hosts: AtomicU8,
}

impl Network {
    /// Creates a network that nobody else on this machine uses.
    pub fn create() -> Result<Self> {
        let first = std::process::id() as u8;
        let mut refused = None;
        for step in 0..=u8::MAX {
            match Bridge::claim(first.wrapping_add(step)) {
                Ok(Some(bridge)) => {
                    return Ok(Self {
                        bridge: Arc::new(bridge),
                        hosts: AtomicU8::new(1),
                    });
                }
                Ok(None) => {}
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        Err(refused.unwrap_or_else(|| Error::Failed {
            program: "ip link add".into(),
            output: "every network number is taken".into(),
        }))
    }

    /// The address of the test's own process in this network.
    pub fn address(&self) -> Ipv4Addr {
        self.bridge.address(1)
    }

    /// Adds a host: a namespace with an address of its own.
    pub fn host(&self) -> Result<Host> {
        let (namespace, address) = self.namespace()?;
        let name = &namespace.name;
        ip(&[
            "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name,
        ])?;
        namespace.join(address)?;
        Ok(Host {
            namespace: Arc::new(namespace),
            address,
        })
    }

    /// Adds a host with a cable that can be made a bad one.
    pub fn host_with_cable(&self) -> Result<(Host, Cable)> {
        let (namespace, address) = self.namespace()?;
        let name = &namespace.name;
        let far_end = format!("{name}h");
        let cable = Cable::connect(name, &far_end)?;
        ip(&["link", "set", &far_end, "netns", name, "name", "eth0"])?;
        namespace.join(address)?;
        let host = Host {
            namespace: Arc::new(namespace),
            address,
        };
        Ok((host, cable))
    }

    fn namespace(&self) -> Result<(Namespace, Ipv4Addr)> {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed) + 1;
        let namespace = Namespace {
            name: format!("{}-{number}", self.bridge.name),
            bridge: Arc::clone(&self.bridge),
        };
        ip(&["netns", "add", &namespace.name])?;
        Ok((namespace, self.bridge.address(number)))
    }
}

/// A host of a [`Network`]: a namespace in which nodes, or any program, can run.
///
/// Clones are the same host. It is removed with the last of them.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: Arc<Namespace>,
    address: Ipv4Addr,
}

impl Host {
    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Gives the host an address of IPv6 as well, by which the others that have one reach it.
    pub fn add_ipv6(&self) -> Result<Ipv6Addr> {
        let [_, _, network, host] = self.address.octets().map(u16::from);
        let address = Ipv6Addr::new(0xfd00, 213, network, 0, 0, 0, 0, host);
        let name = &self.namespace.name;
        let with_prefix = format!("{address}/64");
        // Nobody else has it: it need not be asked for first.
        ip(&[
            "-n",
            name,
            "address",
            "add",
            &with_prefix,
            "dev",
            "eth0",
            "nodad",
        ])?;
        Ok(address)
    }

    /// A program to be run in the namespace.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace.name])
            .arg(program.as_ref());
        command
    }

    /// Pulls the host's cable: packets vanish in both directions, and no socket is told.
    pub fn unplug(&self) -> Result<()> {
        ip(&["link", "set", &self.namespace.name, "down"])
    }

    /// Puts the cable back.
    pub fn plug(&self) -> Result<()> {
        ip(&["link", "set", &self.namespace.name, "up"])
    }

    /// Makes packets between this host and an address vanish in both directions; its other peers
    /// are still reached.
    pub fn cut(&self, peer: Ipv4Addr) -> Result<()> {
        ip(&[
            "-n",
            &self.namespace.name,
            "route",
            "add",
            "blackhole",
            &format!("{peer}/32"),
        ])
    }

    /// Takes a [`cut`](Self::cut) back.
    pub fn mend(&self, peer: Ipv4Addr) -> Result<()> {
        ip(&[
            "-n",
            &self.namespace.name,
            "route",
            "delete",
            "blackhole",
            &format!("{peer}/32"),
        ])
    }

    /// The words of a command line that enter the namespace.
    pub(crate) fn enter(&self) -> Vec<OsString> {
        ["ip", "netns", "exec", &self.namespace.name]
            .map(Into::into)
            .to_vec()
    }
}

#[derive(Debug)]
struct Bridge {
    name: String,
    number: u8,
}

impl Bridge {
    /// Takes a number, unless a living process has it: only one process can create the link of a
    /// name.
    fn claim(number: u8) -> Result<Option<Self>> {
        let name = format!("rlb{number}");
        let link = Path::new("/sys/class/net").join(&name);
        if link.exists() {
            let owner = fs::read_to_string(link.join("ifalias")).unwrap_or_default();
            let owner = owner.trim();
            // Without a name in it the link is just being created.
            if owner.is_empty() || Path::new("/proc").join(owner).exists() {
                return Ok(None);
            }
            // Another test may be removing it as well.
            _ = ip(&["link", "delete", &name]);
        }
        match ip(&["link", "add", &name, "type", "bridge"]) {
            Ok(()) => {}
            Err(_) if link.exists() => return Ok(None),
            Err(error) => return Err(error),
        }

        let bridge = Self { name, number };
        ip(&[
            "link",
            "set",
            &bridge.name,
            "alias",
            &std::process::id().to_string(),
        ])?;
        bridge.remove_namespaces();
        let address = format!("{}/24", bridge.address(1));
        ip(&["address", "add", &address, "dev", &bridge.name])?;
        ip(&["link", "set", &bridge.name, "up"])?;
        Ok(Some(bridge))
    }

    fn address(&self, host: u8) -> Ipv4Addr {
        let [first, second] = PREFIX;
        Ipv4Addr::new(first, second, self.number, host)
    }

    /// Removes the namespaces that a killed owner of this number left behind.
    fn remove_namespaces(&self) {
        let Ok(entries) = fs::read_dir("/run/netns") else {
            return;
        };
        let ours = format!("{}-", self.name);
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        for name in names.filter(|name| name.starts_with(&ours)) {
            remove_namespace(&name);
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // It may have been removed already; nothing else can be done here.
        _ = ip(&["link", "delete", &self.name]);
    }
}

#[derive(Debug)]
struct Namespace {
    name: String,
    /// Goes after the last of its namespaces.
    bridge: Arc<Bridge>,
}

impl Namespace {
    /// Joins a new namespace, with both ends of its cable in their places, to the network.
    fn join(&self, address: Ipv4Addr) -> Result<()> {
        let name = &self.name;
        ip(&["link", "set", name, "master", &self.bridge.name, "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        ip(&[
            "-n",
            name,
            "address",
            "add",
            &format!("{address}/24"),
            "dev",
            "eth0",
        ])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])?;
        // Packets from an address without a way back are dropped: a cut is then one in both
        // directions.
        let strict = "echo 1 > /proc/sys/net/ipv4/conf/eth0/rp_filter";
        ip(&["netns", "exec", name, "sh", "-c", strict])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove_namespace(&self.name);
    }
}

fn remove_namespace(name: &str) {
    // The link goes by itself, but only some time after the namespace.
    _ = ip(&["link", "delete", name]);
    _ = ip(&["netns", "delete", name]);
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_test_left_behind_makes_room_for_the_next() {
        // Above what process ids can be.
        let nobody = "4194305";
        let network = Network::create().unwrap();
        let host = network.host().unwrap();
        let Bridge { name, number } = &*network.bridge;
        assert!(Bridge::claim(*number).unwrap().is_none());

        ip(&["link", "set", name, "alias", nobody]).unwrap();
        let next = Bridge::claim(*number).unwrap().unwrap();
        assert_eq!(next.name, *name);
        let namespace = Path::new("/run/netns").join(&host.namespace.name);
        assert!(!namespace.exists());
    }
}
