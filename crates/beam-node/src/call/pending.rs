//! Requests of this node that a peer has not answered, found again by the reference they carry.

use beam_term::{Atom, Reference};
use slab::Slab;

/// A table of waiting requests of one link.
///
/// The slot's index travels inside the reference, so an answer finds its request without a
/// search; a serial number beside it tells an answer to an earlier tenant of the slot apart.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    slots: Slab<(u64, T)>,
    next_serial: u64,
}

/// Only the low 18 bits of a reference's first word are kept by every release.
const FIRST_WORD_BITS: u32 = 18;
const SERIAL_BITS: u32 = FIRST_WORD_BITS + 32;

/// Which request a reference of ours stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestId {
    index: u32,
    serial: u64,
}

impl<T> Pending<T> {
    /// An empty table; `seed` makes the references of successive links differ.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slots: Slab::new(),
            next_serial: seed & ((1 << SERIAL_BITS) - 1),
        }
    }

    /// Stores a request.
    pub(crate) fn insert(&mut self, request: T) -> RequestId {
        let serial = self.next_serial;
        self.next_serial = (serial + 1) & ((1 << SERIAL_BITS) - 1);
        let index = self.slots.insert((serial, request));
        let index = u32::try_from(index).expect("four billion requests do not fit into memory");
        RequestId { index, serial }
    }

    pub(crate) fn get_mut(&mut self, id: RequestId) -> Option<&mut T> {
        match self.slots.get_mut(id.index as usize) {
            Some((serial, request)) if *serial == id.serial => Some(request),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, id: RequestId) -> Option<T> {
        self.get_mut(id)?;
        Some(self.slots.remove(id.index as usize).1)
    }

    /// All requests, in no order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().map(|(_, (_, request))| request)
    }

    /// Takes out the requests for which `is_taken` says so.
    pub(crate) fn take_where(&mut self, mut is_taken: impl FnMut(&mut T) -> bool) -> Vec<T> {
        let taken = self.slots.iter_mut();
        let taken = taken.filter_map(|(index, (_, request))| is_taken(request).then_some(index));
        let taken: Vec<usize> = taken.collect();
        taken
            .into_iter()
            .map(|index| self.slots.remove(index).1)
            .collect()
    }
}

impl RequestId {
    /// The reference that stands for this request on the wire.
    pub(crate) fn reference(self, node: &Atom, creation: u32) -> Reference {
        let words = [
            (self.serial & ((1 << FIRST_WORD_BITS) - 1)) as u32,
            self.index,
            (self.serial >> FIRST_WORD_BITS) as u32,
        ];
        three_words(node, creation, words)
    }

    /// The request that a reference stands for, if its shape is ours.
    pub(crate) fn of(reference: &Reference) -> Option<Self> {
        let &[low, index, high] = reference.ids() else {
            return None;
        };
        Some(Self {
            index,
            serial: u64::from(low) | (u64::from(high) << FIRST_WORD_BITS),
        })
    }
}

/// A reference that stands for no request of any link: the middle word is an index that no table
/// reaches.
pub(crate) fn stray_reference(node: &Atom, creation: u32) -> Reference {
    three_words(node, creation, [0, u32::MAX, 0])
}

fn three_words(node: &Atom, creation: u32, words: [u32; 3]) -> Reference {
    Reference::new(node.clone(), creation, &words).expect("a reference may have three words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_request_through_the_reference() {
        let node = Atom::from_static("a@b");
        let mut pending = Pending::new(u64::MAX);
        let first = pending.insert("first");
        let second = pending.insert("second");

        let found = RequestId::of(&second.reference(&node, 7)).unwrap();
        assert_eq!(found, second);
        assert_eq!(pending.remove(found), Some("second"));
        assert_eq!(pending.remove(found), None);
        assert_eq!(pending.get_mut(first), Some(&mut "first"));
    }

    #[test]
    fn what_is_taken_out_is_no_longer_there() {
        let mut pending = Pending::new(0);
        let [odd, even] = [1, 2].map(|request| pending.insert(request));
        assert_eq!(pending.take_where(|request| *request % 2 == 1), [1]);
        assert_eq!(pending.remove(odd), None);
        assert_eq!(pending.remove(even), Some(2));
    }

    #[test]
    fn a_late_answer_does_not_reach_the_next_tenant_of_its_slot() {
        let mut pending = Pending::new(0);
        let first = pending.insert(1);
        pending.remove(first);
        let second = pending.insert(2);
        assert_eq!(first.index, second.index);
        assert_eq!(pending.remove(first), None);
        assert_eq!(pending.remove(second), Some(2));
    }
}
