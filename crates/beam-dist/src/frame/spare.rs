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
/// Clones share the bound. What counts is memory of messages that have been received, whether somebody
/// holds them or not, and what of it has been taken for a message that is arriving. A link lets go of its
/// part when it [rests](super::FrameDecoder::rest), and when it ends.
#[derive(Clone, Debug)]
pub struct SpareMemory {
    left: Arc<AtomicUsize>,
}

impl SpareMemory {
    /// What a decoder keeps by itself: 16 MiB.
    pub const DEFAULT_BYTES: usize = 16 * 1024 * 1024;

    /// So many bytes; with 0 none is ever kept.
    pub fn new(bytes: usize) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(bytes)),
        }
    }

    fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let less = |left: usize| left.checked_sub(bytes);
        let reserved = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        reserved.is_ok().then(|| Reserved {
            bytes,
            shared: self.clone(),
        })
    }
}

impl Default for SpareMemory {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

/// A part of the bound, until this is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    bytes: usize,
    shared: SpareMemory,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.shared.left.fetch_add(self.bytes, Ordering::Relaxed);
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

/// The memory of a message.
#[derive(Debug)]
struct Kept {
    message: Bytes,
    reserved: Reserved,
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

    /// The message, whose memory is looked at again when room for another one is needed; with what was
    /// reserved for that memory, if it was taken from here.
    pub(super) fn keep(&mut self, message: BytesMut, reserved: Option<Reserved>) -> Bytes {
        let capacity = message.capacity();
        let message = message.freeze();
        let reserved = reserved.filter(|reserved| reserved.bytes == capacity);
        if capacity >= LEAST_BYTES
            && let Some(reserved) = reserved.or_else(|| self.reserve(capacity))
        {
            if self.kept.len() == KEPT_MESSAGES {
                self.kept.pop_front();
            }
            self.kept.push_back(Kept {
                message: message.clone(),
                reserved,
            });
        }
        message
    }

    /// Reserves so much, in the place of the oldest messages if need be: these are the least likely to be
    /// wanted.
    fn reserve(&mut self, bytes: usize) -> Option<Reserved> {
        let own: usize = self.kept.iter().map(|kept| kept.reserved.bytes).sum();
        if bytes > own.saturating_add(self.shared.left()) {
            return None;
        }
        loop {
            let reserved = self.shared.reserve(bytes);
            if reserved.is_some() || self.kept.pop_front().is_none() {
                return reserved;
            }
        }
    }

    /// Empty memory for so many bytes, and not for a multiple of them. It goes on to count until what
    /// was reserved for it is dropped.
    pub(super) fn take(&mut self, bytes: usize) -> Option<(BytesMut, Reserved)> {
        if bytes < LEAST_BYTES {
            return None;
        }
        self.is_used = true;
        let fits = bytes..=bytes.saturating_mul(2);
        // The last one is the likeliest to be in the cache of the processor.
        let at = self
            .kept
            .iter()
            .rposition(|kept| fits.contains(&kept.reserved.bytes) && kept.message.is_unique())?;
        let Kept { message, reserved } = self.kept.remove(at)?;
        let mut memory = message.try_into_mut().ok()?;
        memory.clear();
        (memory.capacity() >= bytes).then_some((memory, reserved))
    }

    /// Lets go of everything if none was wanted since the last call.
    pub(super) fn rest(&mut self) {
        if !std::mem::take(&mut self.is_used) {
            self.kept = VecDeque::new();
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

    fn left(spare: &Spare) -> usize {
        spare.shared.left()
    }

    #[test]
    fn memory_is_used_again_when_nobody_holds_it_any_more() {
        let mut spare = Spare::new(SpareMemory::new(1_000_000));
        let first = spare.keep(message(100_000), None);
        assert_eq!(left(&spare), 900_000);
        assert!(spare.take(100_000).is_none());
        let memory = first.as_ptr();
        drop(first);
        assert!(spare.take(49_999).is_none());
        assert!(spare.take(100_001).is_none());
        let (again, reserved) = spare.take(60_000).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (memory, 0));
        assert!(spare.take(60_000).is_none());
        // It counts for as long as it is there.
        assert_eq!(left(&spare), 900_000);
        drop(spare.keep(again, Some(reserved)));
        assert_eq!(left(&spare), 900_000);
        drop(spare.take(60_000).unwrap());
        assert_eq!(left(&spare), 1_000_000);
    }

    #[test]
    fn no_more_than_so_much_is_kept() {
        const MOST: usize = 16 * 1024 * 1024;
        let mut spare = Spare::new(SpareMemory::new(MOST));
        for _ in 0..2 * KEPT_MESSAGES {
            drop(spare.keep(message(LEAST_BYTES), None));
        }
        assert_eq!(spare.kept.len(), KEPT_MESSAGES);
        drop(spare.keep(message(LEAST_BYTES - 1), None));
        assert_eq!(left(&spare), MOST - KEPT_MESSAGES * LEAST_BYTES);
        drop(spare.keep(message(MOST), None));
        assert_eq!((spare.kept.len(), left(&spare)), (1, 0));
        // What finds no room takes that of no other.
        drop(spare.keep(message(MOST + 1), None));
        assert_eq!((spare.kept.len(), left(&spare)), (1, 0));
    }

    #[test]
    fn links_share_what_they_may_keep() {
        let shared = SpareMemory::new(100_000);
        let [mut one, mut other] = [(); 2].map(|()| Spare::new(shared.clone()));
        drop(one.keep(message(60_000), None));
        drop(other.keep(message(60_000), None));
        assert!(other.take(60_000).is_none());
        drop(one);
        drop(other.keep(message(60_000), None));
        assert!(other.take(60_000).is_some());
    }

    #[test]
    fn nothing_is_kept_of_an_idle_link() {
        let mut spare = Spare::default();
        drop(spare.keep(message(LEAST_BYTES), None));
        assert!(spare.take(LEAST_BYTES * 9).is_none());
        spare.rest();
        assert_eq!(spare.kept.len(), 1);
        spare.rest();
        assert_eq!(spare.kept.len(), 0);
        assert_eq!(left(&spare), SpareMemory::DEFAULT_BYTES);
    }
}
