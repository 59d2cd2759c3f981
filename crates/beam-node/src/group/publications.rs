//! What nodes publish: values under keys, carried by the names of groups.
//!
//! A value is published by a process that joins the group
//!
//! ```text
//! {'$published', Key, Serial, Value}
//! ```
//!
//! of the scope, `Key` and `Value` being any terms and `Serial` an integer from 0 to 2^63 - 1. The
//! value is that of the process's node. To replace it, a process joins the group of another value
//! with a greater serial, and then leaves the first: of the values that a node has under one key,
//! the one with the greatest serial counts. To withdraw it, the process leaves or ends.
//!
//! So a value is known wherever a membership would be, and vanishes as one does; a `pg` that knows
//! nothing of it sees a group like any other. Nodes of OTP may read such groups and join them too:
//!
//! ```text
//! pg:join(rpc_load_balancer, {'$published', Key, 1, Value}, self())
//! ```
//!
//! Like the name of any group this one is limited in size, and each value counts as a membership of
//! the peer that publishes it. Groups whose names only look alike are groups and nothing more, and
//! what nodes say [of themselves](super::features) under the key `rpc_load_balancer` is no value.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use beam_dist::NodeName;
use beam_term::{Atom, Term};

/// What nodes publish under a key: for each that does, its value, which is shared so that a change
/// of one does not copy those of all others.
pub type PublishedValues = BTreeMap<NodeName, Arc<Term>>;

/// All that nodes publish, by key.
#[derive(Debug, Default)]
pub(super) struct Publications {
    keys: BTreeMap<Term, UnderKey>,
    changed: BTreeSet<Term>,
}

/// What is published under one key.
#[derive(Debug, Default)]
struct UnderKey {
    /// With their serials, since a node has two values while it replaces one by another.
    published: BTreeMap<NodeName, BTreeSet<(i64, Arc<Term>)>>,
    /// The one of each node that counts.
    values: Arc<PublishedValues>,
}

impl Publications {
    /// A group has processes of a node, or has none any more. Groups that carry no value are
    /// passed over.
    pub(super) fn group_changed(&mut self, group: &Term, node: &NodeName, has_members: bool) {
        let Some(Name { key, serial, value }) = Name::read(group) else {
            return;
        };
        let changed = match (self.keys.get_mut(key), has_members) {
            (Some(under_key), true) => under_key.insert(node, serial, value),
            (Some(under_key), false) => under_key.remove(node, serial, value),
            (None, true) => {
                let under_key = self.keys.entry(key.clone()).or_default();
                under_key.insert(node, serial, value)
            }
            (None, false) => false,
        };
        if changed {
            self.changed.insert(key.clone());
        }
        if self.keys.get(key).is_some_and(UnderKey::is_empty) {
            self.keys.remove(key);
        }
    }

    /// What is published under a key now.
    pub(super) fn values(&self, key: &Term) -> Arc<PublishedValues> {
        let under_key = self.keys.get(key);
        under_key.map_or_else(Arc::default, |under_key| Arc::clone(&under_key.values))
    }

    /// A key under which something has changed since this was last asked for.
    pub(super) fn next_change(&mut self) -> Option<(Term, Arc<PublishedValues>)> {
        let key = self.changed.pop_first()?;
        let values = self.values(&key);
        Some((key, values))
    }
}

impl UnderKey {
    fn is_empty(&self) -> bool {
        self.published.is_empty()
    }

    /// Takes a value up; `true` if the one that counts is another now.
    fn insert(&mut self, node: &NodeName, serial: i64, value: &Term) -> bool {
        let published = self.published.entry(node.clone()).or_default();
        published.insert((serial, Arc::new(value.clone())));
        self.choose(node)
    }

    /// Lets a value go; `true` if the one that counts is another now.
    fn remove(&mut self, node: &NodeName, serial: i64, value: &Term) -> bool {
        let Entry::Occupied(mut published) = self.published.entry(node.clone()) else {
            return false;
        };
        published
            .get_mut()
            .remove(&(serial, Arc::new(value.clone())));
        if published.get().is_empty() {
            published.remove();
        }
        self.choose(node)
    }

    fn choose(&mut self, node: &NodeName) -> bool {
        let newest = self.published.get(node).and_then(BTreeSet::last);
        let newest = newest.map(|(_, value)| value);
        if newest == self.values.get(node) {
            return false;
        }
        // Whoever watches has the values as they were.
        let values = Arc::make_mut(&mut self.values);
        match newest {
            Some(value) => values.insert(node.clone(), Arc::clone(value)),
            None => values.remove(node),
        };
        true
    }
}

/// The name of a group that carries a value.
pub(super) struct Name<'a> {
    pub(super) key: &'a Term,
    serial: i64,
    pub(super) value: &'a Term,
}

impl<'a> Name<'a> {
    pub(super) fn read(group: &'a Term) -> Option<Self> {
        let [tag, key, serial, value] = group.as_tuple()? else {
            return None;
        };
        if *tag.as_atom()? != TAG {
            return None;
        }
        let serial = serial.as_i64().filter(|serial| *serial >= 0)?;
        Some(Self { key, serial, value })
    }
}

/// The name of the group that carries a value.
pub(super) fn name(key: &Term, serial: i64, value: Term) -> Term {
    Term::tuple([Term::Atom(TAG), key.clone(), Term::from(serial), value])
}

/// Whether the name of a group carries a value.
pub(super) fn is_published(group: &Term) -> bool {
    Name::read(group).is_some()
}

/// The first serial of a node. From here on up to 2^31 they all take the same number of bytes, so
/// that a value that could be published once can be again.
pub(super) const FIRST_SERIAL: i64 = 256;

const TAG: Atom = Atom::from_static("$published");

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    fn key() -> Term {
        Term::atom("k")
    }

    fn values(publications: &Publications) -> Vec<(String, i64)> {
        let values = publications.values(&key());
        let entry =
            |(node, value): (&NodeName, &Arc<Term>)| (node.to_string(), value.as_i64().unwrap());
        values.iter().map(entry).collect()
    }

    /// The keys that have changed.
    fn changes(publications: &mut Publications) -> Vec<Term> {
        std::iter::from_fn(|| publications.next_change())
            .map(|(key, _)| key)
            .collect()
    }

    #[test]
    fn of_two_values_of_a_node_the_one_with_the_greater_serial_counts() {
        let (mut publications, a) = (Publications::default(), node("a@h"));
        let first = name(&key(), 9, Term::from(1));
        let second = name(&key(), 10, Term::from(2));
        // An order that messages never come in.
        publications.group_changed(&second, &a, true);
        publications.group_changed(&first, &a, true);
        assert_eq!(values(&publications), [("a@h".to_owned(), 2)]);
        publications.group_changed(&second, &a, false);
        assert_eq!(values(&publications), [("a@h".to_owned(), 1)]);
        publications.group_changed(&first, &a, false);
        assert_eq!(values(&publications), []);
        assert!(publications.keys.is_empty());
    }

    #[test]
    fn a_value_that_is_replaced_is_never_missing_and_told_once() {
        let (mut publications, a) = (Publications::default(), node("a@h"));
        let first = name(&key(), 1, Term::from(1));
        let second = name(&key(), 2, Term::from(2));
        publications.group_changed(&first, &a, true);
        assert_eq!(changes(&mut publications), [key()]);
        publications.group_changed(&second, &a, true);
        assert_eq!(changes(&mut publications), [key()]);
        publications.group_changed(&first, &a, false);
        assert_eq!(changes(&mut publications), []);
        assert_eq!(values(&publications), [("a@h".to_owned(), 2)]);
    }

    #[test]
    fn each_node_speaks_for_itself_and_each_key_stands_alone() {
        let mut publications = Publications::default();
        let group = name(&key(), 1, Term::from(1));
        publications.group_changed(&group, &node("b@h"), true);
        publications.group_changed(&group, &node("a@h"), true);
        let other = name(&Term::atom("other"), 7, Term::from(7));
        publications.group_changed(&other, &node("a@h"), true);
        let both = [("a@h".to_owned(), 1), ("b@h".to_owned(), 1)];
        assert_eq!(values(&publications), both);

        publications.group_changed(&group, &node("a@h"), false);
        assert_eq!(values(&publications), both[1..]);
        assert_eq!(publications.values(&Term::atom("other")).len(), 1);
        assert_eq!(changes(&mut publications).len(), 2);
    }

    #[test]
    fn names_that_only_look_alike_carry_nothing() {
        let tag = || Term::Atom(TAG);
        let (one, value) = (|| Term::from(1), || Term::from(1));
        let too_great = Term::from(1_u64 << 63);
        for group in [
            Term::Atom(TAG),
            Term::tuple([]),
            Term::tuple([tag()]),
            Term::tuple([tag(), key(), one()]),
            Term::tuple([tag(), key(), one(), value(), value()]),
            Term::tuple([Term::atom("published"), key(), one(), value()]),
            Term::tuple([Term::binary("$published"), key(), one(), value()]),
            Term::tuple([tag(), key(), Term::from(-1), value()]),
            Term::tuple([tag(), key(), too_great, value()]),
            Term::tuple([tag(), key(), Term::try_from(1.0).unwrap(), value()]),
            Term::tuple([tag(), key(), Term::atom("one"), value()]),
            Term::list([tag(), key(), one(), value()]),
        ] {
            let mut publications = Publications::default();
            publications.group_changed(&group, &node("a@h"), true);
            publications.group_changed(&group, &node("a@h"), false);
            assert!(publications.keys.is_empty(), "{group}");
            assert_eq!(changes(&mut publications), [], "{group}");
            assert!(!is_published(&group), "{group}");
        }
        assert!(is_published(&Term::tuple([
            tag(),
            Term::nil(),
            one(),
            Term::nil()
        ])));
    }
}
