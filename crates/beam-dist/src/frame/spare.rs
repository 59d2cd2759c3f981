//! Memory of large messages, to be used again.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// The memory of the last large messages. What nobody holds any more takes the next ones.
///
/// Fresh memory comes from the operating system page by page, which costs as much as the socket's own copy does.
#[derive(Debug, Default)]
pub(super) struct Spare {
    /// Each with its capacity.
    kept: VecDeque<(usize, Bytes)>,
    bytes: usize,
    /// Whether any was wanted since the last [`rest`](Self::rest).
    is_used: bool,
}

/// How much memory is kept at the most, that of messages which are still held included.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// Of how many messages memory is kept at the most.
const KEPT_MESSAGES: usize = 64;

/// Below, the allocator has memory at hand.
const LEAST_BYTES: usize = 32 * 1024;

impl Spare {
    /// The message, whose memory is looked at again when room for another one is needed.
    pub(super) fn keep(&mut self, message: BytesMut) -> Bytes {
        let capacity = message.capacity();
        let message = message.freeze();
        if (LEAST_BYTES..=KEPT_BYTES).contains(&capacity) {
            while self.kept.len() >= KEPT_MESSAGES || self.bytes + capacity > KEPT_BYTES {
                let Some((forgotten, _)) = self.kept.pop_front() else {
                    break;
                };
                self.bytes -= forgotten;
            }
            self.bytes += capacity;
            self.kept.push_back((capacity, message.clone()));
        }
        message
    }

    /// Empty memory for so many bytes, and not for a multiple of them.
    pub(super) fn take(&mut self, bytes: usize) -> Option<BytesMut> {
        if bytes < LEAST_BYTES {
            return None;
        }
        self.is_used = true;
        let fits = bytes..=bytes.saturating_mul(2);
        // The last one is the likeliest to be in the cache of the processor.
        let at = self
            .kept
            .iter()
            .rposition(|(capacity, message)| fits.contains(capacity) && message.is_unique())?;
        let (capacity, message) = self.kept.remove(at)?;
        self.bytes -= capacity;
        let mut memory = message.try_into_mut().ok()?;
        memory.clear();
        (memory.capacity() >= bytes).then_some(memory)
    }

    /// Lets go of everything if none was wanted since the last call.
    pub(super) fn rest(&mut self) {
        if !std::mem::take(&mut self.is_used) {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> BytesMut {
        let mut message = BytesMut::with_capacity(bytes);
        message.resize(bytes, 7);
        message
    }

    #[test]
    fn memory_is_used_again_when_nobody_holds_it_any_more() {
        let mut spare = Spare::default();
        let first = spare.keep(message(100_000));
        assert!(spare.take(100_000).is_none());
        let memory = first.as_ptr();
        drop(first);
        assert!(spare.take(49_999).is_none());
        assert!(spare.take(100_001).is_none());
        let again = spare.take(60_000).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (memory, 0));
        assert!(spare.take(60_000).is_none());
        assert_eq!(spare.bytes, 0);
    }

    #[test]
    fn no_more_than_so_much_is_kept() {
        let mut spare = Spare::default();
        for _ in 0..2 * KEPT_MESSAGES {
            drop(spare.keep(message(LEAST_BYTES)));
        }
        assert_eq!(spare.kept.len(), KEPT_MESSAGES);
        drop(spare.keep(message(LEAST_BYTES - 1)));
        drop(spare.keep(message(KEPT_BYTES + 1)));
        assert_eq!(spare.bytes, KEPT_MESSAGES * LEAST_BYTES);
        drop(spare.keep(message(KEPT_BYTES)));
        assert_eq!((spare.kept.len(), spare.bytes), (1, KEPT_BYTES));
    }

    #[test]
    fn nothing_is_kept_of_an_idle_link() {
        let mut spare = Spare::default();
        drop(spare.keep(message(LEAST_BYTES)));
        assert!(spare.take(KEPT_BYTES).is_none());
        spare.rest();
        assert_eq!(spare.kept.len(), 1);
        spare.rest();
        assert_eq!((spare.kept.len(), spare.bytes), (0, 0));
    }
}
