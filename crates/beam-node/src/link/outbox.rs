//! What is to be sent to a peer: filled by any task, emptied by the link's own.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use beam_dist::frame::Fragments;
use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::batch::{self, Batch};

/// Encoded messages on their way to the socket.
///
/// Small messages are appended to one buffer, which the link task takes whole, so that many calls
/// share one write. Large ones are sent fragment by fragment, in turn with everything else, so
/// that no message waits for another's length. What is large in them is not copied.
///
/// Messages whose order matters ([`Lane::Ordered`]) reach the peer in the order of sending, even
/// where some of them are large. Requests and answers of calls ([`Lane::Free`]) may overtake each
/// other, as each concerns a process of its own.
///
/// The bytes queued by senders are bounded: requests are rejected at the bound or wait for room, as
/// the node is set to; results wait. One message that is larger than the room that there is may be queued all the same, and what
/// fits beside it then still fits: memory is bounded by the limit and one message, and a large
/// message does not stop the small ones.
///
/// What is owed to the peer is counted apart: when too much of it piles up, the link stops reading
/// until the peer does, and gives the peer up if it grows all the same.
#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: Mutex<Lanes>,
    limit: usize,
    /// How many bytes may be owed before the link stops reading.
    ///
    /// Two nodes that stop reading at the same time would wait for each other. What is owed for
    /// requests is no longer than they are, so none of the two gets here by what the other has room
    /// to queue.
    owed_limit: usize,
    /// Wakes the link task.
    attendant: AtomicWaker,
    /// Wakes those who wait for room, one after another.
    emptied: Notify,
}

/// Whether a message may be overtaken by others, and what becomes of it without room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// May overtake and be overtaken.
    Free,
    /// Like `Free`, the result of a call or what has waited for room. It takes whatever room there
    /// is: one that had to wait until it fits would wait forever where small ones keep coming.
    Result,
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
        matches!(self, Self::Free | Self::Result | Self::Reply)
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
    /// Large messages, of which the first [`INTERLEAVED`] take turns.
    free: VecDeque<Fragments>,
    queued: usize,
    /// The size of the message that was queued without fitting, as long as more than the limit is
    /// queued.
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

/// However little senders may queue, so many bytes may be owed before the link stops reading.
/// Simulated nodes owe as much after some hundreds of calls.
const LEAST_OWED_LIMIT: usize = match cfg!(rlb_simulation) {
    true => 16 * 1024,
    false => 1024 * 1024,
};

/// A buffer for batches keeps no more than this when there is nothing to send.
const IDLE_BYTES: usize = 64 * 1024;

/// How many bytes one write is prepared from. Large messages give way to small ones at this
/// interval.
const BATCH_BYTES: usize = 256 * 1024;

/// How many large messages of the free lane are sent at the same time. So many the receiver has to
/// assemble side by side, beside one of the ordered lane, however many are queued; it gives up a peer
/// that begins more than it allows.
const INTERLEAVED: usize = 32;

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            lanes: Mutex::default(),
            // What is queued alone always has room.
            limit: limit.max(1),
            owed_limit: limit.max(LEAST_OWED_LIMIT),
            attendant: AtomicWaker::new(),
            emptied: Notify::new(),
        }
    }

    /// Queues a whole message, given as the bytes of its frame.
    pub(crate) fn push_whole(&self, lane: Lane, frame: &[u8]) -> Result<(), Rejected> {
        let mut lanes = self.lanes();
        self.admit(&mut lanes, lane, frame.len())?;
        let was_filled = lanes.are_filled();
        if lane.is_free() || lanes.ordered.is_empty() {
            lanes.ready.extend_from_slice(frame);
            if lane.is_owed() {
                lanes.owed_ready += frame.len();
            }
        } else {
            let frame = Encoded::Whole(Bytes::copy_from_slice(frame));
            lanes.ordered.push_back((lane, frame));
        }
        self.filled(lanes, was_filled);
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
        let was_filled = lanes.are_filled();
        if lane.is_free() {
            lanes.free.push_back(fragments);
        } else {
            lanes.ordered.push_back((lane, Encoded::Large(fragments)));
        }
        self.filled(lanes, was_filled);
        Ok(())
    }

    /// Waits until there is room for a result of this size, or the outbox is closed. The room may
    /// be gone by the time that the result is pushed; if not, [`Outbox::pass_on`] lets the next one
    /// try.
    pub(crate) async fn room(&self, size: usize) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // From here on no notification is missed.
            emptied.as_mut().enable();
            {
                let lanes = self.lanes();
                if lanes.closed || lanes.room_for(Lane::Result, size, self.limit).is_some() {
                    return;
                }
            }
            emptied.await;
        }
    }

    /// Names the task to wake when there is something to take, or when the outbox is closed. Only
    /// the link task calls this.
    pub(crate) fn attend(&self, link_task: &Waker) {
        self.attendant.register(link_task);
    }

    /// Wakes the link task.
    pub(crate) fn wake(&self) {
        self.attendant.wake();
    }

    /// Whether there is something to take.
    pub(crate) fn is_filled(&self) -> bool {
        self.lanes().are_filled()
    }

    /// Puts the next bytes to be sent into `batch`, which is empty. It stays empty when there are
    /// none.
    pub(crate) fn take(&self, batch: &mut Batch) -> Taken {
        let mut lanes = self.lanes();
        let mut taken = Taken::default();

        let owed = std::mem::take(&mut lanes.owed_ready);
        taken.owed += owed;
        taken.queued += lanes.ready.len() - owed;
        batch.swap(&mut lanes.ready);
        // However many small messages there are, large ones get ahead as well.
        loop {
            let ordered = lanes.take_ordered(batch, &mut taken);
            let free = lanes.take_free(batch, &mut taken);
            if batch.len() >= BATCH_BYTES || !ordered && !free {
                break;
            }
        }
        if batch.is_empty() {
            // A burst is over.
            batch.shrink(IDLE_BYTES);
            batch::shrink(&mut lanes.ready, IDLE_BYTES);
        }
        taken
    }

    /// Tells that what was taken has reached the socket.
    pub(crate) fn written(&self, taken: Taken) {
        let mut lanes = self.lanes();
        lanes.queued -= taken.queued;
        lanes.owed -= taken.owed;
        if lanes.queued <= self.limit {
            lanes.surplus = 0;
        }
        drop(lanes);
        if taken.queued > 0 {
            self.pass_on();
        }
    }

    /// Wakes one who waits for room.
    pub(crate) fn pass_on(&self) {
        self.emptied.notify_one();
    }

    /// Whether so much is owed that no more questions may be read.
    pub(crate) fn is_overdue(&self) -> bool {
        self.lanes().owed > self.owed_limit
    }

    /// Whether a small message that is owed comes behind all that there is: nothing large waits for its turn,
    /// and nothing for room.
    pub(crate) fn is_in_order(&self) -> bool {
        let lanes = self.lanes();
        lanes.ordered.is_empty() && lanes.free.is_empty() && lanes.queued < self.limit
    }

    /// How many bytes there are that were not written to the socket.
    #[cfg(rlb_simulation)]
    pub(crate) fn bytes(&self) -> usize {
        let lanes = self.lanes();
        lanes.queued + lanes.owed
    }

    /// Rejects what comes later. What is queued can still be sent.
    pub(crate) fn close(&self) {
        self.lanes().closed = true;
        self.emptied.notify_waiters();
        self.wake();
    }

    /// Drops what is queued, and rejects what comes later.
    pub(crate) fn discard(&self) {
        let mut lanes = self.lanes();
        // What was taken can still be reported as written.
        let Lanes { queued, owed, .. } = *lanes;
        *lanes = Lanes {
            closed: true,
            queued,
            owed,
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
            // The questions that were read before the link stopped reading are answered, too.
            if lanes.owed > self.owed_limit.saturating_mul(2) {
                return Err(Rejected::Full);
            }
            lanes.owed += size;
            return Ok(());
        }
        lanes.surplus = lanes
            .room_for(lane, size, self.limit)
            .ok_or(Rejected::Full)?;
        lanes.queued += size;
        Ok(())
    }

    /// Wakes the link task for something that was queued: once is enough until it has taken what is
    /// there.
    fn filled(&self, lanes: MutexGuard<'_, Lanes>, was_filled: bool) {
        drop(lanes);
        if !was_filled {
            self.wake();
        }
    }

    /// A panic while the lock is held cannot leave the lanes torn: only moves of bytes happen
    /// under it, no code of users runs.
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn are_filled(&self) -> bool {
        !(self.ready.is_empty() && self.ordered.is_empty() && self.free.is_empty())
    }

    /// The surplus that there is once a message of this size is queued; `None` without room for it.
    fn room_for(&self, lane: Lane, size: usize, limit: usize) -> Option<usize> {
        if size
            <= limit
                .saturating_add(self.surplus)
                .saturating_sub(self.queued)
        {
            return Some(self.surplus);
        }
        let takes_surplus = match lane {
            Lane::Result => self.queued < limit,
            // Refusing what is too large by itself would not help: it would never fit.
            _ => size > limit,
        };
        (takes_surplus && self.surplus == 0).then_some(size)
    }

    /// Takes the next message, or its next fragment, of the ordered lane.
    fn take_ordered(&mut self, batch: &mut Batch, taken: &mut Taken) -> bool {
        let Some((lane, message)) = self.ordered.front_mut() else {
            return false;
        };
        let lane = *lane;
        let (bytes, done) = match message {
            Encoded::Whole(frame) => {
                batch.push(frame.clone());
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
    fn take_free(&mut self, batch: &mut Batch, taken: &mut Taken) -> bool {
        let Some(mut fragments) = self.free.pop_front() else {
            return false;
        };
        let (bytes, done) = take_fragment(&mut fragments, batch);
        taken.queued += bytes;
        if !done {
            let behind = self.free.len().min(INTERLEAVED - 1);
            self.free.insert(behind, fragments);
        }
        true
    }
}

/// Appends the next fragment; gives the bytes that it carried, and whether it was the last.
fn take_fragment(fragments: &mut Fragments, batch: &mut Batch) -> (usize, bool) {
    let before = fragments.remaining_bytes();
    if let Some(fragment) = fragments.next() {
        fragment.into_parts().for_each(|part| batch.push(part));
    }
    (before - fragments.remaining_bytes(), fragments.len() == 0)
}

#[cfg(test)]
mod tests;
