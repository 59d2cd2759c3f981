//! The hash ring that algorithms share: points on a circle, each of which belongs to a member.
//!
//! The points lie sorted in one array of half as many slots again, each as near as it can be to the
//! place that its hash has in proportion, and the slots between hold copies of the point that
//! follows. So a look-up begins at the place of its hash, steps over a point or two, and touches
//! one cache line, or two, however many points there are.

use std::{iter, sync::Arc};

use beam_dist::NodeName;
use beam_term::{Atom, Term, phash2::Hasher};
use sha2::{Digest, Sha256};

use super::Algorithm;
use crate::members::{Member, Snapshot};

/// How the points of a member are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointHash {
    /// `erlang:phash2({Node, I}, 2^32 - 1)`, as Elixir nodes compute them.
    #[default]
    Phash2,
    /// The first four bytes of the SHA-256 of the text `Node:I`, such as `app@host:1`, as a
    /// big-endian number modulo 2³² − 1. Elixir nodes do not agree with these.
    Sha256,
}

/// As which release of OTP an atom that is a key is encoded before it is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtomKeys {
    /// As OTP 25 and before: in Latin-1, where the atom has no other characters.
    Otp25,
    /// As OTP 26 and later: in UTF-8.
    #[default]
    Otp26,
}

/// The points of one member, sorted.
#[derive(Debug, Default)]
pub struct Points(Box<[u32]>);

impl Points {
    pub(super) fn new(node: &NodeName, count: u32, hash: PointHash) -> Self {
        let mut points: Box<[u32]> = match hash {
            PointHash::Phash2 => {
                let mut prefix = Hasher::new();
                prefix.tuple(2);
                prefix.atom(node.as_atom());
                let point = |number: u32| {
                    let mut hasher = prefix;
                    hasher.integer(number.into());
                    hasher.finish() % RANGE
                };
                (1..=count).map(point).collect()
            }
            PointHash::Sha256 => {
                let point = |number: u32| {
                    let [a, b, c, d, ..] = Sha256::digest(format!("{node}:{number}")).0;
                    u32::from_be_bytes([a, b, c, d]) % RANGE
                };
                (1..=count).map(point).collect()
            }
        };
        points.sort_unstable();
        Self(points)
    }
}

/// All points of a set of members.
#[derive(Debug, Default)]
pub struct Ring {
    /// Sorted; no vacant ones.
    slots: Vec<Slot>,
    /// Over how many slots the hashes are spread. Points that find no room come after these; where
    /// the last point comes before, so do the slots end.
    spread: usize,
}

/// A point in the upper half and its member's index in the lower one, so that they sort by point
/// first: of those who share a point, the first by name comes first.
type Slot = u64;

/// Where points and keys lie: below this.
const RANGE: u32 = u32::MAX;

/// A slot that has no point yet.
const VACANT: Slot = Slot::MAX;

/// In place of the index of a member that is gone.
const GONE: u32 = u32::MAX;

impl Ring {
    /// The ring of these members, of whom each has `points` points. Those of members who were
    /// there before are taken from the ring of `previous`, which is in order already.
    pub(super) fn derive<A: Algorithm<State = Points>>(
        members: &[Arc<Member<A>>],
        points: u32,
        previous: &Snapshot<A>,
        ring: &Self,
    ) -> Self {
        if members.is_empty() {
            return Self::default();
        }
        let Changes { indices, joined } = Changes::between(previous.members(), members);
        let mut joined: Vec<Slot> = joined
            .iter()
            .flat_map(|&index| {
                let Points(points) = members[index as usize].state();
                points.iter().map(move |&point| slot(point, index))
            })
            .collect();
        joined.sort_unstable();

        let mut joined = joined.into_iter().peekable();
        let mut layout = Layout::of(members.len() * points as usize);
        // Of the copies of a point the last one counts: what is laid out for those before it
        // is overwritten. That spares a branch which processors cannot foresee.
        let following = ring.slots.iter().skip(1).chain([&VACANT]);
        for (&old, &next) in ring.slots.iter().zip(following) {
            let index = indices[index_of(old)];
            let stays = index != GONE;
            let moved = slot(point_of(old), if stays { index } else { 0 });
            while let Some(newcomer) = joined.next_if(|&newcomer| newcomer < moved) {
                layout.place(newcomer);
            }
            let slot = if stays { moved } else { VACANT };
            layout.place_if(stays && old != next, slot, old);
        }
        joined.for_each(|newcomer| layout.place(newcomer));
        layout.finish()
    }

    /// The member whose point is the first at or above a hash, or else the first of all.
    pub(super) fn owner(&self, hash: u32) -> Option<usize> {
        self.slots.get(self.seek(hash)).copied().map(index_of)
    }

    /// The members in the order of their points, once around from a hash; each comes many times.
    pub(super) fn walk(&self, hash: u32) -> impl Iterator<Item = usize> {
        let (before, after) = self.slots.split_at(self.seek(hash));
        after.iter().chain(before).copied().map(index_of)
    }

    /// As [`walk`](Self::walk), without those whose point had another owner before them.
    pub(super) fn walk_owners(&self, hash: u32) -> impl Iterator<Item = usize> {
        let (before, after) = self.slots.split_at(self.seek(hash));
        let mut last = None;
        after.iter().chain(before).copied().filter_map(move |slot| {
            let point = Some(point_of(slot));
            (std::mem::replace(&mut last, point) != point).then(|| index_of(slot))
        })
    }

    /// The slot of the first point at or above a hash, or else of the first of all.
    fn seek(&self, hash: u32) -> usize {
        let mut at = place(hash, self.spread);
        loop {
            match self.slots.get(at) {
                Some(&slot) if point_of(slot) < hash => at += 1,
                Some(_) => return at,
                None => return 0,
            }
        }
    }
}

/// Where the keys of selections lie on the ring.
pub(super) fn position(key: &Term, atoms: AtomKeys) -> u32 {
    let hash = match key {
        Term::Atom(atom) => hash_of_encoded(atom, atoms),
        key => key.phash2_full(),
    };
    hash % RANGE
}

/// Where a key lies on the ring for libring's `key_to_nodes`, which hashes atoms as they are.
pub(super) fn position_for_many(key: &Term) -> u32 {
    key.phash2_full() % RANGE
}

/// The hash of `term_to_binary(Atom)`.
fn hash_of_encoded(atom: &Atom, atoms: AtomKeys) -> u32 {
    const VERSION: u8 = 131;
    const ATOM_EXT: u8 = 100;
    const ATOM_UTF8_EXT: u8 = 118;
    const SMALL_ATOM_UTF8_EXT: u8 = 119;
    const HEAD: usize = 4;

    // The text, with room for the longest head before it.
    let mut encoded = [0; HEAD + 4 * Atom::MAX_CHARACTERS];
    let latin1 = match atoms {
        AtomKeys::Otp25 => write_latin1(atom, &mut encoded[HEAD..]),
        AtomKeys::Otp26 => None,
    };
    let (tag, length) = match latin1 {
        Some(length) => (ATOM_EXT, length),
        None => {
            let utf8 = atom.as_bytes();
            encoded[HEAD..][..utf8.len()].copy_from_slice(utf8);
            match utf8.len() {
                length @ ..=0xff => (SMALL_ATOM_UTF8_EXT, length),
                length => (ATOM_UTF8_EXT, length),
            }
        }
    };
    let [high, low] = (length as u16).to_be_bytes();
    let mut encoded = &mut encoded[..HEAD + length];
    if tag == SMALL_ATOM_UTF8_EXT {
        encoded = &mut encoded[1..];
        encoded[..HEAD - 1].copy_from_slice(&[VERSION, tag, low]);
    } else {
        encoded[..HEAD].copy_from_slice(&[VERSION, tag, high, low]);
    }
    let mut hasher = Hasher::new();
    hasher.binary(encoded);
    hasher.finish()
}

/// Writes an atom one byte a character, if it can be written so, and returns how many.
fn write_latin1(atom: &Atom, text: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    for (character, byte) in atom.chars().zip(text) {
        *byte = u8::try_from(character).ok()?;
        length += 1;
    }
    Some(length)
}

fn slot(point: u32, index: u32) -> Slot {
    (Slot::from(point) << 32) | Slot::from(index)
}

fn point_of(slot: Slot) -> u32 {
    (slot >> 32) as u32
}

fn index_of(slot: Slot) -> usize {
    slot as u32 as usize
}

/// The slot of a hash, in proportion.
fn place(hash: u32, spread: usize) -> usize {
    ((u64::from(hash) * spread as u64) >> 32) as usize
}

/// What became of the members of a ring.
struct Changes {
    /// The new index for each old one, or [`GONE`].
    indices: Vec<u32>,
    /// The indices of the newcomers.
    joined: Vec<u32>,
}

impl Changes {
    /// Both lists are sorted by name.
    fn between<A: Algorithm>(old: &[Arc<Member<A>>], new: &[Arc<Member<A>>]) -> Self {
        let mut indices = Vec::with_capacity(old.len());
        let mut joined = Vec::new();
        let mut old = old.iter().peekable();
        for (index, member) in (0..).zip(new) {
            let left = iter::from_fn(|| old.next_if(|old| old.node() < member.node()));
            indices.extend(left.map(|_| GONE));
            match old.next_if(|old| old.node() == member.node()) {
                Some(_) => indices.push(index),
                None => joined.push(index),
            }
        }
        indices.extend(old.map(|_| GONE));
        Self { indices, joined }
    }
}

/// A ring on which points are being laid, in their order.
struct Layout {
    slots: Vec<Slot>,
    spread: usize,
    /// The first slot after the last point.
    end: usize,
}

impl Layout {
    fn of(points: usize) -> Self {
        let spread = points + points / 2;
        Self {
            slots: vec![VACANT; spread],
            spread,
            end: 0,
        }
    }

    fn place(&mut self, slot: Slot) {
        self.place_if(true, slot, slot);
    }

    /// Writes a slot at the place of a point, and takes the place only if it `stays`.
    fn place_if(&mut self, stays: bool, slot: Slot, place_of: Slot) {
        let at = place(point_of(place_of), self.spread).max(self.end);
        match self.slots.get_mut(at) {
            Some(vacant) => *vacant = slot,
            None => self.slots.resize(at + 1, slot),
        }
        self.end = if stays { at + 1 } else { self.end };
    }

    fn finish(self) -> Ring {
        let Self {
            mut slots,
            spread,
            end,
        } = self;
        slots.truncate(end);
        // Points are in order, and a vacant slot is greater than any.
        let mut following = VACANT;
        for slot in slots.iter_mut().rev() {
            following = following.min(*slot);
            *slot = following;
        }
        Ring { slots, spread }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        algorithm::Selection,
        members::{Pool, numbered},
    };

    /// Members that share most of their points, which lie in heaps at both ends and in the middle.
    struct Crowd;

    const CROWDED: [u32; 9] = [
        0,
        1,
        5,
        0x8000_0000,
        0x8000_0001,
        RANGE - 4,
        RANGE - 3,
        RANGE - 2,
        RANGE - 1,
    ];

    const POINTS: u32 = 4;

    fn points(node: &NodeName) -> [u32; POINTS as usize] {
        let number: usize = node.alive()[1..].parse().unwrap();
        let mut points = [1, 3, 7, 8].map(|step| CROWDED[number * step % CROWDED.len()]);
        points.sort_unstable();
        points
    }

    impl Algorithm for Crowd {
        type Table = Ring;
        type State = Points;

        fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
            None
        }

        fn table(
            &self,
            members: &[Arc<Member<Self>>],
            _: &[u32],
            previous: &Snapshot<Self>,
        ) -> Ring {
            Ring::derive(members, POINTS, previous, previous.table())
        }

        fn state(&self, node: &NodeName, _: &[Arc<Member<Self>>]) -> Points {
            Points(points(node).into())
        }
    }

    /// The ring as the Elixir library has it: a tree in which the first one to come keeps a point.
    fn tree(members: &BTreeSet<NodeName>) -> BTreeMap<u32, usize> {
        let mut tree = BTreeMap::new();
        for (index, node) in members.iter().enumerate() {
            for point in points(node) {
                tree.entry(point).or_insert(index);
            }
        }
        tree
    }

    fn distinct(indices: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        indices.filter(|&index| seen.insert(index)).collect()
    }

    proptest! {
        #[test]
        fn a_ring_that_is_derived_many_times_is_that_of_a_tree(
            changes in prop::collection::vec(prop::collection::btree_set(0..25_usize, 0..12), 1..20),
        ) {
            let pool = Pool::new(Crowd);
            for change in changes {
                let members = change.into_iter().flat_map(|n| numbered(n..n + 1));
                let members: BTreeSet<NodeName> = members.collect();
                pool.update(members.iter().cloned());
                let snapshot = pool.snapshot();
                let ring = snapshot.table();
                let tree = tree(&members);
                let near = CROWDED.iter().flat_map(|&p| [p.saturating_sub(1), p, p + 1]);
                for hash in near {
                    let (after, before) = (tree.range(hash..), tree.range(..hash));
                    let expected = distinct(after.chain(before).map(|(_, &index)| index));
                    prop_assert_eq!(ring.owner(hash), expected.first().copied());
                    prop_assert_eq!(distinct(ring.walk_owners(hash)), expected);
                    let all = distinct(ring.walk(hash));
                    prop_assert_eq!(all.len(), members.len());
                    prop_assert_eq!(all.first().copied(), ring.owner(hash));
                }
                // No more slots than their share and those that spilled over.
                prop_assert!(ring.slots.len() <= members.len() * POINTS as usize * 5 / 2);
            }
        }
    }

    #[test]
    fn points_by_sha256_are_the_beginnings_of_digests() {
        let [node] = <[NodeName; 1]>::try_from(numbered(0..1)).unwrap();
        let Points(points) = Points::new(&node, 3, PointHash::Sha256);
        // printf n0@host:1 | sha256sum
        assert_eq!(*points, [0x0a64_10ce, 0xb4cf_5c58, 0xe57b_150c]);
    }

    #[test]
    fn an_atom_that_is_a_key_is_hashed_as_the_release_encodes_it() {
        // erlang:phash2(term_to_binary(Atom), 1 bsl 32 - 1) on OTP 25 and on OTP 27.
        let atoms = [
            ("foo".to_owned(), 355_247_239, 3_066_830_727),
            ("née".to_owned(), 125_431_328, 950_582_399),
            ("€".to_owned(), 3_533_045_685, 3_533_045_685),
            ("x".repeat(200), 1_160_283_073, 2_068_816_843),
            ("é".repeat(200), 1_374_570_350, 4_052_986_968),
            ("€".repeat(90), 3_248_480_587, 3_248_480_587),
        ];
        for (text, otp25, otp26) in atoms {
            let key = Term::Atom(text.try_into().unwrap());
            assert_eq!(position(&key, AtomKeys::Otp25), otp25, "{key}");
            assert_eq!(position(&key, AtomKeys::Otp26), otp26, "{key}");
        }
    }

    #[test]
    fn keys_of_other_types_and_atoms_among_several_are_hashed_as_they_are() {
        for atoms in [AtomKeys::Otp25, AtomKeys::Otp26] {
            assert_eq!(position(&Term::binary("user-42"), atoms), 4_267_600_662);
            assert_eq!(position(&Term::nil(), atoms), 3_468_870_702);
        }
        assert_eq!(position_for_many(&Term::atom("foo")), 27_999);
        assert_eq!(position_for_many(&Term::binary("user-42")), 4_267_600_662);
    }
}
