//! Containers whose size is known only when they are complete.

use std::mem;

use bytes::{BufMut, BytesMut};

use super::writer::SoFar;
use crate::{Closure, Writer, tag};

impl Writer<'_> {
    /// The head of a closure with `free` values in its environment, which are to follow. Gives the mark to close it with.
    pub(crate) fn open_closure(&mut self, closure: &Closure, free: usize) -> ClosureMark {
        self.buffer.put_u8(tag::NEW_FUN_EXT);
        let mark = ClosureMark {
            at: self.buffer.len(),
            shared_bytes: self.so_far.shared_bytes,
        };
        self.buffer.put_u32(0);
        self.buffer.put_u8(closure.arity);
        self.buffer.put_slice(&closure.uniq);
        self.buffer.put_u32(closure.index);
        self.length(free);
        self.atom(&closure.module);
        self.integer(closure.old_index);
        self.integer(closure.old_uniq);
        self.pid(&closure.creator);
        mark
    }

    /// Sets the size of a closure that is complete.
    pub(crate) fn close_closure(&mut self, mark: ClosureMark) {
        let shared_bytes = self.so_far.shared_bytes - mark.shared_bytes;
        let size = self.buffer.len() - mark.at + shared_bytes;
        // Nobody reads the size of a closure of 4 GiB; OTP skips it.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.buffer[mark.at..mark.at + 4].copy_from_slice(&size.to_be_bytes());
    }

    /// Sets the size of a map that begins at `start`.
    pub(crate) fn close_map(&mut self, start: usize, pairs: usize) {
        self.set_length(start + 1, pairs);
    }

    /// Sets the length of a list that begins at `start`, and ends it. Nothing but its elements may follow its head.
    ///
    /// A list of small integers only becomes as short as OTP sends it.
    pub(crate) fn close_list(&mut self, start: usize, len: usize) {
        let elements = start + LIST_HEAD_BYTES;
        match u16::try_from(len) {
            Ok(0) => {
                self.buffer.truncate(start);
                self.nil();
            }
            Ok(short) if self.are_small_integers(elements, len) => {
                self.buffer[start] = tag::STRING_EXT;
                self.buffer[start + 1..start + 3].copy_from_slice(&short.to_be_bytes());
                for index in 0..len {
                    self.buffer[start + 3 + index] = self.buffer[elements + 2 * index + 1];
                }
                self.buffer.truncate(start + 3 + len);
            }
            _ => {
                self.set_length(start + 1, len);
                self.nil();
            }
        }
    }

    /// How many bytes are in the buffer.
    pub(crate) fn position(&self) -> usize {
        self.buffer.len()
    }

    /// What is in the buffer.
    pub(crate) fn written(&self) -> &[u8] {
        self.buffer
    }

    /// Takes back what was written from `start` on.
    pub(crate) fn truncate(&mut self, start: usize) {
        self.buffer.truncate(start);
        self.forget_after(start);
    }

    /// Takes the buffer out, to be [put back](Self::put_back).
    pub(crate) fn take(&mut self) -> (BytesMut, SoFar) {
        (mem::take(self.buffer), mem::take(&mut self.so_far))
    }

    pub(crate) fn put_back(&mut self, (buffer, so_far): (BytesMut, SoFar)) {
        *self.buffer = buffer;
        self.so_far = so_far;
    }

    /// Whether all elements are small integers, which take two bytes each.
    fn are_small_integers(&self, elements: usize, len: usize) -> bool {
        let bytes = &self.buffer[elements..];
        bytes.len() == 2 * len
            && bytes
                .chunks(2)
                .all(|term| term[0] == tag::SMALL_INTEGER_EXT)
    }

    fn set_length(&mut self, at: usize, len: usize) {
        // Callers refuse what is too long; a peer would refuse what this makes of it.
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.buffer[at..at + 4].copy_from_slice(&len.to_be_bytes());
    }
}

/// Where the size of an open closure goes.
pub(crate) struct ClosureMark {
    at: usize,
    /// How many bytes were kept by reference before.
    shared_bytes: usize,
}

const LIST_HEAD_BYTES: usize = 5;
