//! Bytes that are held for others, with a bound.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes are held. What is held alone always has room, however large it is: it would never
/// have any otherwise.
#[derive(Debug, Default)]
pub(crate) struct HeldBytes(AtomicUsize);

impl HeldBytes {
    /// Adds bytes, unless there would be more than `limit`.
    pub(crate) fn add(&self, bytes: usize, limit: usize) -> bool {
        let added = |held: usize| {
            let all = held.saturating_add(bytes);
            (held == 0 || all <= limit).then_some(all)
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, added)
            .is_ok()
    }

    /// Takes away bytes that were added.
    pub(crate) fn remove(&self, bytes: usize) {
        let before = self.0.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "more bytes were removed than added");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_held_up_to_the_limit_and_whatever_is_alone() {
        let held = HeldBytes::default();
        assert!(held.add(60, 100));
        assert!(!held.add(41, 100));
        assert!(held.add(40, 100));
        held.remove(100);
        assert!(held.add(1000, 100));
        assert!(!held.add(1, 100));
        held.remove(1000);
        assert!(held.add(1000, 100));
        assert!(!held.add(usize::MAX, 100));
    }
}
