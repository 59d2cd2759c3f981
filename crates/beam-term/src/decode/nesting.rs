//! How deep a walk over encoded terms is, without recursion.

use crate::DecodeError;

/// The containers that are open in a walk over encoded terms. The first few levels need no allocation.
///
/// It holds two bounds: on depth, and on the terms that open containers still claim, of which there can never be more than
/// bytes are left. The second keeps nested claims from adding up.
pub(crate) struct Nesting {
    limit: usize,
    claimed: usize,
    depth: usize,
    shallow: [Open; SHALLOW],
    deep: Vec<Open>,
}

/// What follows the head of a term.
#[derive(Clone, Copy, Default)]
pub(crate) struct Elements {
    pub(crate) count: usize,
    /// Whether the last one is the tail of a list: a list there continues this one, it does not nest.
    pub(crate) list: bool,
}

impl Nesting {
    /// A walk over one term.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            claimed: 1,
            depth: 0,
            shallow: [Open::default(); SHALLOW],
            deep: Vec::new(),
        }
    }

    /// Notes that a head was read, with `elements` after it, and that `remaining` bytes are left at `offset`.
    pub(crate) fn enter(
        &mut self,
        elements: Elements,
        remaining: usize,
        offset: usize,
    ) -> Result<(), DecodeError> {
        self.claimed = (self.claimed - 1).saturating_add(elements.count);
        if self.claimed > remaining {
            return Err(DecodeError::Truncated { offset });
        }
        if elements.count > 0 {
            let open = Open {
                left: elements.count,
                list: elements.list,
            };
            match self.innermost() {
                Some(outer) if outer.left == 0 && outer.list && open.list => *outer = open,
                _ => self.push(open)?,
            }
        }
        self.descend();
        Ok(())
    }

    /// How many terms are still to be read.
    pub(crate) fn claimed(&self) -> usize {
        self.claimed
    }

    /// Moves to the next element, closing what has no more.
    fn descend(&mut self) {
        while let Some(open) = self.innermost() {
            if open.left > 0 {
                open.left -= 1;
                return;
            }
            self.depth -= 1;
            self.deep.truncate(self.depth.saturating_sub(SHALLOW));
        }
    }

    fn innermost(&mut self) -> Option<&mut Open> {
        let at = self.depth.checked_sub(1)?;
        match at.checked_sub(SHALLOW) {
            None => self.shallow.get_mut(at),
            Some(at) => self.deep.get_mut(at),
        }
    }

    fn push(&mut self, open: Open) -> Result<(), DecodeError> {
        if self.depth >= self.limit {
            return Err(DecodeError::TooDeep { limit: self.limit });
        }
        match self.shallow.get_mut(self.depth) {
            Some(place) => *place = open,
            None => self.deep.push(open),
        }
        self.depth += 1;
        Ok(())
    }
}

#[derive(Clone, Copy, Default)]
struct Open {
    /// Elements that are not begun.
    left: usize,
    list: bool,
}

const SHALLOW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 1_000_000;

    fn tuple(count: usize) -> Elements {
        Elements { count, list: false }
    }

    fn list(len: usize) -> Elements {
        Elements {
            count: len + 1,
            list: true,
        }
    }

    #[test]
    fn a_walk_ends_with_the_last_element() {
        let mut nesting = Nesting::new(2);
        for (elements, claimed) in [(tuple(2), 2), (tuple(1), 2), (tuple(0), 1), (tuple(0), 0)] {
            assert_ne!(nesting.claimed(), 0);
            nesting.enter(elements, PLENTY, 0).unwrap();
            assert_eq!(nesting.claimed(), claimed);
        }
    }

    #[test]
    fn depth_is_bounded_beyond_the_levels_in_place() {
        for limit in [1, SHALLOW, SHALLOW + 1, 100] {
            let mut nesting = Nesting::new(limit);
            for _ in 0..limit {
                nesting.enter(tuple(1), PLENTY, 0).unwrap();
            }
            let result = nesting.enter(tuple(1), PLENTY, 0);
            assert_eq!(result, Err(DecodeError::TooDeep { limit }));
        }
    }

    #[test]
    fn closed_levels_can_be_used_again() {
        let mut nesting = Nesting::new(SHALLOW + 2);
        nesting.enter(tuple(1000), PLENTY, 0).unwrap();
        for _ in 0..999 {
            for _ in 0..SHALLOW + 1 {
                nesting.enter(tuple(1), PLENTY, 0).unwrap();
            }
            nesting.enter(tuple(0), PLENTY, 0).unwrap();
        }
        assert_eq!(nesting.claimed(), 1);
    }

    #[test]
    fn a_list_in_the_tail_of_a_list_does_not_nest() {
        let mut nesting = Nesting::new(1);
        for _ in 0..10 {
            nesting.enter(list(1), PLENTY, 0).unwrap();
            nesting.enter(tuple(0), PLENTY, 0).unwrap();
        }
        nesting.enter(tuple(0), PLENTY, 0).unwrap();
        assert_eq!(nesting.claimed(), 0);
    }

    #[test]
    fn nested_claims_add_up_against_the_bytes_left() {
        let mut nesting = Nesting::new(10);
        nesting.enter(tuple(60), 100, 0).unwrap();
        let result = nesting.enter(tuple(60), 95, 5);
        assert_eq!(result, Err(DecodeError::Truncated { offset: 5 }));
    }
}
