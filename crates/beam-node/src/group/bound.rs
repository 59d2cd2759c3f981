//! How much of groups one peer may announce.

use beam_term::{Fun, Term};

use crate::group::message::GROUP_NAME_BYTES;

/// How much one peer may announce, or still may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) memberships: usize,
    /// Of the names of its groups, in memory; see [`name_bytes`].
    pub(crate) name_bytes: usize,
}

impl Bound {
    #[cfg(test)]
    pub(super) const NONE: Self = Self {
        memberships: usize::MAX,
        name_bytes: usize::MAX,
    };

    /// What is left of it when so much is taken.
    pub(super) fn without(self, taken: Self) -> Self {
        Self {
            memberships: self.memberships.saturating_sub(taken.memberships),
            name_bytes: self.name_bytes.saturating_sub(taken.name_bytes),
        }
    }
}

/// How many copies of a name there may be: of the node that announced the group, of the scope, of what
/// has changed, and of what is published under it.
const COPIES: usize = 4;

/// About how much memory the name of a group takes, with all copies of it.
pub(super) fn name_bytes(name: &Term) -> usize {
    // One without an encoding cannot come from a peer.
    let encoded = name
        .to_bytes()
        .map_or(GROUP_NAME_BYTES, |bytes| bytes.len());
    COPIES * (encoded + terms(name) * size_of::<Term>())
}

/// What is boxed takes more than a term besides, up to as many as this.
const BOXED: usize = 4;

/// How many terms a name consists of. It has so few bytes that it does not nest deeply.
fn terms(term: &Term) -> usize {
    1 + match term {
        Term::Tuple(elements) | Term::List(elements) => elements.iter().map(terms).sum(),
        Term::ImproperList(list) => {
            list.elements().iter().map(terms).sum::<usize>() + terms(list.tail())
        }
        Term::Map(map) => map
            .iter()
            .map(|(key, value)| terms(key) + terms(value))
            .sum(),
        Term::Fun(fun) => match &**fun {
            Fun::Export { .. } => BOXED,
            Fun::Closure(closure) => BOXED + closure.free.iter().map(terms).sum::<usize>(),
        },
        Term::Integer(integer) if integer.as_i64().is_none() => BOXED,
        Term::Reference(_) | Term::Port(_) | Term::Pid(_) | Term::BitString(_) => BOXED,
        _ => 0,
    }
}
