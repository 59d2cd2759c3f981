//! Process identifiers.

use std::cmp::Ordering;

use crate::Atom;

/// A process identifier.
///
/// Pids order as in Erlang: first by number, then by node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pid {
    /// The node of the process.
    pub node: Atom,
    /// The number of the process: the middle one of `<0.112.0>`.
    pub id: u32,
    /// Counts how often the numbers of the node wrapped around: the last one of `<0.112.0>`.
    pub serial: u32,
    /// Which incarnation of the node it is.
    pub creation: u32,
}

impl Ord for Pid {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |pid: &Self| (pid.serial, pid.id);
        key(self)
            .cmp(&key(other))
            .then_with(|| self.node.cmp(&other.node))
            .then_with(|| self.creation.cmp(&other.creation))
    }
}

impl PartialOrd for Pid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pids_order_by_serial_id_node_name_and_creation() {
        let pid = |serial, id, node, creation| Pid {
            node: Atom::from_static(node),
            id,
            serial,
            creation,
        };
        let ordered = [
            pid(0, 1, "bb@b", 5),
            pid(0, 1, "c@b", 5),
            pid(0, 2, "a@b", 6),
            pid(0, 2, "b@b", 5),
            pid(1, 2, "a@b", 5),
            pid(2, 1, "a@b", 5),
        ];
        assert!(ordered.is_sorted());
    }
}
