//! What every node exports by itself, so that others find out which nodes it knows.

use std::sync::{Arc, Weak};

use beam_term::{Atom, Term};

use crate::{error::Error, export::Export, state::NodeState};

/// Exports `erlang:node/0`, `erlang:nodes/0` and `erlang:nodes/1`.
pub(crate) fn export(node: &Arc<NodeState>) -> Result<(), Error> {
    let name = node.identity.atom.clone();
    let own = Export::new("erlang", "node", move || {
        let name = name.clone();
        async move { name }
    });
    // The exports belong to the node; they must not keep it alive.
    let weak = Arc::downgrade(node);
    let visible = Export::new("erlang", "nodes", move || {
        let nodes = connected(&weak, |visible| visible);
        async move { nodes }
    });
    let weak = Arc::downgrade(node);
    let chosen = Export::raising("erlang", "nodes", move |which: Term| {
        let nodes = Which::read(&which).map(|which| which.of(&weak));
        async move { nodes.ok_or(Atom::from_static("badarg")) }
    });
    // Peers ask these of every node, whoever is a member.
    for export in [own, visible, chosen] {
        node.exports.register(export.housekeeping())?;
    }
    Ok(())
}

/// Which nodes `erlang:nodes/1` is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Which {
    this: bool,
    visible: bool,
    hidden: bool,
}

impl Which {
    /// Reads one of OTP's words for kinds of nodes, or a list of them.
    fn read(which: &Term) -> Option<Self> {
        let mut found = Self::default();
        for word in match which {
            Term::List(words) => words.as_slice(),
            word => std::slice::from_ref(word),
        } {
            match word.as_atom()?.as_str() {
                "this" => found.this = true,
                "visible" => found.visible = true,
                "hidden" => found.hidden = true,
                "connected" => (found.visible, found.hidden) = (true, true),
                "known" => (found.this, found.visible, found.hidden) = (true, true, true),
                _ => return None,
            }
        }
        Some(found)
    }

    fn of(self, node: &Weak<NodeState>) -> Vec<Atom> {
        let mut nodes = connected(
            node,
            |visible| {
                if visible { self.visible } else { self.hidden }
            },
        );
        if let Some(node) = node.upgrade().filter(|_| self.this) {
            nodes.push(node.identity.atom.clone());
        }
        nodes
    }
}

fn connected(node: &Weak<NodeState>, wanted: impl Fn(bool) -> bool) -> Vec<Atom> {
    let Some(node) = node.upgrade() else {
        return Vec::new();
    };
    node.links
        .all()
        .iter()
        .filter(|link| wanted(link.visible))
        .map(|link| link.peer.as_atom().clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_asked_for_by_the_words_of_otp() {
        let all = Which {
            this: true,
            visible: true,
            hidden: true,
        };
        assert_eq!(Which::read(&Term::atom("known")), Some(all));
        let both = Term::list([Term::atom("hidden"), Term::atom("visible")]);
        assert_eq!(Which::read(&both), Some(Which { this: false, ..all }));
        assert_eq!(Which::read(&Term::atom("everybody")), None);
        assert_eq!(Which::read(&Term::from(1)), None);
    }
}
