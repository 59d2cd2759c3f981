//! Port identifiers.

use std::cmp::Ordering;

use crate::Atom;

/// A port identifier.
///
/// Ports order as in Erlang: first by node, then by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// The node of the port.
    pub node: Atom,
    /// The number of the port: the last one of `#Port<0.6>`.
    pub id: u64,
    /// Which incarnation of the node it is.
    pub creation: u32,
}

impl Ord for Port {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |port: &Self| (port.creation, port.id);
        self.node
            .cmp(&other.node)
            .then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for Port {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_order_by_node_name_creation_and_number() {
        let port = |node, creation, id| Port {
            node: Atom::from_static(node),
            id,
            creation,
        };
        let ordered = [
            port("a@b", 5, 3),
            port("a@b", 6, 2),
            port("b@b", 5, 1),
            port("b@b", 5, 1 << 32),
        ];
        assert!(ordered.is_sorted());
    }
}
