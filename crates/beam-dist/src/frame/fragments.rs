//! A message on its way out in fragments.

use std::{io::IoSlice, iter::FusedIterator};

use bytes::{Buf, BufMut, Bytes, BytesMut, buf::Chain};

use super::layout::{self, LENGTH_BYTES};

/// How many bytes of a message are in one fragment: 64 KiB, as in OTP. A message of no more than
/// that is sent whole.
pub const FRAGMENT_BYTES: usize = 64 * 1024;

/// A large message as a row of frames.
///
/// Frames of other messages may go between those of this one, so that they need not wait for it.
/// What the same process sends to the same receiver must not: a message arrives with its **last**
/// fragment, and Erlang promises that what one process sends to another arrives in that order.
///
/// A row that was begun must be sent to its end, for the peer waits for the rest of it as long as
/// the link lives. Before its first frame it can be dropped.
#[derive(Debug)]
pub struct Fragments {
    sequence: u64,
    /// The fragment that is due. The last one is 1.
    next: u64,
    /// The control message, until the first fragment took it.
    control: Option<Bytes>,
    /// What is left of the payload.
    payload: Bytes,
}

impl Fragments {
    /// `sequence` is at least 1: OTP takes 0 for no sequence at all. OTP also wants the whole
    /// control message in the first fragment.
    pub(super) fn new(sequence: u64, control: Bytes, payload: Bytes) -> Self {
        let room = FRAGMENT_BYTES.saturating_sub(control.len());
        let further = payload.len().saturating_sub(room);
        Self {
            sequence,
            next: 1 + further.div_ceil(FRAGMENT_BYTES) as u64,
            control: Some(control),
            payload,
        }
    }

    /// How many bytes of the message are left, not counting what each frame adds.
    pub fn remaining_bytes(&self) -> usize {
        self.control.as_ref().map_or(0, Bytes::len) + self.payload.len()
    }

    /// Whether the first frame was taken.
    pub fn has_begun(&self) -> bool {
        self.control.is_none()
    }
}

impl Iterator for Fragments {
    type Item = Fragment;

    fn next(&mut self) -> Option<Fragment> {
        let id = self.next;
        self.next = id.checked_sub(1)?;

        let control = self.control.take();
        let control_bytes = control.as_ref().map_or(0, Bytes::len);
        let room = FRAGMENT_BYTES.saturating_sub(control_bytes);
        let body = self.payload.split_to(room.min(self.payload.len()));

        let mut head = BytesMut::with_capacity(MAX_HEAD_BYTES + control_bytes);
        head.put_u32(0);
        head.put_u8(layout::VERSION);
        head.put_u8(if control.is_some() {
            layout::FIRST_FRAGMENT
        } else {
            layout::FRAGMENT
        });
        head.put_u64(self.sequence);
        head.put_u64(id);
        if let Some(control) = control {
            head.put_u8(layout::NO_ATOMS);
            head.put(control);
        }
        let length = head.len() - LENGTH_BYTES + body.len();
        // No message is so long, see the encoder.
        head[..LENGTH_BYTES].copy_from_slice(&(length as u32).to_be_bytes());
        Some(Fragment(head.freeze().chain(body)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.next).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Fragments {}

impl FusedIterator for Fragments {}

/// One frame of a large message, with its length: a [`Buf`] of two parts, which can be put into a
/// buffer, or written to a socket without a copy of the payload.
#[derive(Debug)]
pub struct Fragment(Chain<Bytes, Bytes>);

impl Buf for Fragment {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.0.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

/// The length, the version, the tag, the sequence, the fragment, and the number of atoms.
const MAX_HEAD_BYTES: usize = LENGTH_BYTES + 1 + 1 + 8 + 8 + 1;
