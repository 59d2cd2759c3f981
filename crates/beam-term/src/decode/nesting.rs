//! How deep a walk over encoded terms is, without recursion.

use super::input::truncated;
use crate::{DecodeError, DecodeErrorKind, Reader};

/// The containers that are open in a walk over encoded terms. The first few levels need no allocation.
///
/// It holds two bounds: on depth, and on the terms that open containers still claim, of which there can never be more than
/// bytes are left. The second keeps nested claims from adding up.
pub(crate) struct Nesting {
    limit: usize,
    depth: usize,
    innermost: Open,
    /// What the containers around the innermost one claim.
    claimed_around: usize,
    shallow: [Open; SHALLOW],
    deep: Vec<Open>,
}

/// What follows the head of a term.
#[derive(Clone, Copy)]
pub(crate) struct Elements {
    pub(crate) count: usize,
    /// Whether the last one is the tail of a list: a list there continues this one, it does not nest.
    list: bool,
}

impl Elements {
    /// So many terms; none after a scalar.
    pub(crate) fn of(count: usize) -> Self {
        Self { count, list: false }
    }

    /// So many terms, and the tail.
    pub(crate) fn of_list(len: usize) -> Self {
        Self {
            count: len + 1,
            list: true,
        }
    }
}

impl Nesting {
    /// A walk over one term, which is outermost.
    pub(crate) fn new(limit: usize) -> Self {
        let nothing = Open {
            left: 0,
            list: false,
        };
        Self {
            limit,
            depth: 0,
            innermost: nothing,
            claimed_around: 0,
            shallow: [nothing; SHALLOW],
            deep: Vec::new(),
        }
    }

    /// Moves to the next term, if there is one.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> bool {
        while self.innermost.left == 0 {
            if self.depth == 0 {
                return false;
            }
            self.close();
        }
        self.innermost.left -= 1;
        true
    }

    /// Notes what follows the head that `reader` has just read.
    #[inline(always)]
    pub(crate) fn enter(&mut self, elements: Elements, reader: &Reader) -> Result<(), DecodeError> {
        if elements.count == 0 {
            return Ok(());
        }
        self.open(elements, reader.remaining(), reader.position())
    }

    /// How many terms are still to be read.
    pub(crate) fn claimed(&self) -> usize {
        self.claimed_around + self.innermost.left
    }

    #[inline(always)]
    fn open(
        &mut self,
        elements: Elements,
        remaining: usize,
        offset: usize,
    ) -> Result<(), DecodeError> {
        if self.claimed().saturating_add(elements.count) > remaining {
            return Err(truncated(offset));
        }
        let open = Open {
            left: elements.count,
            list: elements.list,
        };
        let continues = self.innermost.left == 0 && self.innermost.list && open.list;
        if !continues {
            if self.depth >= self.limit {
                return Err(too_deep(self.limit));
            }
            self.claimed_around += self.innermost.left;
            match self.shallow.get_mut(self.depth) {
                Some(place) => *place = self.innermost,
                None => self.push_deep(),
            }
            self.depth += 1;
        }
        self.innermost = open;
        Ok(())
    }

    #[cold]
    fn push_deep(&mut self) {
        self.deep.push(self.innermost);
    }

    #[inline(always)]
    fn close(&mut self) {
        self.depth -= 1;
        let around = match self.shallow.get(self.depth) {
            Some(&open) => Some(open),
            None => self.deep.pop(),
        };
        // There is one for each level of depth.
        if let Some(around) = around {
            self.innermost = around;
            self.claimed_around -= around.left;
        }
    }
}

#[derive(Clone, Copy)]
struct Open {
    /// Elements that are not begun.
    left: usize,
    list: bool,
}

#[cold]
#[inline(never)]
fn too_deep(limit: usize) -> DecodeError {
    DecodeErrorKind::TooDeep { limit }.into()
}

const SHALLOW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 1_000_000;

    fn tuple(count: usize) -> Elements {
        Elements::of(count)
    }

    /// The outermost term may be opened without moving to it.
    fn open(nesting: &mut Nesting, elements: Elements) -> Result<(), DecodeError> {
        if elements.count == 0 {
            return Ok(());
        }
        nesting.open(elements, PLENTY, 0)
    }

    #[test]
    fn a_walk_ends_with_the_last_element() {
        let mut nesting = Nesting::new(2);
        open(&mut nesting, tuple(2)).unwrap();
        for (elements, claimed) in [(tuple(1), 2), (tuple(0), 1), (tuple(0), 0)] {
            assert!(nesting.next());
            open(&mut nesting, elements).unwrap();
            assert_eq!(nesting.claimed(), claimed);
        }
        assert!(!nesting.next());
    }

    #[test]
    fn depth_is_bounded_beyond_the_levels_in_place() {
        for limit in [1, SHALLOW, SHALLOW + 1, 100] {
            let mut nesting = Nesting::new(limit);
            for _ in 0..limit {
                open(&mut nesting, tuple(1)).unwrap();
                assert!(nesting.next());
            }
            let result = open(&mut nesting, tuple(1));
            assert_eq!(result, Err(DecodeErrorKind::TooDeep { limit }.into()));
        }
    }

    #[test]
    fn closed_levels_can_be_used_again() {
        let mut nesting = Nesting::new(SHALLOW + 2);
        open(&mut nesting, tuple(1000)).unwrap();
        for _ in 0..999 {
            assert!(nesting.next());
            for _ in 0..SHALLOW + 1 {
                open(&mut nesting, tuple(1)).unwrap();
                assert!(nesting.next());
            }
        }
        assert_eq!(nesting.claimed(), 1);
    }

    #[test]
    fn a_list_in_the_tail_of_a_list_does_not_nest() {
        let mut nesting = Nesting::new(1);
        for _ in 0..10 {
            open(&mut nesting, Elements::of_list(1)).unwrap();
            assert!(nesting.next());
            assert!(nesting.next());
        }
        assert!(!nesting.next());
    }

    #[test]
    fn nested_claims_add_up_against_the_bytes_left() {
        let mut nesting = Nesting::new(10);
        nesting.open(tuple(60), 100, 0).unwrap();
        assert!(nesting.next());
        let result = nesting.open(tuple(60), 95, 5);
        assert_eq!(result, Err(DecodeErrorKind::Truncated { offset: 5 }.into()));
    }
}
