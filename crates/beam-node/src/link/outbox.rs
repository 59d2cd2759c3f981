//! What is to be sent to a peer: filled by any task, emptied by the link's own.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use beam_dist::frame::Fragments;
use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::Notify;

/// Encoded messages on their way to the socket.
///
/// Small messages are appended to one buffer, which the link task takes whole, so that many calls
/// share one write. Large ones are sent fragment by fragment, in turn with everything else, so
/// that no message waits for another's length.
///
/// Messages whose order matters ([`Lane::Ordered`]) reach the peer in the order of sending, even
/// where some of them are large. Requests and answers of calls ([`Lane::Free`]) may overtake each
/// other, as each concerns a process of its own.
///
/// The bytes queued by senders are bounded. One message that is larger than the bound by itself may
/// be queued all the same, and what fits beside it then still fits: memory is bounded by the limit
/// and one message, and a large message does not stop the small ones. Answers that the link task itself owes the peer are
/// counted apart: when too many of them pile up, the link stops reading until the peer does.
#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: Mutex<Lanes>,
    limit: usize,
    /// Wakes the link task.
    filled: Notify,
    /// Wakes those who wait for room.
    emptied: Notify,
}

/// Whether a message may be overtaken by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// May overtake and be overtaken.
    Free,
    /// Stays in order with the other messages of this lane.
    Ordered,
    /// Like `Ordered`, and owed to the peer: never refused for want of room.
    Owed,
    /// Like `Free`, and owed to the peer. The reply to a request must come before the answer,
    /// which is in the free lane.
    Reply,
}

impl Lane {
    fn is_free(self) -> bool {
        matches!(self, Self::Free | Self::Reply)
    }

    fn is_owed(self) -> bool {
        matches!(self, Self::Owed | Self::Reply)
    }
}

/// A message that waits for its turn in the ordered lane.
#[derive(Debug)]
enum Encoded {
    Whole(Bytes),
    Large(Fragments),
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    Full,
    Closed,
}

#[derive(Debug, Default)]
struct Lanes {
    ready: BytesMut,
    /// Messages of the ordered lane behind a large one of the same lane.
    ordered: VecDeque<(Lane, Encoded)>,
    /// Large messages that take turns.
    free: VecDeque<Fragments>,
    queued: usize,
    /// The size of the message larger than the limit that was admitted, as long as more than the
    /// limit is queued.
    surplus: usize,
    owed: usize,
    owed_ready: usize,
    closed: bool,
}

/// What the link task took, to be reported by [`Outbox::written`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    queued: usize,
    owed: usize,
}

/// How many bytes of owed answers may pile up before the link stops reading.
const OWED_LIMIT: usize = 1024 * 1024;

/// How many bytes one write is prepared from. Large messages give way to small ones at this
/// interval.
const BATCH_BYTES: usize = 256 * 1024;

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            lanes: Mutex::default(),
            limit,
            filled: Notify::new(),
            emptied: Notify::new(),
        }
    }

    /// Queues a whole message, given as the bytes of its frame.
    pub(crate) fn push_whole(&self, lane: Lane, frame: &[u8]) -> Result<(), Rejected> {
        let mut lanes = self.lanes();
        self.admit(&mut lanes, lane, frame.len())?;
        if lane.is_free() || lanes.ordered.is_empty() {
            lanes.ready.extend_from_slice(frame);
            if lane.is_owed() {
                lanes.owed_ready += frame.len();
            }
        } else {
            let frame = Encoded::Whole(Bytes::copy_from_slice(frame));
            lanes.ordered.push_back((lane, frame));
        }
        drop(lanes);
        self.filled.notify_one();
        Ok(())
    }

    /// Queues a large message; gives it back where it is rejected.
    pub(crate) fn push_large(
        &self,
        lane: Lane,
        fragments: Fragments,
    ) -> Result<(), (Rejected, Fragments)> {
        let mut lanes = self.lanes();
        if let Err(rejected) = self.admit(&mut lanes, lane, fragments.remaining_bytes()) {
            return Err((rejected, fragments));
        }
        if lane.is_free() {
            lanes.free.push_back(fragments);
        } else {
            lanes.ordered.push_back((lane, Encoded::Large(fragments)));
        }
        drop(lanes);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits until there is room for a message of this size, or the outbox is closed.
    pub(crate) async fn room(&self, size: usize) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            {
                let lanes = self.lanes();
                if lanes.closed || lanes.room_for(size, self.limit).is_some() {
                    return;
                }
            }
            emptied.await;
        }
    }

    /// Waits until there is something to take. Only the link task calls this.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Moves the next batch of bytes to the end of `batch`.
    pub(crate) fn take(&self, batch: &mut BytesMut) -> Taken {
        let mut lanes = self.lanes();
        let mut taken = Taken::default();

        let owed = std::mem::take(&mut lanes.owed_ready);
        taken.owed += owed;
        taken.queued += lanes.ready.len() - owed;
        if batch.is_empty() {
            std::mem::swap(batch, &mut lanes.ready);
        } else {
            batch.extend_from_slice(&lanes.ready);
            lanes.ready.clear();
        }
        while batch.len() < BATCH_BYTES {
            let ordered = lanes.take_ordered(batch, &mut taken);
            let free = lanes.take_free(batch, &mut taken);
            if !ordered && !free {
                break;
            }
        }
        taken
    }

    /// Tells that what was taken has reached the socket.
    pub(crate) fn written(&self, taken: Taken) {
        let mut lanes = self.lanes();
        lanes.queued = lanes.queued.saturating_sub(taken.queued);
        lanes.owed = lanes.owed.saturating_sub(taken.owed);
        if lanes.queued <= self.limit {
            lanes.surplus = 0;
        }
        drop(lanes);
        if taken.queued > 0 {
            self.emptied.notify_waiters();
        }
    }

    /// Whether so many answers are owed that no more questions may be read.
    pub(crate) fn is_overdue(&self) -> bool {
        self.lanes().owed > OWED_LIMIT
    }

    /// Drops everything that is queued and rejects what comes later.
    pub(crate) fn close(&self) {
        let mut lanes = self.lanes();
        *lanes = Lanes {
            closed: true,
            ..Lanes::default()
        };
        drop(lanes);
        self.emptied.notify_waiters();
    }

    fn admit(&self, lanes: &mut Lanes, lane: Lane, size: usize) -> Result<(), Rejected> {
        if lanes.closed {
            return Err(Rejected::Closed);
        }
        if lane.is_owed() {
            lanes.owed += size;
            return Ok(());
        }
        lanes.surplus = lanes.room_for(size, self.limit).ok_or(Rejected::Full)?;
        lanes.queued += size;
        Ok(())
    }

    /// A panic while the lock is held cannot leave the lanes torn: only moves of bytes happen
    /// under it, no code of users runs.
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    /// The surplus that there is once a message of this size is queued; `None` without room for it.
    fn room_for(&self, size: usize, limit: usize) -> Option<usize> {
        if self.queued + size <= limit + self.surplus {
            Some(self.surplus)
        } else {
            // Refusing what is too large by itself would not help: it would never fit.
            (size > limit && self.surplus == 0).then_some(size)
        }
    }

    /// Takes the next message, or its next fragment, of the ordered lane.
    fn take_ordered(&mut self, batch: &mut BytesMut, taken: &mut Taken) -> bool {
        let Some((lane, message)) = self.ordered.front_mut() else {
            return false;
        };
        let lane = *lane;
        let (bytes, done) = match message {
            Encoded::Whole(frame) => {
                batch.extend_from_slice(frame);
                (frame.len(), true)
            }
            Encoded::Large(fragments) => take_fragment(fragments, batch),
        };
        match lane.is_owed() {
            true => taken.owed += bytes,
            false => taken.queued += bytes,
        }
        if done {
            self.ordered.pop_front();
        }
        true
    }

    /// Takes one fragment of the large message whose turn it is.
    fn take_free(&mut self, batch: &mut BytesMut, taken: &mut Taken) -> bool {
        let Some(mut fragments) = self.free.pop_front() else {
            return false;
        };
        let (bytes, done) = take_fragment(&mut fragments, batch);
        taken.queued += bytes;
        if !done {
            self.free.push_back(fragments);
        }
        true
    }
}

/// Appends the next fragment; gives the bytes that it carried, and whether it was the last.
fn take_fragment(fragments: &mut Fragments, batch: &mut BytesMut) -> (usize, bool) {
    let before = fragments.remaining_bytes();
    if let Some(fragment) = fragments.next() {
        batch.put(fragment);
    }
    (before - fragments.remaining_bytes(), fragments.len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    fn written(outbox: &Outbox) -> usize {
        let mut batch = BytesMut::new();
        let taken = outbox.take(&mut batch);
        outbox.written(taken);
        batch.len()
    }

    #[test]
    fn what_is_queued_is_bounded() {
        let outbox = Outbox::new(LIMIT);
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 600]), Ok(()));
        assert_eq!(outbox.push_whole(Lane::Ordered, &[0; 400]), Ok(()));
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 1]), Err(Rejected::Full));
        assert_eq!(outbox.push_whole(Lane::Owed, &[0; 10]), Ok(()));
        assert_eq!(written(&outbox), 1010);
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 1000]), Ok(()));
    }

    #[test]
    fn one_message_larger_than_the_limit_leaves_room_for_small_ones() {
        let outbox = Outbox::new(LIMIT);
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 10]), Ok(()));
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 5000]), Ok(()));
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 990]), Ok(()));
        for size in [1, 5000] {
            let refused = outbox.push_whole(Lane::Free, &vec![0; size]);
            assert_eq!(refused, Err(Rejected::Full), "{size}");
        }
        assert_eq!(written(&outbox), 6000);
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 1000]), Ok(()));
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 5000]), Ok(()));
    }

    #[tokio::test]
    async fn who_waits_for_room_wakes_when_the_message_fits() {
        let outbox = Outbox::new(LIMIT);
        outbox.push_whole(Lane::Free, &[0; 500]).unwrap();
        // Less than the limit is queued, but there is no room for this one: it must not be told
        // that there is.
        let mut room = std::pin::pin!(outbox.room(600));
        tokio::select! {
            biased;
            () = &mut room => panic!("there is no room yet"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(written(&outbox), 500);
        room.await;
        assert_eq!(outbox.push_whole(Lane::Free, &[0; 600]), Ok(()));
    }
}
