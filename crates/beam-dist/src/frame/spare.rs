//! Memory of large messages, to be used again.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};

/// How much memory links may keep together, to receive large messages in it again.
///
/// Fresh memory comes from the operating system page by page, which costs more than the socket's own
/// copy does: with memory at hand, messages of 64 MiB are received at two to three times the rate.
///
/// Clones share the bound. It counts memory that is kept although nothing was received in it, and
/// that of messages which are still held; a link lets go of its part when it
/// [rests](super::FrameDecoder::rest), and when it ends.
#[derive(Clone, Debug)]
pub struct SpareMemory {
    left: Arc<AtomicUsize>,
}

impl SpareMemory {
    /// 256 MiB.
    pub const DEFAULT_BYTES: usize = 256 * 1024 * 1024;

    /// So many bytes; with 0 none is ever kept.
    pub fn new(bytes: usize) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(bytes)),
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Default for SpareMemory {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

/// The memory of the last large messages of a link. What nobody holds any more takes the next ones.
#[derive(Debug, Default)]
pub(super) struct Spare {
    kept: VecDeque<Kept>,
    shared: SpareMemory,
    /// Whether any was wanted since the last [`rest`](Self::rest).
    is_used: bool,
}

/// The memory of a message, which counts until this is dropped.
#[derive(Debug)]
struct Kept {
    message: Bytes,
    capacity: usize,
    shared: SpareMemory,
}

/// Of how many messages memory is kept at the most.
const KEPT_MESSAGES: usize = 64;

/// Below, the allocator has memory at hand.
const LEAST_BYTES: usize = 32 * 1024;

impl Spare {
    pub(super) fn new(shared: SpareMemory) -> Self {
        Self {
            shared,
            ..Self::default()
        }
    }

    /// The message, whose memory is looked at again when room for another one is needed.
    pub(super) fn keep(&mut self, message: BytesMut) -> Bytes {
        let capacity = message.capacity();
        let message = message.freeze();
        if capacity >= LEAST_BYTES {
            if self.kept.len() == KEPT_MESSAGES {
                self.kept.pop_front();
            }
            while !self.shared.take(capacity) {
                // The oldest is the least likely to be wanted.
                if self.kept.pop_front().is_none() {
                    return message;
                }
            }
            self.kept.push_back(Kept {
                message: message.clone(),
                capacity,
                shared: self.shared.clone(),
            });
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
            .rposition(|kept| fits.contains(&kept.capacity) && kept.message.is_unique())?;
        let mut memory = self.kept.remove(at)?.into_memory()?;
        memory.clear();
        (memory.capacity() >= bytes).then_some(memory)
    }

    /// Lets go of everything if none was wanted since the last call.
    pub(super) fn rest(&mut self) {
        if !std::mem::take(&mut self.is_used) {
            self.kept = VecDeque::new();
        }
    }
}

impl Kept {
    /// The memory, unless somebody holds the message.
    fn into_memory(mut self) -> Option<BytesMut> {
        std::mem::take(&mut self.message).try_into_mut().ok()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.shared.give_back(self.capacity);
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

    fn left(spare: &Spare) -> usize {
        spare.shared.left.load(Ordering::Relaxed)
    }

    #[test]
    fn memory_is_used_again_when_nobody_holds_it_any_more() {
        let mut spare = Spare::new(SpareMemory::new(1_000_000));
        let first = spare.keep(message(100_000));
        assert_eq!(left(&spare), 900_000);
        assert!(spare.take(100_000).is_none());
        let memory = first.as_ptr();
        drop(first);
        assert!(spare.take(49_999).is_none());
        assert!(spare.take(100_001).is_none());
        let again = spare.take(60_000).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (memory, 0));
        assert!(spare.take(60_000).is_none());
        assert_eq!(left(&spare), 1_000_000);
    }

    #[test]
    fn no_more_than_so_much_is_kept() {
        const MOST: usize = 16 * 1024 * 1024;
        let mut spare = Spare::new(SpareMemory::new(MOST));
        for _ in 0..2 * KEPT_MESSAGES {
            drop(spare.keep(message(LEAST_BYTES)));
        }
        assert_eq!(spare.kept.len(), KEPT_MESSAGES);
        drop(spare.keep(message(LEAST_BYTES - 1)));
        assert_eq!(left(&spare), MOST - KEPT_MESSAGES * LEAST_BYTES);
        drop(spare.keep(message(MOST)));
        assert_eq!((spare.kept.len(), left(&spare)), (1, 0));
        drop(spare.keep(message(MOST + 1)));
        assert_eq!((spare.kept.len(), left(&spare)), (0, MOST));
    }

    #[test]
    fn links_share_what_they_may_keep() {
        let shared = SpareMemory::new(100_000);
        let [mut one, mut other] = [(); 2].map(|()| Spare::new(shared.clone()));
        drop(one.keep(message(60_000)));
        drop(other.keep(message(60_000)));
        assert!(other.take(60_000).is_none());
        drop(one);
        drop(other.keep(message(60_000)));
        assert!(other.take(60_000).is_some());
    }

    #[test]
    fn nothing_is_kept_of_an_idle_link() {
        let mut spare = Spare::default();
        drop(spare.keep(message(LEAST_BYTES)));
        assert!(spare.take(LEAST_BYTES * 9).is_none());
        spare.rest();
        assert_eq!(spare.kept.len(), 1);
        spare.rest();
        assert_eq!(spare.kept.len(), 0);
        assert_eq!(left(&spare), SpareMemory::DEFAULT_BYTES);
    }
}
