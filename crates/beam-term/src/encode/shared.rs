//! Large binaries that are kept by reference instead of being copied.

use bytes::{BufMut, Bytes};

use crate::Writer;

/// Bytes that belong to what a [`Writer`] wrote, and that it kept by reference.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shared {
    /// In front of which byte of the buffer they belong.
    pub at: usize,
    /// The bytes: a slice of what the writer was given.
    pub bytes: Bytes,
}

impl Shared {
    /// Bytes that belong in front of this byte of a buffer.
    pub fn new(at: usize, bytes: Bytes) -> Self {
        Self { at, bytes }
    }
}

impl Writer<'_> {
    /// Bytes of which no fewer are kept by reference: 4 KiB. To copy fewer costs less than to keep them apart.
    pub const SHARED_BYTES: usize = 4 * 1024;

    /// Writes bytes, by reference if they are many. At least one byte of the same term must precede them, by which its place
    /// differs from that of what follows it.
    pub(super) fn keep(&mut self, bytes: &Bytes) {
        match &mut self.so_far.shared {
            Some(shared) if bytes.len() >= Self::SHARED_BYTES => {
                shared.push(Shared {
                    at: self.buffer.len(),
                    bytes: bytes.clone(),
                });
                self.so_far.shared_bytes += bytes.len();
            }
            _ => self.buffer.put_slice(bytes),
        }
    }

    /// Writes a whole term that is encoded already.
    pub(super) fn encoded(&mut self, term: &Bytes) {
        if self.so_far.shared.is_some() && term.len() > Self::SHARED_BYTES {
            self.buffer.put_u8(term[0]);
            self.keep(&term.slice(1..));
        } else {
            self.buffer.put_slice(term);
        }
    }

    /// Forgets what was kept after the first `start` bytes of the buffer.
    pub(super) fn forget_after(&mut self, start: usize) {
        let Some(shared) = &mut self.so_far.shared else {
            return;
        };
        while let Some(last) = shared.pop_if(|last| last.at > start) {
            self.so_far.shared_bytes -= last.bytes.len();
        }
    }

    /// Copies everything until [`resume_sharing`](Self::resume_sharing).
    pub(crate) fn suspend_sharing(&mut self) -> Option<Vec<Shared>> {
        self.so_far.shared.take()
    }

    pub(crate) fn resume_sharing(&mut self, shared: Option<Vec<Shared>>) {
        self.so_far.shared = shared;
    }
}
