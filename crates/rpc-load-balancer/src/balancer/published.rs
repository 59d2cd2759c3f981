//! What members publish of themselves: their weights and metadata, for every balancer of the same
//! name to see.
//!
//! The shape of it is described [here](super).

use std::collections::BTreeMap;

use beam_node::{Error, Membership, Node, Published};
use beam_term::{Atom, Map, Term};

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) weight: Option<u32>,
    pub(super) metadata: Option<Term>,
}

/// This node as a member of the group: the process that joined, and what it publishes.
///
/// The value is there before the process joins, and until after it has left: the fields are dropped
/// in this order.
#[derive(Debug)]
pub(super) struct Presence {
    _membership: Membership,
    published: Option<Published>,
    profile: Profile,
}

impl Profile {
    /// Reads what a member published, as far as it is understood.
    pub(super) fn read(value: &Term) -> Self {
        let Some(map) = value.as_map() else {
            return Self::default();
        };
        let weight = map.get(&WEIGHT).and_then(Term::as_i64);
        Self {
            weight: weight.and_then(|weight| u32::try_from(weight).ok()),
            metadata: map.get(&METADATA).cloned(),
        }
    }

    /// The value to publish; `None` if there is nothing to say.
    fn value(&self) -> Option<Term> {
        let weight = self.weight.map(|weight| (WEIGHT, Term::from(weight)));
        let metadata = self.metadata.clone().map(|term| (METADATA, term));
        let entries: BTreeMap<_, _> = weight.into_iter().chain(metadata).collect();
        (!entries.is_empty()).then(|| Term::Map(Map::from_iter(entries)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.weight.is_none() && self.metadata.is_none()
    }
}

impl Presence {
    /// Publishes, and then joins.
    pub(super) fn join(node: &Node, balancer: &Atom, profile: Profile) -> Result<Self, Error> {
        let publish = |value| node.publish(key(balancer), value);
        Ok(Self {
            published: profile.value().map(publish).transpose()?,
            _membership: node.join(Term::Atom(balancer.clone()))?,
            profile,
        })
    }

    /// Publishes something else from now on; on an error nothing changes.
    pub(super) fn publish(
        &mut self,
        node: &Node,
        balancer: &Atom,
        change: impl FnOnce(&mut Profile),
    ) -> Result<(), Error> {
        let mut profile = self.profile.clone();
        change(&mut profile);
        match (profile.value(), &mut self.published) {
            (Some(value), Some(published)) => published.set(value)?,
            (Some(value), None) => self.published = Some(node.publish(key(balancer), value)?),
            (None, _) => self.published = None,
        }
        self.profile = profile;
        Ok(())
    }
}

/// What members of a balancer publish under.
pub(super) fn key(balancer: &Atom) -> Term {
    Term::tuple([BALANCER, Term::Atom(balancer.clone())])
}

const BALANCER: Term = Term::atom("balancer");
const WEIGHT: Term = Term::atom("weight");
const METADATA: Term = Term::atom("metadata");

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: impl IntoIterator<Item = (&'static str, Term)>) -> Term {
        let entries = entries.into_iter();
        Term::Map(
            entries
                .map(|(key, value)| (Term::atom(key), value))
                .collect(),
        )
    }

    #[test]
    fn what_is_published_is_read_again() {
        for weight in [None, Some(0), Some(u32::MAX)] {
            for metadata in [None, Some(Term::nil())] {
                let profile = Profile { weight, metadata };
                let value = profile.value();
                assert_eq!(value.is_none(), profile.is_empty());
                let read = value.as_ref().map(Profile::read).unwrap_or_default();
                assert_eq!(read, profile);
            }
        }
    }

    #[test]
    fn only_what_is_understood_is_taken() {
        let weight = |weight| Profile::read(&map([("weight", weight)]));
        for malformed in [
            Term::from(-1),
            Term::from(1_u64 << 32),
            Term::from(1_u128 << 100),
            Term::try_from(2.0).unwrap(),
            Term::atom("heavy"),
            Term::binary("3"),
        ] {
            assert_eq!(weight(malformed.clone()), Profile::default(), "{malformed}");
        }
        let value = map([
            ("weight", Term::atom("heavy")),
            ("colour", Term::atom("red")),
            ("metadata", Term::from(7)),
        ]);
        let read = Profile::read(&value);
        assert_eq!((read.weight, read.metadata), (None, Some(Term::from(7))));
        for value in [Term::from(3), Term::nil(), Term::tuple([map([])])] {
            assert_eq!(Profile::read(&value), Profile::default());
        }
    }
}
