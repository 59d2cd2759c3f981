//! The atoms that a distribution header refers to.

use std::{fmt, sync::Arc};

use crate::Atom;

/// The atoms of one message's distribution header, by the index that its terms use. Cheap to clone; empty without a header.
#[derive(Clone, Default)]
pub struct AtomRefs(Option<Arc<[Atom]>>);

impl AtomRefs {
    /// The atom of an index.
    pub fn get(&self, index: u8) -> Option<&Atom> {
        self.0.as_ref()?.get(usize::from(index))
    }

    /// How many atoms there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |atoms| atoms.len())
    }

    /// Whether there is no atom to refer to.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl FromIterator<Atom> for AtomRefs {
    fn from_iter<I: IntoIterator<Item = Atom>>(atoms: I) -> Self {
        let atoms: Arc<[Atom]> = atoms.into_iter().collect();
        Self((!atoms.is_empty()).then_some(atoms))
    }
}

impl fmt::Debug for AtomRefs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let atoms = self.0.as_deref().unwrap_or_default();
        f.debug_list()
            .entries(atoms.iter().map(Atom::as_str))
            .finish()
    }
}
