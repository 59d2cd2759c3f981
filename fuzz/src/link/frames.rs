//! Frames as no well-behaved peer sends them, made from those that one does.

use super::input::Input;

/// What is done to the frame of the next message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    /// Another byte, at a place.
    Set(usize, u8),
    /// One more byte.
    Insert(usize, u8),
    /// The end is missing, and the length says so.
    Cut(usize),
    /// The length is wrong by so much.
    Length(i8),
    /// It comes twice.
    Twice,
}

/// A frame begins with its length.
const LENGTH_BYTES: usize = 4;

/// What a message without atoms of the cache begins with, after the length.
const HEADER: [u8; 3] = [131, 68, 0];

impl Damage {
    pub(super) fn choose(input: &mut Input<'_>) -> Self {
        let kind = input.below(5);
        let at = input.size();
        match kind {
            0 => Self::Set(at, input.byte()),
            1 => Self::Insert(at, input.byte()),
            2 => Self::Cut(at),
            3 => Self::Length(at as i8),
            _ => Self::Twice,
        }
    }

    pub(super) fn apply(self, frame: &mut Vec<u8>) {
        let place = |at: usize| LENGTH_BYTES + at % (frame.len() - LENGTH_BYTES).max(1);
        match self {
            Self::Set(at, byte) => {
                let at = place(at);
                if let Some(place) = frame.get_mut(at) {
                    *place = byte;
                }
            }
            Self::Insert(at, byte) => frame.insert(place(at).min(frame.len()), byte),
            Self::Cut(at) => frame.truncate(place(at)),
            Self::Length(by) => {
                let length = frame.len() - LENGTH_BYTES;
                return set_length(frame, length.wrapping_add_signed(by.into()));
            }
            Self::Twice => return frame.extend_from_within(..),
        }
        let length = frame.len() - LENGTH_BYTES;
        set_length(frame, length);
    }
}

/// Cuts a message into so many fragments, or less, in the order in which they are to be sent.
pub(super) fn fragments(frame: &[u8], sequence: u64, pieces: usize) -> Vec<Vec<u8>> {
    let Some(terms) = frame[LENGTH_BYTES..].strip_prefix(&HEADER) else {
        return vec![frame.to_vec()];
    };
    let chunks: Vec<_> = terms.chunks(terms.len().div_ceil(pieces).max(1)).collect();
    let count = chunks.len();
    chunks
        .into_iter()
        .enumerate()
        .map(|(at, chunk)| {
            let is_first = at == 0;
            let mut fragment = vec![131, if is_first { 69 } else { 70 }];
            fragment.extend_from_slice(&sequence.to_be_bytes());
            fragment.extend_from_slice(&((count - at) as u64).to_be_bytes());
            if is_first {
                fragment.push(0);
            }
            fragment.extend_from_slice(chunk);
            framed(&fragment)
        })
        .collect()
}

/// A message to a registered name with the message `{Word, Word}`, whose atoms are in the cache of
/// the link, or come into it.
pub(super) fn cached(word: &str, slot: u8, is_new: bool) -> Vec<u8> {
    let mut body = vec![131, 68, 1];
    // One nibble says whether the atom is new and in which segment it is, the next how long the lengths
    // of atoms are.
    body.push(if is_new { 0b1000 } else { 0 } | (slot >> 5));
    body.push(slot);
    if is_new {
        body.push(word.len() as u8);
        body.extend_from_slice(word.as_bytes());
    }
    // {6, a pid that is none, Word, Word}, and the payload.
    body.extend_from_slice(&[104, 4, 97, 6]);
    body.extend_from_slice(&[88, 82, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    body.extend_from_slice(&[82, 0, 82, 0]);
    body.extend_from_slice(&[104, 2, 82, 0, 82, 0]);
    framed(&body)
}

/// Bytes with their length before them.
pub(super) fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; LENGTH_BYTES];
    frame.extend_from_slice(body);
    set_length(&mut frame, body.len());
    frame
}

fn set_length(frame: &mut [u8], length: usize) {
    frame[..LENGTH_BYTES].copy_from_slice(&(length as u32).to_be_bytes());
}
