//! The atoms that a peer's headers refer to.

use std::{fmt, str};

use beam_term::{Atom, AtomRefs};

use super::{
    FrameDecodeError,
    form::Form,
    header::{byte, bytes},
};

/// The receiving side of the atom cache of a link: 2048 slots that the peer fills as it likes.
///
/// The atoms lie densely beside the table of slots, and the table comes with the first of them, so
/// that a link does not pay for what it does not use.
#[derive(Default)]
pub(super) struct AtomCache {
    /// By slot: one more than the index into `atoms`, 0 where the slot is empty.
    slots: Option<Box<[u16; SLOTS]>>,
    atoms: Vec<Atom>,
    /// Empty between headers; kept for its memory.
    refs: Vec<Atom>,
}

/// Eight segments of 256.
const SLOTS: usize = 2048;

/// In the nibble of an atom: a text follows its slot. The other bits are the segment.
const NEW_ENTRY: u8 = 0b1000;

/// In the nibble after those of the atoms: the lengths of texts have two bytes.
const LONG_ATOMS: u8 = 0b0001;

impl AtomCache {
    /// Takes the atoms off the front of a header's rest: their number, a nibble of flags for each
    /// and one for all, then by atom the slot and, if it is new there, its text.
    pub(super) fn atom_refs(
        &mut self,
        header: &mut &[u8],
        form: Form,
    ) -> Result<AtomRefs, FrameDecodeError> {
        let count = byte(header)?;
        if count == 0 {
            return Ok(AtomRefs::default());
        }
        if !form.atom_cache() {
            return Err(FrameDecodeError::NoAtomCache);
        }
        let flags = bytes(header, usize::from(count / 2) + 1)?;
        let nibble = |at: u8| flags[usize::from(at / 2)] >> (at % 2 * 4) & 0b1111;
        let long = nibble(count) & LONG_ATOMS != 0;

        self.refs.clear();
        for at in 0..count {
            let slot = Slot::new(nibble(at), byte(header)?);
            if nibble(at) & NEW_ENTRY != 0 {
                self.put(slot, text(header, long)?);
            }
            let atom = self.get(slot).ok_or(FrameDecodeError::EmptyCacheSlot)?;
            self.refs.push(atom.clone());
        }
        Ok(self.refs.drain(..).collect())
    }

    fn get(&self, slot: Slot) -> Option<&Atom> {
        let index = self.slots.as_ref()?[slot.index()].checked_sub(1)?;
        self.atoms.get(usize::from(index))
    }

    fn put(&mut self, slot: Slot, atom: Atom) {
        let slots = self.slots.get_or_insert_with(|| Box::new([0; SLOTS]));
        let place = &mut slots[slot.index()];
        match place.checked_sub(1) {
            Some(index) => self.atoms[usize::from(index)] = atom,
            None => {
                self.atoms.push(atom);
                // At most one for each slot, so the number fits.
                *place = self.atoms.len() as u16;
            }
        }
    }
}

impl fmt::Debug for AtomCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomCache")
            .field("atoms", &self.atoms.len())
            .finish_non_exhaustive()
    }
}

/// Takes the text of an atom off the front. It is copied: the cache outlives the frame.
fn text(header: &mut &[u8], long: bool) -> Result<Atom, FrameDecodeError> {
    let high = if long { byte(header)? } else { 0 };
    let length = u16::from_be_bytes([high, byte(header)?]);
    let text = bytes(header, usize::from(length))?;
    let text = str::from_utf8(text).map_err(|_| FrameDecodeError::InvalidAtom)?;
    Atom::try_from(text).map_err(|_| FrameDecodeError::InvalidAtom)
}

/// A place in the cache.
#[derive(Clone, Copy, Debug)]
struct Slot {
    segment: u8,
    index: u8,
}

impl Slot {
    /// Of `segment`, the three low bits count.
    fn new(segment: u8, index: u8) -> Self {
        Self {
            segment: segment & 0b0111,
            index,
        }
    }

    fn index(self) -> usize {
        usize::from(self.segment) << 8 | usize::from(self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_keeps_one_atom_for_each_of_its_slots() {
        let mut cache = AtomCache::default();
        for round in 0..3 {
            for segment in 0..=u8::MAX {
                let name = format!("atom{round}_{segment}");
                let atom = Atom::try_from(name.as_str()).unwrap();
                for index in 0..=u8::MAX {
                    // Bits beyond those of the eight segments do not count.
                    cache.put(Slot::new(segment, index), atom.clone());
                }
            }
        }

        assert_eq!(cache.atoms.len(), SLOTS);
        let last = cache.get(Slot::new(7, 255)).unwrap();
        assert_eq!(last.as_str(), "atom2_255");
    }
}
