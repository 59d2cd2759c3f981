//! The members of a group, as one immutable value.

use std::slice;

use beam_dist::NodeName;
use beam_term::Pid;

use crate::group::pids::Pids;

/// The members of a group at one moment: the nodes that have a process in it, each once, sorted by
/// name.
///
/// ```
/// use beam_node::Members;
///
/// let nobody = Members::default();
/// assert!(nobody.is_empty());
/// assert_eq!(nobody.version(), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    version: u64,
    members: Vec<Member>,
}

/// A node with at least one process in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    node: NodeName,
    pids: Pids,
}

impl Members {
    /// Grows with every change of any group of the scope; 0 as long as there was none.
    ///
    /// Of two values for the same group, the one with the greater version is the later one.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether no node is a member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members, sorted by the names of their nodes.
    pub fn iter(&self) -> slice::Iter<'_, Member> {
        self.members.iter()
    }

    /// The names of the members' nodes, sorted.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &NodeName> {
        self.iter().map(Member::node)
    }

    /// The member on a node, if there is one.
    pub fn get(&self, node: &NodeName) -> Option<&Member> {
        let at = self.position(node).ok()?;
        self.members.get(at)
    }

    /// Whether a node is a member.
    pub fn contains(&self, node: &NodeName) -> bool {
        self.position(node).is_ok()
    }

    /// No members, as of a version.
    pub(super) fn nobody(version: u64) -> Self {
        Self {
            version,
            members: Vec::new(),
        }
    }

    /// Replaces what a node has in the group; a node without processes is no member.
    pub(super) fn set(&mut self, version: u64, node: &NodeName, pids: Pids) {
        self.version = version;
        match (self.position(node), pids.is_empty()) {
            (Ok(at), true) => {
                self.members.remove(at);
            }
            (Ok(at), false) => self.members[at].pids = pids,
            (Err(_), true) => {}
            (Err(at), false) => self.members.insert(
                at,
                Member {
                    node: node.clone(),
                    pids,
                },
            ),
        }
    }

    fn position(&self, node: &NodeName) -> Result<usize, usize> {
        self.members
            .binary_search_by(|member| member.node.cmp(node))
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a Member;
    type IntoIter = slice::Iter<'a, Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Member {
    /// The node.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// Its processes in the group; one that joined twice is there twice.
    pub fn pids(&self) -> &[Pid] {
        self.pids.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use beam_term::Atom;

    use super::*;

    fn node(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    fn pids(count: u32) -> Pids {
        (0..count)
            .map(|id| Pid {
                node: Atom::from_static("any@host"),
                id,
                serial: 0,
                creation: 1,
            })
            .collect()
    }

    #[test]
    fn nodes_stay_sorted_and_leave_with_their_last_process() {
        let mut members = Members::default();
        members.set(1, &node("b@h"), pids(1));
        members.set(2, &node("c@h"), pids(1));
        members.set(3, &node("a@h"), pids(2));
        members.set(4, &node("b@h"), pids(3));
        assert!(
            members
                .nodes()
                .eq([&node("a@h"), &node("b@h"), &node("c@h")])
        );
        assert_eq!(members.get(&node("b@h")).unwrap().pids().len(), 3);

        members.set(5, &node("a@h"), pids(0));
        assert!(!members.contains(&node("a@h")));
        assert_eq!((members.len(), members.version()), (2, 5));
    }

    #[test]
    fn a_node_that_never_joined_leaves_nothing_behind() {
        let mut members = Members::default();
        members.set(1, &node("a@h"), pids(0));
        assert!(members.is_empty());
        assert_eq!(members.get(&node("a@h")), None);
    }
}
