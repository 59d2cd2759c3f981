//! A message on its way out in parts.

use std::{collections::VecDeque, io::IoSlice, iter::FusedIterator, mem};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::layout::{self, LENGTH_BYTES};

/// How many bytes of a message are in one fragment: 64 KiB, as in OTP. A message of no more than
/// that is sent whole.
pub const FRAGMENT_BYTES: usize = 64 * 1024;

/// A large message as a row of frames, or as the one frame that it is where it cannot be cut.
///
/// Frames of other messages may go between those of this one, so that they need not wait for it.
/// What the same process sends to the same receiver must not: a message arrives with its **last**
/// fragment, and Erlang promises that what one process sends to another arrives in that order.
///
/// A row that was begun must be sent to its end, for the peer waits for the rest of it as long as
/// the link lives. Before its first frame it can be dropped.
#[derive(Debug)]
pub struct Fragments {
    /// Where the message is cut; `None` for one frame that is complete as it is.
    cut: Option<Cut>,
    /// How many frames are left.
    left: u64,
    /// What is left of the payload, or of the frame.
    parts: VecDeque<Bytes>,
    /// How many bytes that is.
    bytes: usize,
    has_begun: bool,
}

#[derive(Debug)]
struct Cut {
    sequence: u64,
    /// The control message, until the first fragment took it.
    control: Bytes,
    /// How many bytes of the payload go with it.
    first: usize,
}

impl Fragments {
    /// `sequence` is at least 1: OTP takes 0 for no sequence at all. OTP also wants the whole
    /// control message in the first fragment.
    pub(super) fn new(sequence: u64, control: Bytes, payload: VecDeque<Bytes>) -> Self {
        let bytes: usize = payload.iter().map(Bytes::len).sum();
        let room = FRAGMENT_BYTES.saturating_sub(control.len());
        let first = match payload.front() {
            // What follows is read to its place without a copy, all but the first fragment.
            Some(head) if payload.len() > 1 => room.min(head.len()),
            _ => room.min(bytes),
        };
        Self {
            left: 1 + (bytes - first).div_ceil(FRAGMENT_BYTES) as u64,
            cut: Some(Cut {
                sequence,
                control,
                first,
            }),
            parts: payload,
            bytes,
            has_begun: false,
        }
    }

    /// One frame, with its length.
    pub(super) fn whole(parts: VecDeque<Bytes>) -> Self {
        let bytes = parts.iter().map(Bytes::len).sum();
        Self {
            cut: None,
            left: 1,
            parts,
            bytes,
            has_begun: false,
        }
    }

    /// How many bytes of the message are left, not counting what each fragment adds.
    pub fn remaining_bytes(&self) -> usize {
        self.cut.as_ref().map_or(0, |cut| cut.control.len()) + self.bytes
    }

    /// Whether the first frame was taken.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes so many bytes off the front.
    fn take_bytes(&mut self, count: usize) -> VecDeque<Bytes> {
        let mut taken = VecDeque::with_capacity(4);
        let mut missing = count;
        while let Some(part) = self.parts.front_mut() {
            if missing == 0 {
                break;
            }
            if part.len() > missing {
                taken.push_back(part.split_to(missing));
                missing = 0;
            } else {
                missing -= part.len();
                taken.extend(self.parts.pop_front());
            }
        }
        self.bytes -= count - missing;
        taken
    }
}

impl Iterator for Fragments {
    type Item = Fragment;

    fn next(&mut self) -> Option<Fragment> {
        let id = self.left;
        self.left = id.checked_sub(1)?;
        self.has_begun = true;
        let Some(cut) = &mut self.cut else {
            self.bytes = 0;
            return Some(Fragment(mem::take(&mut self.parts)));
        };

        let control = mem::take(&mut cut.control);
        let mut head = BytesMut::with_capacity(MAX_HEAD_BYTES + control.len());
        head.put_u32(0);
        head.put_u8(layout::VERSION);
        let is_first = !control.is_empty();
        head.put_u8(if is_first {
            layout::FIRST_FRAGMENT
        } else {
            layout::FRAGMENT
        });
        head.put_u64(cut.sequence);
        head.put_u64(id);
        if is_first {
            head.put_u8(layout::NO_ATOMS);
        }
        head.put(control);
        let count = match is_first {
            true => cut.first,
            false => FRAGMENT_BYTES.min(self.bytes),
        };
        let length = head.len() - LENGTH_BYTES + count;
        // No message is so long, see the encoder.
        head[..LENGTH_BYTES].copy_from_slice(&(length as u32).to_be_bytes());
        let mut parts = self.take_bytes(count);
        parts.push_front(head.freeze());
        Some(Fragment(parts))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Fragments {}

impl FusedIterator for Fragments {}

/// One frame of a large message, with its length: a [`Buf`] of a few parts, which can be put into a
/// buffer, or written to a socket without a copy of what is large.
#[derive(Debug)]
pub struct Fragment(VecDeque<Bytes>);

impl Fragment {
    /// The parts, none of which is empty.
    pub fn into_parts(self) -> impl Iterator<Item = Bytes> {
        self.0.into_iter()
    }
}

impl Buf for Fragment {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.0);
        filled
            .map(|(slice, part)| *slice = IoSlice::new(part))
            .count()
    }

    fn advance(&mut self, count: usize) {
        let mut left = count;
        while let Some(part) = self.0.front_mut() {
            if part.len() > left {
                return part.advance(left);
            }
            left -= part.len();
            self.0.pop_front();
        }
        assert_eq!(left, 0, "a fragment was advanced beyond its end");
    }
}

/// The length, the version, the tag, the sequence, the fragment, and the number of atoms.
const MAX_HEAD_BYTES: usize = LENGTH_BYTES + 1 + 1 + 8 + 8 + 1;
