//! Maps, sorted by key.

use std::{mem, slice, vec};

use crate::Term;

/// A map, sorted by the exact term order of its keys.
///
/// `1` and `1.0` are two keys, as in Erlang; so are `0.0` and `-0.0`, as in OTP 27 and later. For OTP 25 and 26 the latter are
/// one key: a node of these closes the link on which a map with both arrives.
///
/// ```
/// use beam_term::{Map, Term};
///
/// let map: Map = [(Term::atom("b"), Term::from(2)), (Term::atom("a"), Term::from(1))].into_iter().collect();
/// assert_eq!(map.get(&Term::atom("b")), Some(&Term::from(2)));
/// assert_eq!(map.keys().next(), Some(&Term::atom("a")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Map(Vec<(Term, Term)>);

impl Map {
    /// The empty map.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &Term) -> Option<&Term> {
        let at = self.position(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Whether the key is there.
    pub fn contains_key(&self, key: &Term) -> bool {
        self.position(key).is_ok()
    }

    /// Sets the value of a key and returns the value before. Linear in the size of the map; collect to build large maps.
    pub fn insert(&mut self, key: Term, value: Term) -> Option<Term> {
        match self.position(&key) {
            Ok(at) => Some(mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Removes a key and returns its value.
    pub fn remove(&mut self, key: &Term) -> Option<Term> {
        let at = self.position(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// The keys and values, in the order of the keys.
    pub fn iter(&self) -> MapIter<'_> {
        self.into_iter()
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Term> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Term> {
        self.0.iter().map(|(_, value)| value)
    }

    /// A map of entries in any order; `None` if a key is there twice.
    pub(crate) fn from_unique(mut entries: Vec<(Term, Term)>) -> Option<Self> {
        let in_order = |a: &(Term, Term), b: &(Term, Term)| a.0 < b.0;
        if !entries.is_sorted_by(in_order) {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            if !entries.is_sorted_by(in_order) {
                return None;
            }
        }
        Some(Self(entries))
    }

    fn position(&self, key: &Term) -> Result<usize, usize> {
        self.0.binary_search_by(|(present, _)| present.cmp(key))
    }
}

/// Of two entries with the same key, the later one counts.
impl FromIterator<(Term, Term)> for Map {
    fn from_iter<I: IntoIterator<Item = (Term, Term)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        // `dedup_by` drops the later of two neighbours; the values are swapped so that the earlier one goes.
        entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
        Self(entries)
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Term, &'a Term);
    type IntoIter = MapIter<'a>;

    fn into_iter(self) -> MapIter<'a> {
        MapIter(self.0.iter())
    }
}

impl IntoIterator for Map {
    type Item = (Term, Term);
    type IntoIter = vec::IntoIter<(Term, Term)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The keys and values of a [`Map`], in the order of the keys.
#[derive(Clone, Debug)]
pub struct MapIter<'a>(slice::Iter<'a, (Term, Term)>);

impl<'a> Iterator for MapIter<'a> {
    type Item = (&'a Term, &'a Term);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for MapIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_two_equal_keys_counts() {
        let map: Map = [(1, 10), (2, 20), (1, 11), (1, 12)]
            .map(|(key, value)| (Term::from(key), Term::from(value)))
            .into_iter()
            .collect();
        let entries: Vec<_> = map.into_iter().collect();
        let expected = [(1, 12), (2, 20)].map(|(k, v)| (Term::from(k), Term::from(v)));
        assert_eq!(entries, expected);
    }

    #[test]
    fn insert_and_remove_keep_the_order() {
        let mut map = Map::new();
        for key in [5, 1, 3] {
            assert_eq!(map.insert(Term::from(key), Term::atom("old")), None);
        }
        assert_eq!(
            map.insert(Term::from(3), Term::atom("new")),
            Some(Term::atom("old"))
        );
        assert_eq!(map.remove(&Term::from(1)), Some(Term::atom("old")));
        assert!(map.keys().eq([&Term::from(3), &Term::from(5)]));
        assert!(!map.contains_key(&Term::from(1)));
    }

    #[test]
    fn entries_with_a_key_twice_are_refused() {
        let entry = |key: i64| (Term::from(key), Term::nil());
        assert_eq!(Map::from_unique(vec![entry(2), entry(1), entry(2)]), None);
        assert_eq!(Map::from_unique(vec![entry(1), entry(1)]), None);
        assert_eq!(Map::from_unique(vec![entry(2), entry(1)]).unwrap().len(), 2);
    }
}
