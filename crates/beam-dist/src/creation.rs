//! Incarnations of a node.

use std::fmt;

/// Tells one incarnation of a node from the next one of the same name.
///
/// Part of every pid, port and reference, so that an identifier of a node that went away is not
/// taken for one of the node that came back under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Creation(u32);

impl Creation {
    /// The smallest creation that a node may have.
    ///
    /// 0 means any or not yet known, and 1 to 3 are those of nodes from before creations had 32
    /// bits.
    pub const MIN: Self = Self(4);

    /// What a node without a name says in a handshake before it was given one.
    pub const UNKNOWN: Self = Self(0);

    /// A creation as it came over the wire.
    pub const fn new(creation: u32) -> Self {
        Self(creation)
    }

    /// Draws a creation of at least [`Creation::MIN`], for a node that no EPMD gave one.
    ///
    /// # Errors
    ///
    /// When the operating system's source of random numbers fails.
    pub fn random() -> Result<Self, getrandom::Error> {
        getrandom::u32().map(|random| Self(random.max(Self::MIN.0)))
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The creation of the next incarnation: never [`Creation::UNKNOWN`], never below
    /// [`Creation::MIN`].
    pub(crate) fn next(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or_default()).max(Self::MIN)
    }
}

impl From<Creation> for u32 {
    fn from(creation: Creation) -> Self {
        creation.0
    }
}

impl fmt::Display for Creation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_creation_differs_and_stays_in_range_around_the_wrap() {
        assert_eq!(Creation::new(9).next(), Creation::new(10));
        assert_eq!(Creation::new(u32::MAX).next(), Creation::MIN);
        assert_eq!(Creation::UNKNOWN.next(), Creation::MIN);
    }

    #[test]
    fn a_random_creation_is_in_range() {
        assert!(Creation::random().unwrap() >= Creation::MIN);
    }
}
