//! Messages to be sent.

use std::sync::atomic::{AtomicU64, Ordering};

use beam_term::{EncodeError, Limits, RawTerm, Reader, Writer};
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
#[must_use = "a fragmented message is in no buffer yet"]
pub enum Encoded {
    /// At the end of the buffer, in one frame.
    Whole,
    /// Not in the buffer: it is large, and its frames are to be sent one by one.
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
        let frame = self.begin_with_payload(control, out)?;
        let control_end = frame.out.len();
        let mut writer = Writer::new(frame.out);
        payload(&mut writer)?;
        writer.check_for_peer(self.knows_records())?;

        if self.fragments(control, frame.terms_bytes()) {
            frame.check(0)?;
            let payload = frame.out.split_off(control_end).freeze();
            Ok(self.fragmented(&frame, payload))
        } else {
            frame.finish()?;
            Ok(Encoded::Whole)
        }
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
    /// A payload that is sent in fragments is shared with them, not copied.
    pub fn encode_bytes(
        &self,
        control: &Control,
        payload: &Bytes,
        out: &mut BytesMut,
    ) -> Result<Encoded, FrameEncodeError> {
        let frame = self.begin_with_payload(control, out)?;
        frame.check(payload.len())?;
        self.check_encoded(payload)?;

        if self.fragments(control, frame.terms_bytes() + payload.len()) {
            Ok(self.fragmented(&frame, payload.clone()))
        } else {
            frame.out.put_slice(payload);
            frame.finish()?;
            Ok(Encoded::Whole)
        }
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
        let frame = self.begin(control, out)?;
        if self.form.versioned_terms() && !control.has_reason_inside(self.flags) {
            frame.out.put_u8(layout::VERSION);
        }
        Ok(frame)
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

    /// The message that begins as `frame` does, in fragments.
    fn fragmented(&self, frame: &Frame<'_>, payload: Bytes) -> Encoded {
        let sequence = 1 + self.last_sequence.fetch_add(1, Ordering::Relaxed);
        let control = Bytes::copy_from_slice(&frame.out[frame.terms..]);
        Encoded::Fragmented(Fragments::new(sequence, control, payload))
    }
}

/// A frame at the end of a buffer. Dropped before it is finished, it leaves no trace.
struct Frame<'a> {
    out: &'a mut BytesMut,
    start: usize,
    terms: usize,
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
            limit: limit.min(u32::MAX as usize),
            finished: false,
        }
    }

    /// How many bytes of terms there are.
    fn terms_bytes(&self) -> usize {
        self.out.len() - self.terms
    }

    /// Checks the limit, with so many more bytes to come, and gives the length.
    fn check(&self, more: usize) -> Result<u32, FrameEncodeError> {
        let bytes = self.out.len() - self.start - LENGTH_BYTES + more;
        if bytes > self.limit {
            let limit = self.limit;
            return Err(FrameEncodeError::MessageTooLarge { bytes, limit });
        }
        Ok(bytes as u32)
    }

    fn finish(mut self) -> Result<(), FrameEncodeError> {
        let length = self.check(0)?.to_be_bytes();
        self.out[self.start..][..LENGTH_BYTES].copy_from_slice(&length);
        self.finished = true;
        Ok(())
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}
