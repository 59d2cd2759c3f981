//! The bounds of nested values.

use crate::{DecodeError, DecodeErrorKind, Reader};

/// What the containers around a value leave to it: levels, and bytes that they do not claim for their own elements.
#[derive(Clone, Copy)]
pub(super) struct Room {
    levels: usize,
    claimed: usize,
}

impl Room {
    /// All that a reader may use.
    #[inline]
    pub(super) fn of(reader: &Reader) -> Self {
        Self {
            levels: limit(reader),
            claimed: 0,
        }
    }

    /// The room inside a container of so many terms; refused if it is too deep, or if all that is claimed cannot be there.
    #[inline]
    pub(super) fn inside(self, terms: usize, reader: &Reader) -> Result<Self, DecodeError> {
        if terms == 0 {
            return Ok(self);
        }
        let levels = self.levels.checked_sub(1).ok_or(DecodeErrorKind::TooDeep {
            limit: limit(reader),
        })?;
        let room = Self { levels, ..self };
        room.check(terms, reader)?;
        Ok(room)
    }

    /// Refuses terms that cannot be there.
    #[inline]
    pub(super) fn check(self, terms: usize, reader: &Reader) -> Result<(), DecodeError> {
        if self.claimed.saturating_add(terms) > reader.remaining() {
            return Err(DecodeErrorKind::Truncated {
                offset: reader.position(),
            }
            .into());
        }
        Ok(())
    }

    /// The room of an element, of a container that claims so many terms more.
    #[inline]
    pub(super) fn beside(self, terms: usize) -> Self {
        Self {
            claimed: self.claimed.saturating_add(terms),
            ..self
        }
    }
}

#[inline]
fn limit(reader: &Reader) -> usize {
    let limits = reader.limits();
    limits.recursion.min(limits.depth)
}
