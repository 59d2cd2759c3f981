//! The registry of an EPMD of one's own.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use super::{
    Alive2Response, AliveName, EpmdError, NamesResponse, Port2Response, Registration, Request,
};
use crate::Creation;

/// The nodes that are registered with an EPMD, each until its connection ends.
///
/// Every registration is given another creation, counted up from the first one. A name therefore
/// never has the same creation twice in a row; over a restart of the registry that holds if it
/// starts from [`Creation::random`].
#[derive(Debug)]
pub struct Registry {
    nodes: BTreeMap<AliveName, (Creation, Registration)>,
    next: Creation,
    capacity: usize,
}

impl Registry {
    /// The most nodes that are registered at a time unless told otherwise.
    pub const DEFAULT_CAPACITY: usize = 4096;

    /// An empty registry, which gives `first`, or [`Creation::MIN`] if that is greater, to the node
    /// that registers first.
    pub fn new(first: Creation) -> Self {
        Self::with_capacity(first, Self::DEFAULT_CAPACITY)
    }

    /// An empty registry of at most `capacity` nodes.
    pub fn with_capacity(first: Creation, capacity: usize) -> Self {
        Self {
            nodes: BTreeMap::new(),
            next: first.max(Creation::MIN),
            capacity,
        }
    }

    /// Answers a request that came from `origin` to the EPMD that listens on `epmd_port`.
    ///
    /// # Errors
    ///
    /// When nothing is to be answered, only the connection closed: a node of another host wanted to
    /// register.
    pub fn answer(
        &mut self,
        request: Request,
        origin: Origin,
        epmd_port: u16,
    ) -> Result<Answer, EpmdError> {
        Ok(match request {
            Request::Alive2(_) if origin == Origin::Remote => {
                return Err(EpmdError::RemoteRegistration);
            }
            Request::Alive2(registration) => {
                let highest_version = registration.highest_version;
                let registered = self.register(registration).ok();
                let response = match &registered {
                    Some(registered) => Alive2Response::Registered(registered.creation()),
                    None => Alive2Response::Refused,
                };
                Answer {
                    response: response.encode(highest_version),
                    registered,
                }
            }
            Request::PortPlease2(name) => {
                let found = self.lookup(name.as_str()).cloned();
                let response = found.map_or(Port2Response::Unknown, Port2Response::Found);
                Answer {
                    response: response.encode(),
                    registered: None,
                }
            }
            Request::Names => Answer {
                response: self.names(epmd_port).encode(),
                registered: None,
            },
        })
    }

    /// Registers a node until [`Registry::unregister`].
    ///
    /// # Errors
    ///
    /// When its name is taken or the registry is full.
    pub fn register(&mut self, registration: Registration) -> Result<Registered, RegisterError> {
        let name = registration.name.clone();
        if self.nodes.contains_key(&name) {
            return Err(RegisterError::NameTaken { name });
        }
        if self.nodes.len() >= self.capacity {
            return Err(RegisterError::Full {
                capacity: self.capacity,
            });
        }

        let creation = self.next;
        self.next = creation.next();
        self.nodes.insert(name.clone(), (creation, registration));
        Ok(Registered { name, creation })
    }

    /// Ends a registration, because the connection ended on which it was made.
    pub fn unregister(&mut self, registered: Registered) {
        let removed = self.nodes.remove(&registered.name);

        debug_assert!(removed.is_some_and(|(creation, _)| creation == registered.creation));
    }

    /// The node that is registered by this name.
    pub fn lookup(&self, name: &str) -> Option<&Registration> {
        self.nodes.get(name).map(|(_, registration)| registration)
    }

    /// All nodes, in the order of their names, of the EPMD that listens on `epmd_port`.
    pub fn names(&self, epmd_port: u16) -> NamesResponse {
        let nodes = self
            .nodes
            .iter()
            .map(|(name, (_, node))| (name.clone(), node.port))
            .collect();

        NamesResponse { epmd_port, nodes }
    }

    /// How many nodes are registered.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no node is registered.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The same host: a loopback address, or the very address that the request came to.
    Local,
    /// Another host, which may ask but not register.
    Remote,
}

/// What to do about a request.
#[derive(Debug)]
pub struct Answer {
    /// What is to be sent.
    pub response: Bytes,
    /// If there is one, the connection stays open, and its end, or any further byte on it, ends the
    /// registration: [`Registry::unregister`]. If there is none, it is closed.
    pub registered: Option<Registered>,
}

/// A registration, held by the connection on which it was made and given back when that ends.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a registration that is not given back keeps its name for good"]
pub struct Registered {
    name: AliveName,
    creation: Creation,
}

impl Registered {
    /// The name of the node.
    pub fn name(&self) -> &AliveName {
        &self.name
    }

    /// The incarnation that the node was given.
    pub fn creation(&self) -> Creation {
        self.creation
    }
}

/// Why a node was not registered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another node has the name.
    #[error("the name {name} is taken by another node on this host")]
    NameTaken {
        /// The name.
        name: AliveName,
    },
    /// There are as many nodes as there may be.
    #[error("this epmd has {capacity} nodes and takes no more")]
    Full {
        /// How many there may be.
        capacity: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epmd::NodeKind;

    fn node(name: &str, port: u16) -> Registration {
        Registration::new(name.parse().unwrap(), port, NodeKind::Visible)
    }

    #[test]
    fn a_registered_node_is_found_until_its_connection_ends() {
        let mut registry = Registry::new(Creation::MIN);

        let shop = registry.register(node("shop", 9100)).unwrap();
        assert_eq!(registry.lookup("shop"), Some(&node("shop", 9100)));

        registry.unregister(shop);
        assert_eq!(registry.lookup("shop"), None);
        assert!(registry.is_empty());
    }

    #[test]
    fn a_taken_name_is_refused_and_its_holder_stays() {
        let mut registry = Registry::new(Creation::MIN);
        let _shop = registry.register(node("shop", 9100)).unwrap();

        let name = "shop".parse().unwrap();
        assert_eq!(
            registry.register(node("shop", 1)),
            Err(RegisterError::NameTaken { name })
        );
        assert_eq!(registry.lookup("shop").map(|node| node.port), Some(9100));
    }

    #[test]
    fn a_name_that_comes_back_has_another_creation_and_none_is_below_four() {
        for first in [0, 3, 4, 77, u32::MAX - 1, u32::MAX] {
            let mut registry = Registry::new(Creation::new(first));
            let mut last = None;
            for _ in 0..4 {
                let shop = registry.register(node("shop", 1)).unwrap();
                assert!(shop.creation() >= Creation::MIN);
                assert_ne!(last.replace(shop.creation()), Some(shop.creation()));
                registry.unregister(shop);
            }
        }
    }

    #[test]
    fn a_full_registry_refuses_until_a_node_goes() {
        let mut registry = Registry::with_capacity(Creation::MIN, 1);
        let a = registry.register(node("a", 1)).unwrap();

        assert_eq!(
            registry.register(node("b", 2)),
            Err(RegisterError::Full { capacity: 1 })
        );
        registry.unregister(a);
        assert!(registry.register(node("b", 2)).is_ok());
    }

    #[test]
    fn requests_are_answered_as_epmd_does() {
        let mut registry = Registry::new(Creation::new(0x6b01_0d5e));
        let mut answer = |request| registry.answer(request, Origin::Local, 4369).unwrap();

        let registered = answer(Request::Alive2(node("shop", 9100)));
        assert_eq!(registered.response[..], *b"v\0\x6b\x01\x0d\x5e");
        assert!(registered.registered.is_some());

        let again = answer(Request::Alive2(node("shop", 9100)));
        assert_eq!(again.response[..2], *b"v\x01");
        assert_eq!(again.registered, None);

        let found = answer(Request::PortPlease2("shop".parse().unwrap()));
        assert_eq!(
            found.response,
            Port2Response::Found(node("shop", 9100)).encode()
        );

        let unknown = answer(Request::PortPlease2("other".parse().unwrap()));
        assert_eq!(unknown.response[..], *b"w\x01");

        let names = answer(Request::Names);
        assert_eq!(names.response[..], *b"\0\0\x11\x11name shop at port 9100\n");
    }

    #[test]
    fn a_node_of_another_host_may_ask_but_not_register() {
        let mut registry = Registry::new(Creation::MIN);

        let refused = registry.answer(Request::Alive2(node("evil", 1)), Origin::Remote, 4369);
        assert!(matches!(refused, Err(EpmdError::RemoteRegistration)));
        assert!(registry.is_empty());
        assert!(
            registry
                .answer(Request::Names, Origin::Remote, 4369)
                .is_ok()
        );
    }
}
