//! What is written to the socket at a time.

use std::{collections::VecDeque, io::IoSlice, mem};

use beam_term::Writer;
use bytes::{Buf, Bytes, BytesMut};

/// Bytes on their way to the socket: small messages lie in one buffer, and what is large is among them as a slice of the
/// memory where it is. One write takes both.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What comes before the bytes of `buffer`. None of them is empty.
    parts: VecDeque<Bytes>,
    parts_bytes: usize,
    buffer: BytesMut,
}

impl Batch {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.parts_bytes + self.buffer.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes over all of `ready`, and leaves a buffer in its place. Must be empty.
    pub(super) fn swap(&mut self, ready: &mut BytesMut) {
        debug_assert!(self.is_empty());
        mem::swap(&mut self.buffer, ready);
    }

    /// Appends a copy.
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Appends bytes without a copy if they are many.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < Writer::SHARED_BYTES {
            return self.extend_from_slice(&bytes);
        }
        let before = self.buffer.split().freeze();
        for part in [before, bytes] {
            if !part.is_empty() {
                self.parts_bytes += part.len();
                self.parts.push_back(part);
            }
        }
    }

    /// Lets go of memory beyond so many bytes. Must be empty.
    pub(super) fn shrink(&mut self, most: usize) {
        debug_assert!(self.is_empty());
        shrink(&mut self.buffer, most);
    }

    /// Whether it has memory for so many bytes of small messages. Must be empty.
    #[cfg(test)]
    pub(super) fn has_memory(&mut self, bytes: usize) -> bool {
        self.buffer.try_reclaim(bytes)
    }
}

/// Lets go of the memory of an empty buffer beyond so many bytes.
pub(super) fn shrink(buffer: &mut BytesMut, most: usize) {
    // What was written already does not count for its capacity, but is memory all the same.
    if buffer.try_reclaim(most + 1) {
        *buffer = BytesMut::with_capacity(most);
    }
}

impl From<BytesMut> for Batch {
    fn from(buffer: BytesMut) -> Self {
        Self {
            buffer,
            ..Self::default()
        }
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        match self.parts.front() {
            Some(part) => part,
            None => &self.buffer,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.parts.iter().map(|part| &part[..]);
        let all = parts.chain((!self.buffer.is_empty()).then_some(&self.buffer[..]));
        let filled = slices.iter_mut().zip(all);
        filled
            .map(|(slice, part)| *slice = IoSlice::new(part))
            .count()
    }

    fn advance(&mut self, count: usize) {
        let mut left = count;
        while left > 0
            && let Some(part) = self.parts.front_mut()
        {
            let taken = left.min(part.len());
            part.advance(taken);
            if part.is_empty() {
                self.parts.pop_front();
            }
            self.parts_bytes -= taken;
            left -= taken;
        }
        self.buffer.advance(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(large: &Bytes) -> Batch {
        let mut batch = Batch::from(BytesMut::from("small"));
        batch.push(Bytes::from_static(b" and "));
        batch.push(large.clone());
        batch.push(large.clone());
        batch.extend_from_slice(b"tail");
        batch
    }

    #[test]
    fn what_is_large_is_not_copied() {
        let large = Bytes::from(vec![7; Writer::SHARED_BYTES]);
        let batch = batch(&large);
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = batch.chunks_vectored(&mut slices);
        assert_eq!(filled, 4);
        assert_eq!(&slices[0][..], b"small and ");
        assert_eq!(slices[1].as_ptr(), large.as_ptr());
        assert_eq!(slices[2].as_ptr(), large.as_ptr());
        assert_eq!(&slices[3][..], b"tail");
    }

    #[test]
    fn a_batch_can_be_written_in_pieces_of_any_size() {
        let large = Bytes::from_iter((0..5000).map(|at| at as u8));
        let expected = [b"small and ", &large[..], &large, b"tail"].concat();
        for step in [1, 3, 10, 11, 4999, 5000, 5001, 9999, 20_000] {
            let (mut batch, mut written) = (batch(&large), Vec::new());
            while !batch.is_empty() {
                assert_eq!(written.len() + batch.remaining(), expected.len());
                let mut slices = [IoSlice::new(&[]); 8];
                let filled = batch.chunks_vectored(&mut slices);
                let offered: Vec<u8> = slices[..filled]
                    .iter()
                    .flat_map(|slice| slice.iter().copied())
                    .collect();
                assert_eq!(offered.len(), batch.len());
                assert!(offered.starts_with(batch.chunk()));
                let count = step.min(offered.len());
                written.extend_from_slice(&offered[..count]);
                batch.advance(count);
            }
            assert_eq!(written, expected);
        }
    }

    #[test]
    fn a_written_batch_takes_the_next() {
        let large = Bytes::from(vec![7; Writer::SHARED_BYTES]);
        let mut batch = batch(&large);
        batch.advance(batch.len());
        let mut ready = BytesMut::from("next");
        batch.swap(&mut ready);
        assert!(ready.is_empty());
        assert_eq!((batch.len(), batch.chunk()), (4, &b"next"[..]));
    }
}
