//! References.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

use crate::Atom;

/// A reference: unique among those that its node made.
///
/// References are equal when they differ in nothing but zero words at the end, and order as in Erlang: by node, then by
/// their words, the last on the wire weighing most.
#[derive(Clone, Debug)]
pub struct Reference {
    node: Atom,
    creation: u32,
    len: u8,
    ids: [u32; Self::MAX_IDS],
}

impl Reference {
    /// The most words that a reference can have.
    pub const MAX_IDS: usize = 5;

    /// A reference of 1 to 5 words, in the order of the wire.
    pub fn new(node: Atom, creation: u32, ids: &[u32]) -> Result<Self, InvalidReference> {
        let mut words = [0; Self::MAX_IDS];
        match (words.get_mut(..ids.len()), u8::try_from(ids.len())) {
            (Some(place), Ok(len @ 1..)) => {
                place.copy_from_slice(ids);
                Ok(Self {
                    node,
                    creation,
                    len,
                    ids: words,
                })
            }
            _ => Err(InvalidReference { words: ids.len() }),
        }
    }

    /// A reference of three words.
    #[inline]
    pub(crate) fn of_three(node: Atom, creation: u32, [first, second, third]: [u32; 3]) -> Self {
        Self {
            node,
            creation,
            len: 3,
            ids: [first, second, third, 0, 0],
        }
    }

    /// The node that made it.
    pub fn node(&self) -> &Atom {
        &self.node
    }

    /// Which incarnation of the node made it.
    pub fn creation(&self) -> u32 {
        self.creation
    }

    /// Its words, and zeros after them.
    #[inline]
    pub(crate) fn padded_ids(&self) -> &[u32; Self::MAX_IDS] {
        &self.ids
    }

    /// Its words, in the order of the wire. Erlang prints them in reverse.
    pub fn ids(&self) -> &[u32] {
        &self.ids[..usize::from(self.len)]
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids && self.creation == other.creation && self.node == other.node
    }
}

impl Eq for Reference {}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ids.hash(state);
        self.creation.hash(state);
        self.node.hash(state);
    }
}

impl Ord for Reference {
    fn cmp(&self, other: &Self) -> Ordering {
        self.node
            .cmp(&other.node)
            .then_with(|| self.creation.cmp(&other.creation))
            .then_with(|| self.ids.iter().rev().cmp(other.ids.iter().rev()))
    }
}

impl PartialOrd for Reference {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A number of words that no reference can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reference has 1 to 5 words, this one has {words}")]
pub struct InvalidReference {
    /// How many words were given.
    pub words: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(node: &'static str, creation: u32, ids: &[u32]) -> Reference {
        Reference::new(Atom::from_static(node), creation, ids).unwrap()
    }

    #[test]
    fn references_order_by_node_name_creation_and_last_word_first() {
        let ordered = [
            reference("a@b", 5, &[9, 9]),
            reference("a@b", 5, &[1, 1, 1]),
            reference("a@b", 5, &[2, 1, 3]),
            reference("a@b", 5, &[1, 2, 3]),
            reference("a@b", 6, &[1, 1, 1]),
            reference("b@b", 5, &[1, 0, 0]),
        ];
        assert!(ordered.is_sorted());
    }

    #[test]
    fn zero_words_at_the_end_do_not_make_another_reference() {
        assert_eq!(
            reference("a@b", 5, &[1, 2]),
            reference("a@b", 5, &[1, 2, 0])
        );
        assert_eq!(reference("a@b", 5, &[1, 2, 0]).ids(), [1, 2, 0]);
    }

    #[test]
    fn a_reference_has_one_to_five_words() {
        for words in [0, 6, 256] {
            let ids = vec![1; words];
            let result = Reference::new(Atom::from_static("a@b"), 1, &ids);
            assert_eq!(result, Err(InvalidReference { words }));
        }
    }
}
