//! Messages to be sent.

use std::{
    collections::VecDeque,
    mem,
    sync::atomic::{AtomicU64, Ordering},
};

use beam_term::{EncodeError, Limits, RawTerm, Reader, Shared, Writer};
use bytes::{BufMut, Bytes, BytesMut};

use super::{
    FRAGMENT_BYTES, Fragments, FrameEncodeError, FrameLimits,
    form::Form,
    layout::{self, LENGTH_BYTES},
};
use crate::{
    Flags,
    control::{Control, ControlEncodeError},
};

/// A tick: the frame that says no more than that its sender is alive.
pub const TICK: [u8; 4] = [0; LENGTH_BYTES];

/// The sending side of a link: puts messages at the end of the buffer that the link is written
/// from.
///
/// Messages are encoded straight into the buffer. All who send on a link share one encoder, and may
/// encode into buffers of their own, so that nobody holds a lock while another's payload is encoded.
/// A payload that is encoded already is handed over with [`encode_bytes`](Self::encode_bytes).
///
/// Large binaries are not copied where the payload is given their owner, see [`Writer::sharing`]: their message then
/// is in parts.
///
/// A method that fails, or that unwinds with the closure that it was given, leaves the buffer as it
/// was.
#[derive(Debug)]
pub struct FrameEncoder {
    flags: Flags,
    form: Form,
    limits: FrameLimits,
    last_sequence: AtomicU64,
}

/// Where an encoded message is.
#[derive(Debug)]
#[must_use = "a message in parts is in no buffer yet"]
pub enum Encoded {
    /// At the end of the buffer, in one frame.
    Whole,
    /// Not in the buffer: it is large, and its frames are to be sent one by one. A message of up to
    /// 64 KiB with a large binary is one frame.
    Fragmented(Fragments),
}

impl FrameEncoder {
    /// For a link whose nodes negotiated these flags ([`Flags::negotiate`]).
    pub fn new(negotiated: Flags, limits: FrameLimits) -> Self {
        Self {
            flags: negotiated,
            form: Form::new(negotiated),
            limits,
            last_sequence: AtomicU64::new(0),
        }
    }

    /// Encodes a control message that carries no payload.
    pub fn encode(&self, control: &Control, out: &mut BytesMut) -> Result<(), FrameEncodeError> {
        if control.carries_payload() == Some(true) {
            return Err(FrameEncodeError::PayloadMismatch);
        }
        self.begin(control, out)?.finish()
    }

    /// Encodes a control message and the payload that `payload` writes: exactly one term.
    pub fn encode_with(
        &self,
        control: &Control,
        payload: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>,
        out: &mut BytesMut,
    ) -> Result<Encoded, FrameEncodeError> {
        let mut frame = self.begin_with_payload(control, out)?;
        let mut writer = Writer::sharing(frame.out);
        payload(&mut writer)?;
        writer.check_for_peer(self.knows_records())?;
        frame.shared = writer.into_shared();
        self.finish(control, frame)
    }

    /// Encodes a control message and a payload that is passed on as it was received.
    pub fn encode_raw(
        &self,
        control: &Control,
        payload: &RawTerm,
        out: &mut BytesMut,
    ) -> Result<Encoded, FrameEncodeError> {
        self.encode_with(control, |writer| writer.raw(payload), out)
    }

    /// Encodes a control message and a payload that is encoded already: exactly one term, without a
    /// version byte, which is checked.
    ///
    /// A large payload is shared with the frames, not copied.
    pub fn encode_bytes(
        &self,
        control: &Control,
        payload: &Bytes,
        out: &mut BytesMut,
    ) -> Result<Encoded, FrameEncodeError> {
        let mut frame = self.begin_with_payload(control, out)?;
        frame.check(payload.len())?;
        self.check_encoded(payload)?;
        frame.keep(payload);
        self.finish(control, frame)
    }

    /// Writes a frame up to where the payload begins.
    fn begin_with_payload<'a>(
        &self,
        control: &Control,
        out: &'a mut BytesMut,
    ) -> Result<Frame<'a>, FrameEncodeError> {
        if control.carries_payload() == Some(false) {
            return Err(FrameEncodeError::PayloadMismatch);
        }
        let mut frame = self.begin(control, out)?;
        if self.form.versioned_terms() && !control.has_reason_inside(self.flags) {
            frame.out.put_u8(layout::VERSION);
        }
        frame.payload = frame.out.len();
        Ok(frame)
    }

    /// Ends a frame in the buffer, or takes it out of there.
    fn finish(&self, control: &Control, mut frame: Frame<'_>) -> Result<Encoded, FrameEncodeError> {
        frame.check(0)?;
        if self.fragments(control, frame.terms_bytes()) {
            let sequence = 1 + self.last_sequence.fetch_add(1, Ordering::Relaxed);
            let control = Bytes::copy_from_slice(frame.control());
            let start = frame.payload;
            let payload = frame.into_parts(start);
            Ok(Encoded::Fragmented(Fragments::new(
                sequence, control, payload,
            )))
        } else if frame.shared.is_empty() {
            frame.finish()?;
            Ok(Encoded::Whole)
        } else {
            frame.set_length()?;
            let start = frame.start;
            let parts = frame.into_parts(start);
            Ok(Encoded::Fragmented(Fragments::whole(parts)))
        }
    }

    /// Writes a frame up to the end of the control message, or up to the reason where that is
    /// inside.
    fn begin<'a>(
        &self,
        control: &Control,
        out: &'a mut BytesMut,
    ) -> Result<Frame<'a>, FrameEncodeError> {
        let frame = Frame::begin(self.form, self.limits.message_bytes, out);
        let mut writer = Writer::new(frame.out);
        control.encode(self.flags, &mut writer)?;
        writer
            .check_for_peer(self.knows_records())
            .map_err(ControlEncodeError::Term)?;
        Ok(frame)
    }

    /// Refuses a payload that the peer would not decode.
    fn check_encoded(&self, payload: &Bytes) -> Result<(), EncodeError> {
        let mut limits = Limits::default();
        limits.depth = usize::MAX;
        limits.elements = usize::MAX;
        let mut reader = Reader::new(payload.clone()).with_limits(limits);
        let term = reader.raw()?;
        reader.finish()?;
        term.check_for_peer(self.knows_records())
    }

    /// Whether the peer would decode native records.
    fn knows_records(&self) -> bool {
        self.flags.contains(Flags::NATIVE_RECORDS)
    }

    /// Whether a message of so many bytes is to be sent in fragments. One with the reason inside is
    /// not, for OTP wants the whole control message in the first of them.
    fn fragments(&self, control: &Control, terms_bytes: usize) -> bool {
        terms_bytes > FRAGMENT_BYTES
            && self.form.fragments()
            && !control.has_reason_inside(self.flags)
    }
}

/// A frame at the end of a buffer. Dropped before it is finished, it leaves no trace.
struct Frame<'a> {
    out: &'a mut BytesMut,
    start: usize,
    terms: usize,
    /// Where the payload begins.
    payload: usize,
    /// What of the payload is not in the buffer.
    shared: Vec<Shared>,
    limit: usize,
    finished: bool,
}

impl<'a> Frame<'a> {
    fn begin(form: Form, limit: usize, out: &'a mut BytesMut) -> Self {
        let start = out.len();
        out.put_bytes(0, LENGTH_BYTES);
        match form {
            Form::PassThrough => out.put_slice(&[layout::PASS_THROUGH, layout::VERSION]),
            // A cache of atoms for what is sent would be consulted here; a header without
            // references is valid with one, too.
            Form::Header { .. } => {
                out.put_slice(&[layout::VERSION, layout::DIST_HEADER, layout::NO_ATOMS])
            }
        }
        let terms = out.len();
        Self {
            out,
            start,
            terms,
            payload: terms,
            shared: Vec::new(),
            limit: limit.min(u32::MAX as usize),
            finished: false,
        }
    }

    /// The control message, with the version of the payload where it has one.
    fn control(&self) -> &[u8] {
        &self.out[self.terms..self.payload]
    }

    /// Adds a payload that is encoded already, by reference if it is large.
    fn keep(&mut self, payload: &Bytes) {
        if payload.len() < Writer::SHARED_BYTES {
            self.out.put_slice(payload);
        } else {
            let at = self.out.len();
            self.shared.push(Shared::new(at, payload.clone()));
        }
    }

    /// How many bytes of terms there are.
    fn terms_bytes(&self) -> usize {
        self.out.len() - self.terms + self.shared_bytes()
    }

    fn shared_bytes(&self) -> usize {
        self.shared.iter().map(|part| part.bytes.len()).sum()
    }

    /// Checks the limit, with so many more bytes to come, and gives the length.
    fn check(&self, more: usize) -> Result<u32, FrameEncodeError> {
        let bytes = self.out.len() - self.start - LENGTH_BYTES + self.shared_bytes() + more;
        if bytes > self.limit {
            let limit = self.limit;
            return Err(FrameEncodeError::MessageTooLarge { bytes, limit });
        }
        Ok(bytes as u32)
    }

    /// Sets the length of a frame that is complete.
    fn set_length(&mut self) -> Result<(), FrameEncodeError> {
        let length = self.check(0)?.to_be_bytes();
        self.out[self.start..][..LENGTH_BYTES].copy_from_slice(&length);
        Ok(())
    }

    fn finish(mut self) -> Result<(), FrameEncodeError> {
        self.set_length()?;
        self.finished = true;
        Ok(())
    }

    /// Takes the bytes from `start` on out of the buffer, and puts what is kept by reference among
    /// them.
    fn into_parts(mut self, start: usize) -> VecDeque<Bytes> {
        let shared = mem::take(&mut self.shared);
        let mut own = if self.out.len() - start <= Writer::SHARED_BYTES {
            // The buffer keeps its memory.
            Bytes::copy_from_slice(&self.out[start..])
        } else if self.start == 0 {
            mem::take(self.out).freeze().split_off(start)
        } else {
            self.out.split_off(start).freeze()
        };
        let mut parts = VecDeque::with_capacity(2 * shared.len() + 1);
        let mut at = start;
        for kept in shared {
            parts.push_back(own.split_to(kept.at - at));
            parts.push_back(kept.bytes);
            at = kept.at;
        }
        parts.push_back(own);
        parts.retain(|part| !part.is_empty());
        parts
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}
