//! The header of a frame: which message it belongs to, and which atoms its terms refer to.
//!
//! Source: "Distribution Header" in the chapter "External Term Format" of the ERTS user's guide.

use beam_term::AtomRefs;

use super::{FrameDecodeError, atom_cache::AtomCache, form::Form, layout};

/// What a frame says of itself before its terms, or its part of them, begin.
#[derive(Debug)]
pub(super) enum Header {
    /// All of a message.
    Whole(AtomRefs),
    /// The first of `fragments` fragments.
    First {
        sequence: u64,
        fragments: u64,
        atoms: AtomRefs,
    },
    /// A further fragment. `id` fragments are left, this one included.
    Further { sequence: u64, id: u64 },
}

impl Header {
    /// How many bytes a [`Further`](Self::Further) has.
    pub(super) const FURTHER_BYTES: usize = 1 + 1 + 8 + 8;

    /// Whether a frame that begins so has a [`Further`](Self::Further).
    pub(super) fn is_further(frame: &[u8]) -> bool {
        frame.starts_with(&[layout::VERSION, layout::FRAGMENT])
    }

    /// Takes the header off the front of `frame`, and does to the cache what it says.
    pub(super) fn decode(
        frame: &mut &[u8],
        form: Form,
        cache: &mut AtomCache,
    ) -> Result<Self, FrameDecodeError> {
        match (form, byte(frame)?) {
            (Form::PassThrough, layout::PASS_THROUGH) => {
                return Ok(Self::Whole(AtomRefs::default()));
            }
            (Form::Header { .. }, layout::VERSION) => (),
            (_, found) => return Err(FrameDecodeError::Form { found }),
        }
        match byte(frame)? {
            layout::DIST_HEADER => cache.atom_refs(frame, form).map(Self::Whole),
            layout::FIRST_FRAGMENT if form.fragments() => Ok(Self::First {
                sequence: number(frame)?,
                fragments: number(frame)?,
                atoms: cache.atom_refs(frame, form)?,
            }),
            layout::FRAGMENT if form.fragments() => Ok(Self::Further {
                sequence: number(frame)?,
                id: number(frame)?,
            }),
            found => Err(FrameDecodeError::Form { found }),
        }
    }
}

/// Takes one byte off the front.
pub(super) fn byte(frame: &mut &[u8]) -> Result<u8, FrameDecodeError> {
    bytes(frame, 1).map(|bytes| bytes[0])
}

/// Takes so many bytes off the front.
pub(super) fn bytes<'a>(frame: &mut &'a [u8], count: usize) -> Result<&'a [u8], FrameDecodeError> {
    frame
        .split_off(..count)
        .ok_or(FrameDecodeError::TruncatedHeader)
}

fn number(frame: &mut &[u8]) -> Result<u64, FrameDecodeError> {
    let (number, rest) = frame
        .split_first_chunk()
        .ok_or(FrameDecodeError::TruncatedHeader)?;
    *frame = rest;
    Ok(u64::from_be_bytes(*number))
}
