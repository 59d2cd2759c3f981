//! What nodes of this library say of themselves to each other: what they take beyond what OTP does.
//!
//! A scope that tells all that its node has in groups adds one group, with itself as the only process
//! in it:
//!
//! ```text
//! {'$published', rpc_load_balancer, 1, #{features => [deadline_ms]}}
//! ```
//!
//! It has the form of a published value, so that a `pg` which knows nothing of it sees one more group,
//! and it costs no message of its own. Here it is no group at all: it is not listed, not counted as a
//! membership, and not among the values under its key, which nobody can publish anything else under.
//! It says what the node *is*, and so is there for as long as the scope, also while the node drains.
//!
//! What a link may carry is known once the scope of its peer has answered, about a round trip after
//! they were connected, and forgotten with the link, or with the scope. A node of OTP, or one of an
//! older version, says nothing of the kind, and gets what every node understands. Features that are
//! not known are passed over.
//!
//! | feature | the node |
//! |---|---|
//! | `deadline_ms` | takes the option `{deadline_ms, N}` of spawn requests: how long their answer is waited for |

use beam_term::{Map, Term};

use super::publications::{self, Name};
use crate::atoms;

/// What a peer takes that OTP does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// The option `{deadline_ms, N}` of spawn requests.
    pub(crate) deadline_ms: bool,
}

impl Features {
    /// What this version takes.
    pub(super) const OWN: Self = Self { deadline_ms: true };

    /// What is said by the name of a group; `None` where it says nothing of the node itself.
    pub(super) fn read(group: &Term) -> Option<Self> {
        let Name { key, value, .. } = Name::read(group)?;
        if !is_reserved(key) {
            return None;
        }
        let features = value.as_map().and_then(|map| map.get(&FEATURES));
        let features = features.and_then(Term::as_list).unwrap_or_default();
        Some(Self {
            deadline_ms: features.contains(&DEADLINE_MS),
        })
    }

    /// The name of the group that says these.
    pub(super) fn name(self) -> Term {
        let features = self.deadline_ms.then_some(DEADLINE_MS);
        let value = Map::from_iter([(FEATURES, Term::list(features))]);
        publications::name(&KEY, 1, Term::Map(value))
    }

    /// What either says.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            deadline_ms: self.deadline_ms || other.deadline_ms,
        }
    }
}

/// Whether nothing can be published under a key, because nodes speak of themselves under it.
pub(super) fn is_reserved(key: &Term) -> bool {
    *key == KEY
}

const KEY: Term = Term::Atom(atoms::SCOPE);
const FEATURES: Term = Term::atom("features");
const DEADLINE_MS: Term = Term::atom("deadline_ms");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Option<Features> {
        Features::read(&source.parse().unwrap())
    }

    #[test]
    fn what_is_said_is_read_again() {
        let name = Features::OWN.name();
        let expected = "{'$published', rpc_load_balancer, 1, #{features => [deadline_ms]}}";
        assert_eq!(name, expected.parse().unwrap());
        assert_eq!(Features::read(&name), Some(Features::OWN));
        let none = Features::default();
        assert_eq!(Features::read(&none.name()), Some(none));
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        for value in [
            "#{features => [later, deadline_ms, {more, 1}]}",
            "#{features => [deadline_ms], version => <<\"9\">>}",
        ] {
            let group = format!("{{'$published', rpc_load_balancer, 7, {value}}}");
            assert_eq!(read(&group), Some(Features::OWN), "{value}");
        }
        for value in [
            "#{}",
            "#{features => deadline_ms}",
            "x",
            "#{features => [a | deadline_ms]}",
        ] {
            let group = format!("{{'$published', rpc_load_balancer, 7, {value}}}");
            assert_eq!(read(&group), Some(Features::default()), "{value}");
        }
    }

    #[test]
    fn other_groups_say_nothing() {
        for group in [
            "rpc_load_balancer",
            "{'$published', other, 1, #{features => [deadline_ms]}}",
            "{'$published', rpc_load_balancer, -1, #{features => [deadline_ms]}}",
            "{published, rpc_load_balancer, 1, #{features => [deadline_ms]}}",
        ] {
            assert_eq!(read(group), None, "{group}");
        }
    }
}
